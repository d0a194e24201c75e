package store

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// oddKeys are keys of one shard and leaf in all the forms that names have.
func oddKeys(t *testing.T, rnd *rand.Rand, shard, leaf string) []remote.Key {
	t.Helper()
	long, short := make([]byte, 60), make([]byte, 28)
	for _, b := range [][]byte{long, short} {
		for i := range b {
			b[i] = hexDigits[rnd.IntN(16)]
		}
	}
	hashes := []string{leaf + string(long), leaf + string(short)}
	dir := shard[len(shard)-2:]
	var keys []remote.Key
	for i, h := range hashes {
		h = dir + h
		for _, base := range []string{
			"sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_package.tar.zst",
			"sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_package.tar.zst.siginfo",
			"sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_package.tar.zst.sig",
			fmt.Sprintf("sstate:gcc%d::1:2:3:r%d::3:%s_fetch.tgz", rnd.IntN(3), i, h),
		} {
			keys = append(keys, remote.Key(shard+"/"+leaf+"/"+base))
		}
	}
	if dir == "IN" {
		keys = []remote.Key{remote.Key(shard + "/VA/sstate:zlib:core2:1.3:r0:core2:14:INVALID_package.tar.zst")}
	}
	for _, k := range keys {
		if _, ok := sstate.ParsePath(string(k)); !ok {
			t.Fatalf("%s is no object", k)
		}
	}
	return keys
}

// modelCheck compares an index with a map of what it should hold.
func modelCheck(t *testing.T, x *index, want map[remote.Key]stamp, absent []remote.Key) {
	t.Helper()
	if x.objects != int64(len(want)) {
		t.Fatalf("%d objects, want %d", x.objects, len(want))
	}
	names := map[string][]string{}
	for k, st := range want {
		info, found, _, _ := x.get(k)
		if !found || info.Size != st.size || info.ModTime.UnixNano() != st.mtime || info.Key != k {
			t.Fatalf("get(%s) = %+v, %v, want %+v", k, info, found, st)
		}
		names[parent(string(k))] = append(names[parent(string(k))], baseName(string(k)))
	}
	for _, k := range absent {
		if _, found, _, _ := x.get(k); found {
			t.Fatalf("get(%s) finds what was removed", k)
		}
	}
	for dir, want := range names {
		var got []string
		x.known(dir, func(name string, folder bool) { got = append(got, name) })
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s holds %q, want %q", dir, got, want)
		}
	}
}

// modelIndex is an index whose remote is a map.
func modelIndex(world map[remote.Key]stamp, perFolder bool, told func(delta)) *index {
	x := (&sea{}).newIndex()
	x.perFolder, x.onDelta, x.restUntil = perFolder, told, time.Now().Add(time.Hour)
	x.list = func(_ context.Context, prefix string, fn func(remote.Info) error) error {
		for k, st := range world {
			if strings.HasPrefix(string(k), prefix+"/") {
				if err := fn(remote.Info{Key: k, Size: st.size, ModTime: st.time()}); err != nil {
					return err
				}
			}
		}
		return fn(remote.Info{Key: remote.Key(prefix + "/sstate:foreign")})
	}
	x.folders = func(_ context.Context, prefix string, fn func(remote.Folder) error) error {
		seen := map[string]bool{}
		for k := range world {
			rest, ok := strings.CutPrefix("/"+string(k), strings.TrimSuffix("/"+prefix, "/")+"/")
			if first, _, deep := strings.Cut(rest, "/"); ok && deep && !seen[first] {
				seen[first] = true
				if err := fn(remote.Folder{Name: first}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return x
}

// TestIndexAgainstModel changes a remote and an index at random and compares
// both, over listings, own changes and remounts.
func TestIndexAgainstModel(t *testing.T) {
	for _, perFolder := range []bool{false, true} {
		t.Run(fmt.Sprint("perFolder ", perFolder), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			var keys []remote.Key
			for range 40 {
				for _, shard := range []string{"ab", "universal/ab", "00"} {
					keys = append(keys, oddKeys(t, rnd, shard, []string{"00", "cd", "ff", "0a"}[rnd.IntN(4)])...)
				}
			}
			keys = append(keys, oddKeys(t, rnd, "IN", "VA")...)
			world, known := map[remote.Key]stamp{}, map[remote.Key]stamp{}
			var d delta
			var mu sync.Mutex
			var running sync.WaitGroup
			spawn := func(fn func(context.Context)) { running.Go(func() { fn(context.Background()) }) }
			x := modelIndex(world, perFolder, func(more delta) {
				mu.Lock()
				defer mu.Unlock()
				d.added, d.removed, d.resized = append(d.added, more.added...), append(d.removed, more.removed...), append(d.resized, more.resized...)
			})
			x.spawn = spawn
			dir := t.TempDir()
			for n := range 60 {
				modelStep(rnd, keys, x, world, known)
				switch n % 4 {
				case 1:
					before := maps.Clone(known)
					d = delta{}
					if err := x.fill(t.Context()); err != nil {
						t.Fatal(err)
					}
					running.Wait()
					clear(known)
					maps.Copy(known, world)
					if n > 1 {
						checkDelta(t, d, before, known)
					}
				case 2:
					if err := x.save(dir); err != nil {
						t.Fatal(err)
					}
					told := x.onDelta
					x = modelIndex(world, perFolder, told)
					x.spawn = spawn
					if err := x.load(dir); err != nil {
						t.Fatal(err)
					}
				case 3:
					x.dictFloor = -1 << 16 // a new dictionary
					x.tidy()
				}
				if n > 0 {
					var absent []remote.Key
					for _, k := range keys {
						if _, ok := known[k]; !ok {
							absent = append(absent, k)
						}
					}
					modelCheck(t, x, known, absent)
				}
			}
		})
	}
}

// modelStep lets us and others change a few things each.
func modelStep(rnd *rand.Rand, keys []remote.Key, x *index, world, known map[remote.Key]stamp) {
	for range 30 {
		k, st := keys[rnd.IntN(len(keys))], stamp{rnd.Int64N(1 << 40), rnd.Int64()}
		switch rnd.IntN(4) {
		case 0:
			world[k] = st
		case 1:
			delete(world, k)
		case 2:
			world[k], known[k] = st, st
			x.put(remote.Info{Key: k, Size: st.size, ModTime: st.time()})
		case 3:
			delete(world, k)
			delete(known, k)
			x.drop(k)
		}
	}
}

func checkDelta(t *testing.T, d delta, was, is map[remote.Key]stamp) {
	t.Helper()
	var want delta
	for k, st := range is {
		if old, ok := was[k]; !ok {
			want.added = append(want.added, k)
		} else if old.size != st.size {
			want.resized = append(want.resized, k)
		}
	}
	for k := range was {
		if _, ok := is[k]; !ok {
			want.removed = append(want.removed, k)
		}
	}
	for name, pair := range map[string][2][]remote.Key{
		"added": {d.added, want.added}, "removed": {d.removed, want.removed}, "resized": {d.resized, want.resized},
	} {
		slices.Sort(pair[0])
		slices.Sort(pair[1])
		if !slices.Equal(pair[0], pair[1]) {
			t.Fatalf("%d %s, want %d: %.500q, want %.500q", len(pair[0]), name, len(pair[1]), pair[0], pair[1])
		}
	}
}

// TestIndexFileDamaged: a file that is cut, flipped or of an older version is
// left out, and what it held is asked for again.
func TestIndexFileDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	world := map[remote.Key]stamp{}
	for _, k := range append(oddKeys(t, rnd, "ab", "cd"), oddKeys(t, rnd, "01", "23")...) {
		world[k] = stamp{1, 2}
	}
	x := modelIndex(world, false, func(delta) {})
	dir := t.TempDir()
	if err := x.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.save(dir); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(dir + "/ab")
	if err != nil {
		t.Fatal(err)
	}
	damaged := [][]byte{nil, []byte("7 1700000000 ab/cd/sstate:x\n"), []byte(indexMagic)}
	for i := range len(whole) / 3 {
		flipped := slices.Clone(whole)
		flipped[3*i] ^= 0x20
		damaged = append(damaged, whole[:3*i], flipped)
	}
	for i, data := range damaged {
		if err := os.WriteFile(dir+"/ab", data, 0o644); err != nil {
			t.Fatal(err)
		}
		y := modelIndex(world, false, func(delta) {})
		if err := y.load(dir); err == nil || !strings.Contains(err.Error(), "1 of 3 files") {
			t.Fatalf("damage %d: load = %v", i, err)
		}
		if y.objects != int64(len(world)/2) || y.shards["ab"] == nil || y.shards["ab"].known {
			t.Fatalf("damage %d: %d objects", i, y.objects)
		}
		if err := y.load(dir); err != nil {
			t.Fatalf("damage %d is found again: %v", i, err)
		}
	}
}
