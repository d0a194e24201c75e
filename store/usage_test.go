package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
)

// stepCount has a count of a cache done folder by folder.
type stepCount struct {
	t *testing.T
	*usage
	layout
}

// enter counts a folder as the walk does.
func (s stepCount) enter(folder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reached, s.walking = folder, true
	s.countLocked(s.layout, folder)
}

func (s stepCount) come(key string) {
	s.t.Helper()
	s.change(key, func() (int64, int64) {
		if err := os.MkdirAll(filepath.Dir(s.object(key)), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(s.object(key), []byte("0123456789"), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return 1, 10
	})
}

func (s stepCount) leave(key string) {
	s.t.Helper()
	s.change(key, func() (int64, int64) {
		if err := os.Remove(s.object(key)); err != nil {
			s.t.Fatal(err)
		}
		return -1, -10
	})
}

// TestCountWhileCounting: objects that come and go while the cache is counted
// for the first time are counted once, in folders that the walk has passed, has
// yet to see, and never hears of.
func TestCountWhileCounting(t *testing.T) {
	s := stepCount{t, newUsage(), layout{t.TempDir()}}
	s.come("aa/00/x")
	s.come("bb/00/x")
	s.enter("aa/00")
	s.come("aa/00/y")
	s.leave("aa/00/x")
	s.come("bb/00/y")
	s.come("ab/00/x")
	s.come("ab/00/y")
	s.leave("ab/00/y")
	s.enter("bb/00")
	s.leave("bb/00/x")
	s.come("ab/00/y")
	s.come("ac/00/x") // made after the walk had passed
	s.walked = true
	s.come("cc/00/x")
	for !s.finish(s.layout) {
		s.come("cc/00/z")
		s.leave("cc/00/z")
	}
	s.come("cc/00/y")
	// aa/00/y, bb/00/y, ab/00/x, ab/00/y, ac/00/x, cc/00/x, cc/00/y
	if got, want := s.get(), (Count{7, 70}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// precedes is the order in which walkObjects enters folders.
func TestWalkOrder(t *testing.T) {
	l := layout{t.TempDir()}
	for _, folder := range []string{"00/ff", "ab/00", "universal/ab/00", "universal-4.9/00/11", "universal-4.9/ab/00"} {
		if err := os.MkdirAll(l.object(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var entered []string
	walkObjects(t.Context(), "", func(folder string) []string {
		entered = append(entered, folder)
		return l.readObjects(folder, nil)
	})
	if len(entered) != 13 {
		t.Errorf("entered %d folders: %q", len(entered), entered)
	}
	for i, a := range entered {
		for j, b := range entered {
			if got := precedes(a, b); got != (i < j) {
				t.Errorf("precedes(%q, %q) = %v", a, b, got)
			}
		}
	}
}

// fill puts n objects into a cache directory that nobody uses, the ones with the
// higher numbers used later.
func fill(t *testing.T, l layout, n int, size int) (keys []string) {
	t.Helper()
	content, begin := []byte(strings.Repeat("x", size)), time.Now().Add(-time.Hour)
	for i := range n {
		key := testKey(i, "package")
		keys = append(keys, key)
		p := l.object(key)
		if err := os.MkdirAll(filepath.Dir(p), 0o775); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
		used := begin.Add(time.Duration(i) * time.Millisecond)
		if err := os.Chtimes(p, used, used); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// Until a cache is counted what its last daemon noted counts: what does not fit
// is read past the cache, and nothing is trimmed for a number that may be wrong.
func TestQuotaBeforeTheCount(t *testing.T) {
	const size, limit = 1000, 10_000
	for _, end := range []string{"closed", "killed", "of an earlier version"} {
		t.Run(end, func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize = limit })
			keys := warmKeys(r, 10, size)
			for _, key := range keys[:9] {
				r.wantContent(key, r.content(key))
			}
			before := r.usage.get()
			if before.Bytes < limit/2 {
				t.Fatalf("the cache holds %+v", before)
			}
			if end == "closed" {
				r.close()
			} else {
				r.crash()
			}
			if end == "of an earlier version" {
				os.Remove(r.layout.path("usage"))
			}
			s := stillUncounted(t, r.opt)
			bytes, certain := s.usage.atLeast()
			if certain != (end != "of an earlier version") || certain && bytes.Bytes < before.Bytes {
				t.Errorf("known before the count: %+v, %v, was %+v", bytes, certain, before)
			}
			if s.grant(limit - before.Bytes + 1) {
				t.Errorf("%d bytes more are let into %d of %d", limit-before.Bytes+1, before.Bytes, limit)
			}
			if err := s.usage.scan(t.Context(), s.layout); err != nil {
				t.Fatal(err)
			}
			if got := s.usage.get(); got != before {
				t.Errorf("counted %+v, want %+v", got, before)
			}
		})
	}
}

// content is what the remote has of a key.
func (r *rig) content(key string) string { return string(r.mem.Snapshot()[remote.Key(key)]) }

// stillUncounted is a store as it is before its background work begins.
func stillUncounted(t *testing.T, o Options) *Store {
	t.Helper()
	o = o.withDefaults()
	s := &Store{opt: o, layout: layout{o.Dir}, now: o.Now, usage: newUsage(), quiet: newQuiet(o.Logger, o.Now)}
	s.recallUsage()
	return s
}

// What is written down is never less than what the cache holds, whenever the
// daemon is killed.
func TestNotedUsageIsAhead(t *testing.T) {
	const size = 1000
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize = 64 * 3 * size })
	writes, last := 0, ""
	for i, key := range warmKeys(r, 30, size) {
		r.wantContent(key, r.content(key))
		text, err := os.ReadFile(r.layout.path("usage"))
		if err != nil {
			t.Fatal(err)
		}
		var c Count
		if _, err := fmt.Sscanf(string(text), "%d %d\n", &c.Objects, &c.Bytes); err != nil || c.Bytes < int64(i+1)*size {
			t.Fatalf("after %d objects %q is noted: %v", i+1, text, err)
		}
		if string(text) != last {
			writes, last = writes+1, string(text)
		}
	}
	if writes > 12 {
		t.Errorf("written %d times for 10 steps", writes)
	}
}

// The least recently used go, in order, also when a walk remembers fewer than
// must go, and what is not sent stays.
func TestOldestInBatches(t *testing.T) {
	l := layout{t.TempDir()}
	keys := fill(t, l, 40, 10)
	for _, most := range []int{1, 7, 1000} {
		s := &Store{layout: l, queue: newQueue(l, time.Now), names: newNames()}
		s.free.batch = most
		var got []string
		left := int64(250)
		s.eachOldest(t.Context(), func() int64 { return left }, func(c cached) {
			got = append(got, c.key)
			left -= c.size
		})
		if !slices.Equal(got, keys[:25]) {
			t.Errorf("%d at a time: %d objects, not the 25 oldest in order", most, len(got))
		}
		got = nil
		s.eachOldest(t.Context(), func() int64 { return 1 }, func(c cached) { got = append(got, c.key) })
		if !slices.Equal(got, keys) {
			t.Errorf("%d at a time: %d of all objects", most, len(got))
		}
	}
}

// Others make room too, at any time.
func TestOldestWantedNoMore(t *testing.T) {
	l := layout{t.TempDir()}
	fill(t, l, 3, 10)
	s := &Store{layout: l, queue: newQueue(l, time.Now), names: newNames()}
	s.free.batch = trimBatch
	asked := 0
	wanted := func() int64 {
		if asked++; asked > 1 {
			return 0
		}
		return 1
	}
	s.eachOldest(t.Context(), wanted, func(c cached) { t.Errorf("%s goes", c.key) })
}

// crowd puts n objects of one inode into few folders of a cache directory.
func crowd(t *testing.T, l layout, n int, content string) {
	t.Helper()
	const folders = 16
	for i := range n {
		hash := fmt.Sprintf("%04x%060x", i%folders, i)
		key := hash[:2] + "/" + hash[2:4] + "/sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + hash + "_package.tar.zst"
		if i < folders {
			if err := os.MkdirAll(filepath.Dir(l.object(key)), 0o775); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Link(content, l.object(key)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestManyCachedObjects has bounds for the memory that many objects in a cache
// cost: a start and a count cost that of some folders, a trim that of a batch.
func TestManyCachedObjects(t *testing.T) {
	const objects, batch = 4000, 200
	r := newRig(t, nil)
	r.close()
	r.opt.CacheSize = objects * 10
	content := t.TempDir() + "/content"
	if err := os.WriteFile(content, []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	crowd(t, r.layout, objects, content)
	before := heapInUse()
	r.open()
	eventually(t, "the cache is counted", func() bool { return r.usage.isComplete() })
	if got, want := r.usage.get(), (Count{objects, objects * 10}); got != want {
		t.Fatalf("counted %+v, want %+v", got, want)
	}
	if grown := heapInUse() - before; grown > 512<<10 {
		t.Errorf("the heap has grown by %d bytes with %d objects", grown, objects)
	}
	r.free.batch = batch
	visited, most := 0, int64(0)
	r.eachOldest(t.Context(), func() int64 { return objects * 10 }, func(cached) {
		if visited++; visited%(objects/4) == 0 {
			most = max(most, heapInUse()-before)
		}
	})
	if visited != objects || most > 512<<10 {
		t.Errorf("a walk over %d objects, %d at a time, visited %d and took %d bytes", objects, batch, visited, most)
	}
	result, err := r.Trim(context.Background())
	if err != nil || result.Removed.Objects != objects/10 {
		t.Errorf("Trim() = %+v, %v, want %d removed", result, err, objects/10)
	}
}

// heapInUse is what the heap holds after a collection, bytes.
func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
