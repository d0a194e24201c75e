package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
)

func newAskedRig(t *testing.T, c *clock) *rig {
	return newRig(t, func(o *Options, tr *remote.Traits) {
		tr.CheapStat, tr.NoList = false, true
		o.Now = c.now
	})
}

// TestAskedOnce: with a remote that cannot list a name costs one request, then
// none until others may have changed it.
func TestAskedOnce(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newAskedRig(t, c)
	have, lack := testKey(1, "package"), testKey(2, "package")
	r.mem.Set(remote.Key(have), []byte("x"))
	ask := func(want int64, what string) {
		t.Helper()
		before := r.mem.Calls("stat")
		for range 10 {
			r.wantMiss(lack)
			if _, err := r.Stat(context.Background(), have); err != nil {
				t.Fatal(err)
			}
		}
		if n := r.mem.Calls("stat") - before; n != want {
			t.Errorf("%s: %d requests for two names asked ten times, want %d", what, n, want)
		}
	}
	ask(2, "new names")
	ask(0, "again")
	c.add(61 * time.Second)
	ask(1, "after --refresh")
	c.add(61 * time.Minute)
	ask(2, "after an hour")

	r.mustPublish(lack, "y")
	r.wantContent(lack, "y")
	if err := r.Unlink(context.Background(), lack); err != nil {
		t.Fatal(err)
	}
	r.wantMiss(lack)
	r.mem.Remove(remote.Key(have))
	if _, err := r.Open(context.Background(), have); err == nil {
		t.Errorf("what is gone was opened")
	}
	r.wantMiss(have)
}

// TestAskedTogether: lookups of one name at a time share a request, and what
// was put meanwhile counts more than its answer.
func TestAskedTogether(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newAskedRig(t, c)
	key := testKey(1, "package")
	before := r.mem.Calls("stat")
	r.mem.Hang("stat")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if e, err := r.Stat(context.Background(), key); err != nil || e.Size != 3 {
				t.Errorf("Stat = %+v, %v, want what was put", e, err)
			}
		})
	}
	eventually(t, "it is asked for", func() bool { return r.mem.Calls("stat") > before })
	r.asked.put(remote.Info{Key: remote.Key(key), Size: 3, ModTime: c.now()})
	r.mem.Release()
	all.Wait()
	if n := r.mem.Calls("stat") - before; n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if info, ans := r.asked.get(remote.Key(key)); ans != there || info.Size != 3 {
		t.Errorf("get = %+v, %v, want what was put", info, ans)
	}
}

// TestAskedInVain: that the remote does not answer is no answer.
func TestAskedInVain(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newAskedRig(t, c)
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("x"))
	r.mem.Fail("stat", remote.ErrUnavailable)
	r.wantMiss(key)
	r.mem.Fail("stat", nil)
	eventually(t, "it is found", func() bool {
		_, err := r.Stat(context.Background(), key)
		return err == nil
	})
}

// TestAskedIsBounded asks for more names than are remembered.
func TestAskedIsBounded(t *testing.T) {
	a := &asked{now: time.Now, miss: time.Hour, young: map[remote.Key]reply{}, running: map[remote.Key]*question{}}
	name := func(i int) remote.Key { return remote.Key(fmt.Sprint(i)) }
	for i := range 3 * askedNames {
		a.drop(name(i))
		if _, ans := a.get(name(0)); ans != absent {
			t.Fatalf("what is in use is forgotten after %d names", i)
		}
	}
	if n := len(a.young) + len(a.old); n > 2*askedNames {
		t.Errorf("%d names are remembered, want at most %d", n, 2*askedNames)
	}
	if _, ans := a.get(name(1)); ans != unknown {
		t.Errorf("an old name is remembered")
	}
}
