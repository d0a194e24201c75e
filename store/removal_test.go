package store

import (
	"context"
	"os"
	"strings"
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
