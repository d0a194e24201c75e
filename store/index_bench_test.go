package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"sstatefs/remote"
)

// sea is a remote that can only be listed, with as many objects as one likes:
// pairs of archive and siginfo, in all 65,536 folders.
type sea struct {
	pairs    int
	distinct bool // no two pairs of one recipe
}

var seaTasks = []string{
	"package", "package_qa", "package_write_ipk", "packagedata", "populate_sysroot", "deploy_source_date_epoch",
	"populate_lic", "create_spdx", "create_runtime_spdx", "deploy", "unpack", "patch", "configure", "compile", "install",
	"fetch", "prepare_recipe_sysroot", "deploy_archives", "rootfs", "image_complete",
}

// mix spreads the bits of a number (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// key is the key of pair n of a shard's archive, in listing order of the leaf
// folders.
func (s *sea) key(shard byte, n int) string {
	r := mix(uint64(shard)<<32 | uint64(n))
	h := make([]byte, 32)
	for i := range 4 {
		for j, v := 0, mix(r+uint64(i)); j < 8; j, v = j+1, v>>8 {
			h[8*i+j] = byte(v)
		}
	}
	per := s.pairs / 256
	h[0], h[1] = shard, byte(n*256/per)
	recipe := int(r % 2500)
	if s.distinct {
		recipe = int(shard)*per + n
	}
	x := hex.EncodeToString(h)
	arch := []string{"core2-64-poky-linux:", "x86_64-linux:", "qemux86_64-poky-linux:", "cortexa57-poky-linux:"}[recipe%4]
	return x[:2] + "/" + x[2:4] + "/sstate:lib" + strconv.Itoa(recipe) + "-perl-module:" + arch + strconv.Itoa(recipe%9) + "." + strconv.Itoa(recipe%30) +
		":r0:" + arch[:len(arch)-1] + ":14:" + x + "_" + seaTasks[r>>20%uint64(len(seaTasks))] + ".tar.zst"
}

func (s *sea) list(_ context.Context, prefix string, fn func(remote.Info) error) error {
	b, err := hex.DecodeString(prefix)
	if err != nil {
		return err
	}
	for n := range s.pairs / 256 {
		k := s.key(b[0], n)
		t := time.Unix(1_700_000_000+int64(mix(uint64(n))%1e7), 0)
		size := int64(mix(uint64(n))%1e8) + 1
		if err := fn(remote.Info{Key: remote.Key(k), Size: size, ModTime: t}); err != nil {
			return err
		}
		if err := fn(remote.Info{Key: remote.Key(k + ".siginfo"), Size: 20_000 + size%9000, ModTime: t}); err != nil {
			return err
		}
	}
	return nil
}

func (s *sea) folders(_ context.Context, prefix string, fn func(remote.Folder) error) error {
	for i := range 256 {
		if err := fn(remote.Folder{Name: fmt.Sprintf("%02x", i)}); err != nil {
			return err
		}
	}
	return nil
}

// newIndex is an index of what a sea holds.
func (s *sea) newIndex() *index {
	return &index{
		most: mostIndexed,
		list: s.list, folders: s.folders, refresh: time.Minute, now: time.Now, onDelta: func(delta) {},
		farNow: func() (time.Time, bool) { return time.Now(), true },
		spawn:  func(fn func(context.Context)) { go fn(context.Background()) }, jobs: 16,
		shards: map[string]*shard{}, dict: newDictionary(),
	}
}

func (s *sea) filledIndex(tb testing.TB) *index {
	tb.Helper()
	x := s.newIndex()
	if err := x.fill(context.Background()); err != nil {
		tb.Fatal(err)
	}
	if got := x.status().Objects; got != int64(2*(s.pairs/256)*256) {
		tb.Fatalf("%d objects in the index of %d pairs", got, s.pairs)
	}
	return x
}

// liveHeap is what the heap holds that is not garbage, in bytes.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestIndexMemory holds the bound of a million objects: 100 bytes each beyond
// 30 MB, for the whole process while the garbage collector lets the heap grow
// to twice of what is live.
func TestIndexMemory(t *testing.T) {
	tests := []struct {
		name  string
		sea   sea
		bytes int64 // per object, live
	}{
		{"recipes", sea{pairs: million}, 45},
		{"distinct recipes", sea{pairs: million, distinct: true}, 70},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := liveHeap()
			begun := time.Now()
			x := test.sea.filledIndex(t)
			took := time.Since(begun)
			per := (liveHeap() - before) / (2 * million)
			t.Logf("%d bytes per object, filled in %v", per, took)
			if per > test.bytes {
				t.Errorf("%d bytes per object, want at most %d", per, test.bytes)
			}
			dir := t.TempDir()
			if err := x.save(dir); err != nil {
				t.Fatal(err)
			}
			if n := folderSize(t, dir) / (2 * million); n > 60 {
				t.Errorf("%d bytes per object on disk, want at most 60", n)
			}
			runtime.KeepAlive(x)
		})
	}
}

func folderSize(tb testing.TB, dir string) (n int64) {
	tb.Helper()
	files, err := filepath.Glob(dir + "/*")
	if err != nil || len(files) == 0 {
		tb.Fatalf("files %q, %v", files, err)
	}
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			tb.Fatal(err)
		}
		n += st.Size()
	}
	return n
}

// BenchmarkIndexFill lists a million objects into an empty index. bare is what
// making their names costs by itself.
func BenchmarkIndexFill(b *testing.B) {
	s := sea{pairs: million}
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			for i := range 256 {
				_ = s.list(b.Context(), fmt.Sprintf("%02x", i), func(remote.Info) error { return nil })
			}
		}
		perObject(b)
	})
	b.Run("fill", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.filledIndex(b)
		}
		perObject(b)
	})
	b.Run("again", func(b *testing.B) {
		x := s.filledIndex(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := x.fill(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		perObject(b)
		debug.FreeOSMemory()
	})
}

func perObject(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(2*million), "ns/object")
}

// BenchmarkIndexGet looks up names in an index of a million objects.
func BenchmarkIndexGet(b *testing.B) {
	s := sea{pairs: million}
	x := s.filledIndex(b)
	var hits, misses []remote.Key
	for i := range 1 << 14 {
		k := s.key(byte(mix(uint64(i))), int(mix(uint64(i)+1)%(million/256)))
		hits = append(hits, remote.Key(k))
		misses = append(misses, remote.Key(testKey(i, "package")))
	}
	for name, keys := range map[string][]remote.Key{"hit": hits, "miss": misses} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				_, found, ready, _ := x.get(keys[n%len(keys)])
				if n++; !ready || found != (name == "hit") {
					b.Fatalf("found %v, ready %v", found, ready)
				}
			}
		})
	}
	b.Run("put", func(b *testing.B) {
		b.ReportAllocs()
		n := 0
		for b.Loop() {
			x.put(remote.Info{Key: misses[n%len(misses)], Size: 1, ModTime: time.Unix(1, 0)})
			n++
		}
	})
}

// BenchmarkIndexFile saves and loads an index of a million objects.
func BenchmarkIndexFile(b *testing.B) {
	s := sea{pairs: million}
	x := s.filledIndex(b)
	dir := b.TempDir()
	b.Run("save", func(b *testing.B) {
		for b.Loop() {
			for _, sh := range x.shards {
				sh.dirty = true
			}
			if err := x.save(dir); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(folderSize(b, dir))/(2*million), "B/object")
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			y := s.newIndex()
			if err := y.load(dir); err != nil {
				b.Fatal(err)
			}
			if y.objects != x.objects {
				b.Fatalf("%d objects, want %d", y.objects, x.objects)
			}
		}
		perObject(b)
	})
}
