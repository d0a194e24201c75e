package store

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
)

// TestRemovalAfterAnOutage: a removal that had to wait, however short, does not
// take what another host has published since, and that is visible here.
func TestRemovalAfterAnOutage(t *testing.T) {
	for name, traits := range map[string]remote.Traits{
		"looked up": {CheapStat: true}, "indexed": {}, "asked": {NoList: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{t: time.Now()}
			r := newRig(t, func(o *Options, tr *remote.Traits) { o.Now, *tr = c.now, traits })
			r.mem.SetClock(c.now)
			key := testKey(1, "package")
			r.mustPublish(key, "first")
			r.mem.Fail("", remote.ErrUnavailable)
			r.mustPublish(testKey(2, "package"), "opens the breaker")
			eventually(t, "the remote is away", func() bool { return r.guard.State().Open })
			if err := r.Unlink(context.Background(), key); err != nil {
				t.Fatal(err)
			}
			c.add(2 * time.Second)
			r.mem.Set(remote.Key(key), []byte("second"))
			r.mem.Fail("", nil)
			eventually(t, "the remote is back", func() bool { return !r.guard.State().Open })
			eventually(t, "all is sent", func() bool { return r.Status().Queue.Objects == 0 })
			r.wantRemote(key, "second")
			r.wantContent(key, "second")
		})
	}
}

// TestLateRemovalOfOurs: what was on its way when its object was removed, and came
// to the remote after that, is no other host's, however late the removal follows,
// and also if the next daemon sends it.
func TestLateRemovalOfOurs(t *testing.T) {
	key := testKey(1, "package")
	ways := map[string]func(r *rig){
		"put": func(r *rig) { r.mustPublish(key, "content") },
		"touch": func(r *rig) {
			r.setOld(key)
			r.touch(key)
		},
	}
	for op, begin := range ways {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, restart %v", op, restart), func(t *testing.T) {
				var later atomic.Int64
				now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
				r := newRig(t, func(o *Options, _ *remote.Traits) { o.Now, o.Publish = now, PublishQueue })
				r.mem.Hang(op)
				begin(r)
				if !restart { // the removal is late by itself after one
					r.mem.SetClock(now)
				}
				eventually(t, "it is being sent", func() bool { return r.mem.Calls(op) > 0 })
				if err := r.Unlink(t.Context(), key); err != nil {
					t.Fatal(err)
				}
				if restart {
					time.Sleep(3 * coarseClock) // the removal's file has the kernel's time
				} else {
					later.Store(int64(2 * lateRemoval))
				}
				r.mem.Fail("delete", remote.ErrUnavailable)
				r.mem.Release()
				eventually(t, "the removal is tried", func() bool { return r.mem.Calls("delete") > 0 })
				if restart {
					r.crash()
					r.open()
				}
				r.mem.Fail("delete", nil)
				r.flush()
				r.wantRemote(key, "")
				r.wantMiss(key)
			})
		}
	}
}

// TestRemovalOfWhatCameAtTheEnd: a put that the daemon did not live to hear of
// came to the remote after its removal was asked for. It is ours all the same.
func TestRemovalOfWhatCameAtTheEnd(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	key := testKey(1, "package")
	r.mem.Hang("put")
	r.mustPublish(key, "x")
	eventually(t, "it is being sent", func() bool { return r.mem.Calls("put") > 0 })
	if err := r.Unlink(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * coarseClock) // the removal's file has the kernel's time
	r.crash()
	r.mem.Set(remote.Key(key), []byte("x"))
	r.mem.Release()
	r.open()
	r.flush()
	r.wantRemote(key, "")
	r.wantMiss(key)
}

// TestRemoveWhatIsHeld: what was removed here before the remote took it is
// never sent, also if it was refused at first.
func TestRemoveWhatIsHeld(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Unlink = UnlinkLocal })
	key := testKey(1, "package")
	r.mem.Fail("put", remote.ErrPermission)
	r.mustPublish(key, "x")
	eventually(t, "held", func() bool { return r.Status().Queue.Held == 1 })
	if err := r.Unlink(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	r.mem.Fail("put", nil)
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(key, "")
	r.wantMiss(key)
}

// TestNewerCopyOutlivesTheIndex: after a kill the index is of before, and what
// is here is newer.
func TestNewerCopyOutlivesTheIndex(t *testing.T) {
	r := newRig(t, func(_ *Options, tr *remote.Traits) { tr.CheapStat = false })
	key := testKey(1, "package") + ".siginfo"
	for _, text := range []string{"one", "the second"} {
		if err := r.Rename(context.Background(), r.scratchFile(key, text), key, 0); err != nil {
			t.Fatal(err)
		}
		if text == "one" {
			r.saveIndex()
		}
	}
	r.crash()
	r.mem.Fail("", remote.ErrUnavailable)
	r.open()
	r.wantContent(key, "the second")
	r.mem.Fail("", nil)
}

// TestRenameAfterATrim: a copy that is trimmed while its name is published anew
// was no publisher who was quicker. The name is free, so the first host wins.
func TestRenameAfterATrim(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize, o.Publish = 900, PublishQueue })
	key, first := testKey(1, "package"), strings.Repeat("x", 600)
	r.mem.Set(remote.Key(key), []byte(first))
	r.wantContent(key, first)
	r.mustPublish(testKey(2, "package"), first)
	r.flush()
	r.mem.Remove(remote.Key(key))
	r.mem.Fail("put", remote.ErrUnavailable)
	if err := r.Rename(context.Background(), r.scratchFile(key, "ours"), key, 0); err != nil {
		t.Fatal(err)
	}
	r.mem.Set(remote.Key(key), []byte("theirs"))
	r.mem.Fail("put", nil)
	r.flush()
	r.wantRemote(key, "theirs")
	r.wantContent(key, "theirs")
}

// TestRenameOverWhatTheIndexForgot: after a kill the index is of before and the
// copy may be gone. Who replaces what the daemon had published still replaces it.
func TestRenameOverWhatTheIndexForgot(t *testing.T) {
	r := newRig(t, func(_ *Options, tr *remote.Traits) { tr.CheapStat = false })
	key := testKey(1, "package") + ".siginfo"
	r.saveIndex()
	if err := r.Rename(context.Background(), r.scratchFile(key, "one"), key, 0); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.crash()
	if err := os.Remove(r.layout.object(key)); err != nil { // as trim does
		t.Fatal(err)
	}
	r.mem.Fail("list", remote.ErrUnavailable) // and the index stays of before
	r.mem.Fail("folders", remote.ErrUnavailable)
	r.open()
	if err := r.Rename(context.Background(), r.scratchFile(key, "the second"), key, 0); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.wantRemote(key, "the second")
	r.wantContent(key, "the second")
	r.mem.Fail("", nil)
}
