package store

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// farClock is a remote whose clock is off, which it knows, and which learns
// and describes itself.
type farClock struct {
	*remotetest.Memory
	offset  time.Duration
	learned string
	closed  int
}

func (f *farClock) Offset() (time.Duration, bool) { return f.offset, true }
func (f *farClock) Learned() string               { return f.learned }
func (f *farClock) Close() error                  { f.closed++; return nil }
func (f *farClock) Abilities() []remote.Ability {
	return []remote.Ability{{Name: "touch", Value: "copy", Warn: "each is a version"}}
}

// setOld makes objects that nobody has used for long.
func (r *rig) setOld(keys ...string) {
	old := time.Now().Add(-48 * time.Hour)
	r.mem.SetClock(func() time.Time { return old })
	for _, key := range keys {
		r.mem.Set(remote.Key(key), []byte("content"))
	}
	r.mem.SetClock(time.Now)
}

func (r *rig) touch(key string) {
	r.t.Helper()
	now := time.Now()
	if _, err := r.SetTimes(context.Background(), key, Times{Mtime: &now, Atime: &now, Now: true}); err != nil {
		r.t.Fatalf("SetTimes: %v", err)
	}
}

// farAge is the age of an object at the remote.
func (r *rig) farAge(key string) time.Duration {
	r.t.Helper()
	info, err := r.mem.Stat(context.Background(), remote.Key(key))
	if err != nil {
		r.t.Fatalf("Stat: %v", err)
	}
	return time.Since(info.ModTime)
}

func byPut(_ *Options, t *remote.Traits) { t.Touch = remote.TouchByPut }

func manyKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, testKey(i, "package"))
	}
	return keys
}

func TestTouchByPutSendsTheLocalCopy(t *testing.T) {
	t.Parallel()
	r := newRig(t, byPut)
	key := testKey(1, "package")
	r.setOld(key)
	r.touch(key)
	eventually(t, "what is not here is not sent", func() bool { return r.Stats().Touches.Skipped == 1 })
	if n := r.mem.Calls("put"); n != 0 {
		t.Errorf("%d puts of what is not here", n)
	}
	r.wantContent(key, "content") // a fetch is a use
	eventually(t, "sent again from the cache", func() bool { return r.Stats().Touches.Sent == 1 })
	if age := r.farAge(key); age > time.Minute {
		t.Errorf("the remote's object is %v old after the touch", age)
	}
	r.wantRemote(key, "content")
	if n := r.mem.Calls("touch"); n != 0 {
		t.Errorf("%d touches on the server, which cannot", n)
	}
}

func TestTouchByPutBringsNothingBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, byPut)
	key := testKey(1, "package")
	r.setOld(key)
	r.wantContent(key, "content")
	eventually(t, "the touch of the fetch", func() bool { return r.Stats().Touches.Sent == 1 })
	r.setOld(key)
	r.mem.Hang("commit")
	r.touch(key)
	eventually(t, "the second is under way", func() bool { return r.mem.Calls("commit") == 2 })
	r.mem.Remove(remote.Key(key))
	r.mem.Release()
	eventually(t, "it is known to be gone", func() bool {
		_, err := r.Lookup(context.Background(), key)
		return err != nil
	})
	if _, there := r.mem.Snapshot()[remote.Key(key)]; there {
		t.Errorf("a touch brought a removed object back")
	}
}

func TestTouchByPutSendsNoDamage(t *testing.T) {
	t.Parallel()
	r := newRig(t, byPut)
	key := testKey(1, "package")
	r.setOld(key)
	r.wantContent(key, "content")
	eventually(t, "the touch of the fetch", func() bool { return r.Stats().Touches.Sent == 1 })
	r.setOld(key)
	if err := os.WriteFile(r.layout.object(key), []byte("CONTENT"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.touch(key)
	eventually(t, "damage is found", func() bool { return r.Stats().Touches.Skipped == 1 })
	r.wantRemote(key, "content")
	r.wantContent(key, "content")
}

func TestSendersWaitForATouchOfTheirKey(t *testing.T) {
	t.Parallel()
	var x touching
	x.keys = map[string]chan struct{}{}
	end, ok := x.begin("k")
	if !ok {
		t.Fatal("begin = false")
	}
	if _, again := x.begin("k"); again {
		t.Error("two touches of one key at a time")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := x.wait(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("wait = %v before the touch ended", err)
	}
	if err := x.wait(ctx, "other"); err != nil {
		t.Errorf("wait for another key = %v", err)
	}
	end()
	if err := x.wait(ctx, "k"); err != nil {
		t.Errorf("wait = %v after the touch ended", err)
	}
}

func TestTouchNeverSendsNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(_ *Options, traits *remote.Traits) { traits.Touch = remote.TouchNever })
	key := testKey(1, "package")
	r.setOld(key)
	r.touch(key)
	eventually(t, "counted", func() bool { return r.Stats().Touches.Skipped == 1 })
	if n := r.mem.Calls("touch") + r.mem.Calls("put"); n != 0 {
		t.Errorf("%d calls to touch what cannot be", n)
	}
}

func TestTouchesEndWhenRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind error
		most int64
	}{
		{remote.ErrPermission, touchRefusals + 1},
		{remote.ErrUnsupported, touchRefusals + 1},
	} {
		r := newRig(t, func(o *Options, _ *remote.Traits) { o.Jobs = 1 })
		keys := manyKeys(40)
		r.setOld(keys...)
		r.mem.Fail("touch", test.kind)
		for _, key := range keys {
			r.touch(key)
		}
		eventually(t, "all are looked at", func() bool {
			n := r.Stats().Touches
			return n.Failed+n.Skipped == int64(len(keys))
		})
		if n := r.mem.Calls("touch"); n >= test.most {
			t.Errorf("%v: %d touches sent, want less than %d", test.kind, n, test.most)
		}
		r.mem.Fail("touch", nil)
		r.remoteChanged(remote.State{}) // it was away
		r.touch(keys[0])
		eventually(t, "touched again", func() bool { return r.Stats().Touches.Sent == 1 })
	}
}

// One batch of many must not cost a remote in trouble a request for each.
func TestTouchesStopWhenTheRemoteIsInTrouble(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Jobs = 4 })
	keys := manyKeys(100)
	r.setOld(keys...)
	r.mem.Fail("touch", remote.ErrUnavailable)
	if r.touchAll(context.Background(), func() []string { return keys }) {
		t.Error("touchAll = true for a remote that fails")
	}
	if n, most := r.Stats().Touches.Failed, int64(touchFailures+4); n > most {
		t.Errorf("%d objects tried, want at most %d", n, most)
	}
	if n := r.Stats().Touches.Pending; n != int64(len(keys)) {
		t.Errorf("%d uses are pending, want all %d", n, len(keys))
	}
	r.mem.Fail("touch", nil)
	r.touches.revive()
	eventually(t, "all are touched then", func() bool { return r.Stats().Touches.Sent == int64(len(keys)) })
	eventually(t, "none is pending", func() bool { return r.Stats().Touches.Pending == 0 })
}

// A shard that was not listed yet delays a touch and does not lose it.
func TestTouchWaitsForTheIndex(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, mem: remotetest.NewMemory()}
	key := testKey(1, "package")
	r.setOld(key)
	r.mem.Hang("list")
	r.opt = Options{Dir: t.TempDir(), Remote: r.mem, Guard: quickGuard, MinFree: 1e-9}
	r.opt.Guard.StallTimeout = 10 * time.Second
	r.open()
	t.Cleanup(r.close)
	r.touches.want(key)
	eventually(t, "a listing is under way", func() bool { return r.mem.Calls("list")+r.mem.Calls("folders") > 0 })
	r.mem.Release()
	eventually(t, "touched", func() bool { return r.Stats().Touches.Sent == 1 })
}

// Ages are by the remote's clock: two days old there is two days old here,
// though our clock says it is a minute.
func TestTouchKnowsTheRemotesClock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		offset time.Duration
		sent   int64
	}{
		{"ahead", 48 * time.Hour, 1},
		{"behind", -48 * time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &rig{t: t, mem: remotetest.NewMemory()}
			r.mem.SetTraits(remote.Traits{CheapStat: true})
			key := testKey(1, "package")
			made := time.Now()
			if test.offset < 0 {
				made = made.Add(test.offset) // just now by its clock
			}
			r.mem.SetClock(func() time.Time { return made })
			r.mem.Set(remote.Key(key), []byte("content"))
			r.opt = Options{Dir: t.TempDir(), Remote: &farClock{Memory: r.mem, offset: test.offset}, Guard: quickGuard, MinFree: 1e-9}
			r.open()
			t.Cleanup(r.close)
			if !r.touchAll(context.Background(), func() []string { return []string{key} }) {
				t.Error("touchAll = false")
			}
			if n := r.Stats().Touches.Sent; n != test.sent {
				t.Errorf("%d touches sent, want %d", n, test.sent)
			}
		})
	}
}

// An explicit time stands until the remote shows a later use, also when its
// clock is ahead.
func TestShownTimeIsComparedByTheRemotesClock(t *testing.T) {
	t.Parallel()
	const ahead = 48 * time.Hour
	r := &rig{t: t, mem: remotetest.NewMemory()}
	r.mem.SetTraits(remote.Traits{CheapStat: true})
	key := testKey(1, "package")
	r.mem.SetClock(func() time.Time { return time.Now().Add(ahead - time.Hour) }) // an hour ago
	r.mem.Set(remote.Key(key), []byte("content"))
	r.opt = Options{Dir: t.TempDir(), Remote: &farClock{Memory: r.mem, offset: ahead}, Guard: quickGuard, MinFree: 1e-9}
	r.open()
	t.Cleanup(r.close)
	old := time.Unix(1_000_000_000, 0)
	if _, err := r.SetTimes(context.Background(), key, Times{Mtime: &old, Atime: &old}); err != nil {
		t.Fatal(err)
	}
	if e, err := r.Stat(context.Background(), key); err != nil || !e.Mtime.Equal(old) {
		t.Errorf("Stat = %v, %v, want the time that was set", e.Mtime, err)
	}
}

func TestTouchByPutLetsPublishesGoFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	r.yield(context.Background()) // nothing waits
	r.mem.Hang("put")
	r.mustPublish(testKey(1, "package"), "content")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	r.yield(ctx)
	if ctx.Err() == nil {
		t.Error("a touch does not wait while a publish is to be sent")
	}
	r.mem.Release()
	r.flush()
	r.yield(context.Background())
}

// TestSameContentKeepsItsTime: who publishes what is on the remote already has
// used it, and does not take its age for that of his own.
func TestSameContentKeepsItsTime(t *testing.T) {
	r := newIndexedRig(t, nil)
	key := testKey(1, "package")
	r.setOld(key) // after the listing
	r.mustPublish(key, "content")
	r.flush()
	eventually(t, "the old object is touched", func() bool { return r.farAge(key) < time.Hour })
	if n := r.mem.Calls("touch"); n != 1 {
		t.Errorf("%d touches, want 1", n)
	}
}
