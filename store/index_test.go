package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
)

// clock is a time that only moves when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newIndexedRig(t *testing.T, c *clock) *rig {
	r := newRig(t, func(o *Options, tr *remote.Traits) {
		tr.CheapStat = false
		if c != nil {
			o.Now = c.now
		}
	})
	eventually(t, "the fill of the mount has ended", func() bool { return r.Status().Index.Complete })
	return r
}

func (r *rig) filled() {
	r.t.Helper()
	if _, err := r.Refresh(context.Background()); err != nil {
		r.t.Fatalf("Refresh: %v", err)
	}
}

func TestIndexAnswersWithoutAsking(t *testing.T) {
	r := newIndexedRig(t, nil)
	have := testKey(1, "package")
	r.mem.Set(remote.Key(have), []byte("content"))
	r.filled()
	before := r.mem.Calls("list") + r.mem.Calls("stat") + r.mem.Calls("folders")
	for range 100 {
		if e, err := r.Stat(context.Background(), have); err != nil || e.Size != 7 {
			t.Fatalf("Stat = %+v, %v", e, err)
		}
	}
	if n := r.mem.Calls("list") + r.mem.Calls("stat") + r.mem.Calls("folders") - before; n != 0 {
		t.Errorf("100 lookups of a known shard made %d requests", n)
	}
	for i := range 1000 {
		r.wantMiss(testKey(i, "deploy"))
	}
	if n := r.mem.Calls("list") - before; n > 257 {
		t.Errorf("1000 misses made %d listings, want at most one per shard", n)
	}
	if n := r.mem.Calls("stat"); n != 0 {
		t.Errorf("%d stat requests, want 0", n)
	}
}

func TestIndexHearsOfOthers(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newIndexedRig(t, c)
	mine, theirs, grown := testKey(1, "package"), testKey(2, "package"), testKey(3, "package")
	r.mem.Set(remote.Key(mine), []byte("x"))
	r.mem.Set(remote.Key(grown), []byte("x"))
	r.filled()
	r.wantContent(mine, "x")
	r.wantContent(grown, "x")
	r.wantMiss(theirs)
	var told sync.Map
	r.OnChange(func(path string) { told.Store(path, true) })
	r.mem.Remove(remote.Key(mine))
	r.mem.Set(remote.Key(theirs), []byte("new"))
	r.mem.Set(remote.Key(grown), []byte("longer"))
	r.wantMiss(theirs)
	c.add(61 * time.Second)
	eventually(t, "another's publish is seen after --refresh", func() bool {
		_, err := r.Stat(context.Background(), theirs)
		return err == nil
	})
	eventually(t, "what is gone disappears", func() bool {
		_, err := r.Stat(context.Background(), mine)
		return err != nil
	})
	eventually(t, "the kernel is told", func() bool {
		n := 0
		for _, k := range []string{mine, theirs, grown} {
			if _, ok := told.Load(k); ok {
				n++
			}
		}
		return n == 3
	})
	r.wantContent(grown, "longer")
}

// TestNewFolderIsSeen: what others publish is found also where there was no
// folder when this host looked.
func TestNewFolderIsSeen(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newIndexedRig(t, c)
	key := testKey(7, "package")
	for _, dir := range []string{key[:2], key[:5]} {
		if _, err := r.Stat(context.Background(), dir); err == nil {
			t.Fatalf("%s exists on an empty remote", dir)
		}
	}
	r.mem.Set(remote.Key(key), []byte("x"))
	c.add(61 * time.Second)
	for _, dir := range []string{key[:2], key[:5], key} {
		eventually(t, dir+" is seen", func() bool {
			_, err := r.Stat(context.Background(), dir)
			return err == nil
		})
	}
}

func TestIndexOwnPublishAtOnce(t *testing.T) {
	r := newIndexedRig(t, nil)
	r.filled()
	key := testKey(1, "package")
	r.wantMiss(key)
	r.mustPublish(key, "x")
	r.wantContent(key, "x")
	if got := r.Status().Index.Objects; got != 1 {
		t.Errorf("index has %d objects, want 1", got)
	}
	if err := r.Unlink(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	r.wantMiss(key)
	if got := r.Status().Index.Objects; got != 0 {
		t.Errorf("index has %d objects, want 0", got)
	}
}

func TestIndexSurvivesRemount(t *testing.T) {
	r := newIndexedRig(t, nil)
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("content"))
	r.filled()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := r.Close(ctx); err != nil {
		t.Fatalf("Close: %v", err)
	}
	r.mem.Hang("list", "folders", "stat", "probe")
	r.open()
	start := time.Now()
	if e, err := r.Stat(context.Background(), key); err != nil || e.Size != 7 {
		t.Errorf("Stat = %+v, %v", e, err)
	}
	if d := time.Since(start); d > 100*time.Millisecond {
		t.Errorf("the first lookup took %v although the index was saved", d)
	}
}

func TestSuddenDropIsDoubted(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newIndexedRig(t, c)
	const n = 64
	for i := range n {
		r.mem.Set(remote.Key(testKey(i, "package")), []byte(fmt.Sprint(i)))
	}
	r.filled()
	for i := range n {
		r.wantContent(testKey(i, "package"), fmt.Sprint(i))
	}
	for i := range n {
		r.mem.Remove(remote.Key(testKey(i, "package")))
	}
	r.filled()
	st := r.Status()
	if !st.Index.Suspect || st.Remote.State != StateDegraded {
		t.Errorf("status %+v %+v, want suspect and degraded", st.Index, st.Remote)
	}
	kept := 0
	for i := range n {
		if got, err := r.read(testKey(i, "package")); err == nil && got == fmt.Sprint(i) {
			kept++
		}
	}
	if kept < n/2 {
		t.Errorf("%d of %d local copies are served", kept, n)
	}
	c.add(2 * time.Hour)
	r.filled()
	r.wantMiss(testKey(0, "package"))
}
