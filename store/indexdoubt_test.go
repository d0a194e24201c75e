package store

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
)

// worldKey is the key of an archive in a leaf of a shard.
func worldKey(shard, leaf string, n int) remote.Key {
	dir := shard[len(shard)-2:]
	return remote.Key(fmt.Sprintf("%s/%s/sstate:zlib:core2:1.3:r0:core2:14:%s%s%060x_package.tar.zst", shard, leaf, dir, leaf, n))
}

// clockedModel is modelIndex with a clock. fill waits for all that it started.
func clockedModel(t *testing.T, c *clock, world map[remote.Key]stamp, perFolder bool) *index {
	x := modelIndex(world, perFolder, func(delta) {})
	x.now, x.restUntil = c.now, time.Time{}
	x.farNow = func() (time.Time, bool) { return c.now(), true }
	x.spawn = func(fn func(context.Context)) { go fn(t.Context()) }
	return x
}

// finds waits until an index answers that an object is there.
func finds(t *testing.T, x *index, key remote.Key) {
	t.Helper()
	eventually(t, string(key)+" is found", func() bool {
		_, found, _, _ := x.get(key)
		return found
	})
}

// TestOneBadFolder: a folder that may not be listed must not hide what others
// publish elsewhere.
func TestOneBadFolder(t *testing.T) {
	for _, bad := range []string{"ab", "ab/cd", "universal", "universal/ab", ""} {
		for _, perFolder := range []bool{true, false} {
			t.Run(fmt.Sprintf("%q perFolder %v", bad, perFolder), func(t *testing.T) {
				c := &clock{t: time.Now()}
				old, news := worldKey("00", "11", 1), worldKey("00", "11", 2)
				world := map[remote.Key]stamp{old: {1, 1}, worldKey("ab", "cd", 1): {1, 1}, worldKey("universal/ab", "cd", 1): {1, 1}}
				x := clockedModel(t, c, world, perFolder)
				list, folders := x.list, x.folders
				refused := false
				x.list = func(ctx context.Context, prefix string, fn func(remote.Info) error) error {
					if refused && prefix == bad {
						return remote.ErrPermission
					}
					return list(ctx, prefix, fn)
				}
				x.folders = func(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
					if refused && prefix == bad {
						return remote.ErrPermission
					}
					return folders(ctx, prefix, fn)
				}
				if bad == "" { // it must have been found once
					if err := x.fill(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				refused = true
				_ = x.fill(t.Context())
				if _, found := x.at(old); !found {
					t.Errorf("the rest was not listed")
				}
				finds(t, x, old)
				if _, found, ready, _ := x.get(news); found || !ready {
					t.Fatalf("found %v, ready %v of what is not there", found, ready)
				}
				elsewhere := worldKey("22", "11", 1)
				world[news], world[elsewhere] = stamp{1, 1}, stamp{1, 1}
				c.add(6 * time.Minute)
				finds(t, x, news)
				if bad != "" { // which tells what is new
					finds(t, x, elsewhere)
				}
			})
		}
	}
}

// timed gives every folder of a model the same time.
func timed(x *index, t func() time.Time) {
	folders := x.folders
	x.folders = func(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
		return folders(ctx, prefix, func(f remote.Folder) error {
			f.ModTime = t()
			return fn(f)
		})
	}
}

// TestFolderTimesOfAClockBehind: a folder that changes right now looks quiet for
// an hour when the remote's clock is behind, and a second change in the same
// second does not move its time.
func TestFolderTimesOfAClockBehind(t *testing.T) {
	tests := []struct {
		name   string
		behind time.Duration
		known  bool
	}{
		{"known", time.Hour, true},
		{"unknown", 5 * time.Minute, false},
	}
	for _, test := range tests {
		for _, perFolder := range []bool{true, false} {
			t.Run(fmt.Sprint(test.name, " perFolder ", perFolder), func(t *testing.T) {
				c := &clock{t: time.Now()}
				far := c.now().Add(-test.behind)
				old, news := worldKey("ab", "cd", 1), worldKey("ab", "cd", 2)
				world := map[remote.Key]stamp{old: {1, 1}}
				x := clockedModel(t, c, world, perFolder)
				x.farNow = func() (time.Time, bool) {
					if test.known {
						return c.now().Add(-test.behind), true
					}
					return c.now(), false
				}
				timed(x, func() time.Time { return far })
				for range 2 { // the second trusts times
					if err := x.fill(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				finds(t, x, old)
				world[news] = stamp{1, 1}
				c.add(61 * time.Second)
				finds(t, x, news)
			})
		}
	}
}

// TestRefreshTrustsNothing: whoever asks for a listing gets one, even if the
// times of folders never move.
func TestRefreshTrustsNothing(t *testing.T) {
	for _, perFolder := range []bool{true, false} {
		t.Run(fmt.Sprint("perFolder ", perFolder), func(t *testing.T) {
			c := &clock{t: time.Now()}
			old, news := worldKey("ab", "cd", 1), worldKey("ab", "cd", 2)
			world := map[remote.Key]stamp{old: {1, 1}}
			x := clockedModel(t, c, world, perFolder)
			timed(x, func() time.Time { return time.Unix(1_000_000_000, 0) })
			for n := range 3 {
				if err := x.fill(t.Context()); err != nil {
					t.Fatal(err)
				}
				world[news] = stamp{1, 1}
				if _, found, _, _ := x.get(news); found != (n == 2) {
					t.Errorf("found %v after listing %d", found, n)
				}
				if n == 1 {
					x.distrust(t.Context())
				}
			}
		})
	}
}

// TestRefreshWaitsForWhatRuns: a listing that began before the question may have
// passed what is asked for.
func TestRefreshWaitsForWhatRuns(t *testing.T) {
	for _, perFolder := range []bool{true, false} {
		t.Run(fmt.Sprint("perFolder ", perFolder), func(t *testing.T) {
			c := &clock{t: time.Now()}
			old, news := worldKey("ab", "cd", 1), worldKey("ab", "cd", 2)
			world := map[remote.Key]stamp{old: {1, 1}}
			x := clockedModel(t, c, world, perFolder)
			if err := x.fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			passed, goOn := make(chan struct{}), make(chan struct{})
			list := x.list
			x.list = func(ctx context.Context, prefix string, fn func(remote.Info) error) error {
				x.mu.Lock()
				x.list = list // only the first waits
				x.mu.Unlock()
				err := list(ctx, prefix, fn)
				close(passed)
				<-goOn
				return err
			}
			x.mu.Lock()
			if perFolder {
				x.startLeaf(x.shards["ab"], 0xcd)
			} else {
				x.start(x.shards["ab"])
			}
			x.mu.Unlock()
			<-passed
			world[news] = stamp{1, 1}
			running := x.distrusted()
			close(goOn)
			for _, l := range running {
				if err := l.wait(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if len(running) != 1 {
				t.Errorf("a refresh waits for %d listings, want 1", len(running))
			}
			if err := x.fill(t.Context()); err != nil {
				t.Fatal(err)
			}
			finds(t, x, news)
		})
	}
}

// TestFailedListingIsNotRepeated: thousands of lookups of a shard that cannot be
// listed cost one request now and then, not one each.
func TestFailedListingIsNotRepeated(t *testing.T) {
	for _, perFolder := range []bool{true, false} {
		t.Run(fmt.Sprint("perFolder ", perFolder), func(t *testing.T) {
			c := &clock{t: time.Now()}
			key := worldKey("ab", "cd", 1)
			x := clockedModel(t, c, map[remote.Key]stamp{key: {1, 1}}, perFolder)
			list, requests, fail := x.list, 0, true
			x.list = func(ctx context.Context, prefix string, fn func(remote.Info) error) error {
				if requests++; fail {
					return remote.ErrPermission
				}
				return list(ctx, prefix, fn)
			}
			ask := func(n int) {
				for range n {
					for {
						_, _, ready, wait := x.get(key)
						if ready || wait.wait(t.Context()) != nil {
							break
						}
					}
				}
			}
			ask(100)
			if requests != 1 {
				t.Errorf("100 lookups made %d requests, want 1", requests)
			}
			fail = false
			c.add(refreshRetry)
			ask(1)
			if _, found, _, _ := x.get(key); !found {
				t.Errorf("not found after the pause")
			}
		})
	}
}

// TestFailureEndsWithTheOutage: what failed while the remote was away is asked
// for at once when it is back.
func TestFailureEndsWithTheOutage(t *testing.T) {
	c := &clock{t: time.Now()}
	key := worldKey("ab", "cd", 1)
	x := clockedModel(t, c, map[remote.Key]stamp{key: {1, 1}}, false)
	list := x.list
	x.list = func(context.Context, string, func(remote.Info) error) error { return remote.ErrUnavailable }
	_, _, _, wait := x.get(key)
	if err := wait.wait(t.Context()); !errors.Is(err, remote.ErrUnavailable) {
		t.Fatalf("wait = %v", err)
	}
	x.list = list
	c.add(time.Second)
	x.wake()
	_, _, ready, wait := x.get(key)
	if !ready {
		if err := wait.wait(t.Context()); err != nil {
			t.Errorf("wait = %v", err)
		}
	}
	finds(t, x, key)
}

// TestReadingTheRootRefreshes: that a shard was listed does not tell which
// shards there are.
func TestReadingTheRootRefreshes(t *testing.T) {
	c := &clock{t: time.Now()}
	world := map[remote.Key]stamp{worldKey("ab", "cd", 1): {1, 1}}
	x := clockedModel(t, c, world, false)
	if err := x.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	world[worldKey("00", "11", 1)] = stamp{1, 1}
	c.add(61 * time.Second)
	x.listed = c.now() // some shard was, just now
	eventually(t, "the new shard is seen", func() bool {
		var names []string
		x.children("", func(name string, _ bool) { names = append(names, name) })
		return len(names) == 2
	})
}

// TestNewLeafSurvivesRemount: a leaf that was seen and not listed yet is no leaf
// that is not there.
func TestNewLeafSurvivesRemount(t *testing.T) {
	c := &clock{t: time.Now()}
	old, news := worldKey("ab", "cd", 1), worldKey("ab", "ce", 1)
	world := map[remote.Key]stamp{old: {1, 1}}
	x, dir := clockedModel(t, c, world, true), t.TempDir()
	if err := x.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.save(dir); err != nil {
		t.Fatal(err)
	}
	world[news] = stamp{1, 1}
	x.mu.Lock()
	l := x.start(x.shards["ab"])
	x.mu.Unlock()
	if err := l.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := x.save(dir); err != nil {
		t.Fatal(err)
	}
	y := clockedModel(t, c, world, true)
	if err := y.load(dir); err != nil {
		t.Fatal(err)
	}
	if _, found, ready, _ := y.get(news); ready && !found {
		t.Errorf("known to be absent, want a listing")
	}
}

// TestPublishedAgainIsKept: what a listing found gone or replaced may have been
// published here before that is acted upon.
func TestPublishedAgainIsKept(t *testing.T) {
	r := newIndexedRig(t, nil)
	kept, gone := testKey(1, "package"), testKey(2, "package")
	for _, key := range []string{kept, gone} {
		r.mustPublish(key, "x")
	}
	r.flush()
	r.index.drop(remote.Key(gone))
	r.indexChanged(delta{removed: []remote.Key{remote.Key(kept), remote.Key(gone)}, resized: []remote.Key{remote.Key(kept)}})
	if localID(r.layout.object(kept)) == (FileID{}) {
		t.Errorf("the local copy of what the remote has was dropped")
	}
	if localID(r.layout.object(gone)) != (FileID{}) {
		t.Errorf("the local copy of what is gone was kept")
	}
}

// TestOldIndexHidesNoPublish: a daemon that was killed did not save what it
// published last.
func TestOldIndexHidesNoPublish(t *testing.T) {
	tests := []struct {
		name      string
		perFolder bool
		hang      []string
	}{
		{"nothing listed", false, []string{"list", "folders"}},
		{"nothing listed, per folder", true, []string{"list", "folders"}},
		{"folders known", true, []string{"list"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(o *Options, tr *remote.Traits) {
				tr.CheapStat, tr.ListPerFolder = false, test.perFolder
				o.LookupPatience = time.Millisecond
			})
			eventually(t, "the fill has ended", func() bool { return r.Status().Index.Complete })
			first, elsewhere := string(worldKey("ab", "cd", 1)), string(worldKey("00", "11", 1))
			last := []string{string(worldKey("ab", "cd", 2)), string(worldKey("ab", "ce", 1)), elsewhere}
			r.mustPublish(first, "x")
			r.flush()
			r.listed()
			r.saveIndex()
			for _, key := range last {
				r.mustPublish(key, "y")
			}
			r.flush()
			r.crash()
			r.mem.Hang(test.hang...)
			r.open()
			if len(test.hang) == 1 {
				eventually(t, "the folders are known", func() bool {
					r.index.mu.Lock()
					defer r.index.mu.Unlock()
					return !r.index.shards["ab"].listed.IsZero()
				})
			}
			for _, key := range last {
				r.wantContent(key, "y")
			}
			r.mem.Release()
			eventually(t, "the fill has ended", func() bool { return r.Status().Index.Complete })
			for _, key := range last {
				r.wantContent(key, "y")
				r.mem.Remove(remote.Key(key))
			}
			r.filled()
			for _, key := range last {
				r.wantMiss(key)
			}
		})
	}
}

// TestRemovalsAreCompact: what a round of listings finds removed may be half of
// a remote, and is kept until its end.
func TestRemovalsAreCompact(t *testing.T) {
	const pairs = 51_200
	s := sea{pairs: pairs}
	x := s.newIndex()
	var told atomic.Int64
	x.onDelta = func(d delta) { told.Add(int64(len(d.removed))) }
	if err := x.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.list = (&sea{}).list
	before := liveHeap()
	x.rounds++
	if err := x.listAll(t.Context(), x.choose(func(*shard) bool { return true }, nil)); err != nil {
		t.Fatal(err)
	}
	if per := (liveHeap() - before) / (2 * pairs); per > 20 {
		t.Errorf("%d more bytes per object that is gone, want at most 20", per)
	}
	if n := told.Load(); n != 0 {
		t.Errorf("told of %d before the end", n)
	}
	x.endRound()
	if n := told.Load(); n != 2*pairs {
		t.Errorf("told of %d that are gone, want %d", n, 2*pairs)
	}
}

// TestImageWithoutPlatform: a file of the index may hold anything, if somebody
// wants it to.
func TestImageWithoutPlatform(t *testing.T) {
	d := newDictionary()
	platform, _ := d.platforms.add([]byte("no colon"))
	prefix, _ := d.prefix(platform, "zlib", "1:r0")
	suffix, _ := d.suffixes.add([]byte("_package.tar.zst"))
	c := newContent(d, []item{{digest{0xab, 0xcd}, newRow(prefix, suffix, stamp{1, 1})}}, nil)
	img := shardImage{name: "ab", content: c}
	_, err := decodeShard(img.encode(nil), "ab", &builder{dict: newDictionary()})
	if !errors.Is(err, errBadImage) {
		t.Errorf("decodeShard = %v, want %v", err, errBadImage)
	}
}
