package store

import (
	"context"
	"runtime"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// Ten thousand touches are a request for each object whose time at the remote is
// old, and none for the others: the remote is not even asked how old they are
// where it listed them, or was asked before.
func TestTouchesAreFewRequests(t *testing.T) {
	t.Parallel()
	const objects, stale, rounds = 1000, 100, 5
	for _, test := range []struct {
		name   string
		traits remote.Traits
		stats  int64 // at most; -1 where they are no requests
	}{
		{"index", remote.Traits{}, 0},
		{"an index by folder", remote.Traits{ListPerFolder: true}, 0},
		{"cannot list", remote.Traits{NoList: true}, objects}, // to look each up, which comes first
		{"directory", remote.Traits{CheapStat: true}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, keys := touchRig(t, test.traits, objects, stale)
			r.touchEachOf(keys, rounds)
			eventually(t, "the old ones are told", func() bool { return r.Stats().Touches.Sent == stale })
			r.touchEachOf(keys, rounds)
			if !r.touchAll(t.Context(), r.touches.takeAll) {
				t.Error("touchAll = false")
			}
			if n := r.mem.Calls("touch"); n != stale {
				t.Errorf("%d requests for %d old objects (sent %+v)", n, stale, r.Stats().Touches)
			}
			if n := r.mem.Calls("stat"); test.stats >= 0 && n > test.stats {
				t.Errorf("the remote was asked %d times how old they are, want at most %d", n, test.stats)
			}
		})
	}
}

// touchRig is a store in front of so many objects, the first of which nobody has
// used for two days.
func touchRig(t *testing.T, traits remote.Traits, objects, stale int) (r *rig, keys []string) {
	t.Helper()
	r = &rig{t: t, mem: remotetest.NewMemory()}
	r.mem.SetTraits(traits)
	keys = manyKeys(objects)
	r.setOld(keys[:stale]...)
	for _, key := range keys[stale:] {
		r.mem.Set(remote.Key(key), []byte("content"))
	}
	r.opt = Options{Dir: t.TempDir(), Remote: r.mem, Guard: quickGuard, MinFree: 1e-9, Jobs: 4}
	r.opt.Guard.StallTimeout, r.opt.Guard.OpTimeout = time.Minute, time.Minute
	r.open()
	t.Cleanup(r.close)
	if r.index != nil {
		if err := r.list(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return r, keys
}

func (r *rig) touchEachOf(keys []string, rounds int) {
	r.t.Helper()
	for range rounds {
		for _, key := range keys {
			r.touch(key)
		}
	}
}

// Touches of a remote that hangs cost the caller nothing, the remote as many
// requests as there are jobs, and the daemon no goroutine each.
func TestTouchesOfAHangingRemote(t *testing.T) {
	const objects = 500
	r, keys := touchRig(t, remote.Traits{}, objects, objects)
	r.mem.Hang("touch")
	before := runtime.NumGoroutine()
	for range 2 {
		r.touchEachOf(keys, 1)
		eventually(t, "the first are on their way", func() bool { return r.mem.Calls("touch") == int64(r.opt.Jobs) })
	}
	if n, most := runtime.NumGoroutine()-before, 4*r.opt.Jobs; n > most {
		t.Errorf("%d goroutines for %d touches, want at most %d", n, objects, most)
	}
	if n := r.Stats().Touches.Local; n != 2*objects {
		t.Errorf("%d touches were answered, want %d", n, 2*objects)
	}
	r.mem.Release()
	eventually(t, "all are told", func() bool { return r.Stats().Touches.Sent == objects })
	if n := r.mem.Calls("touch"); n != objects {
		t.Errorf("%d requests for %d objects", n, objects)
	}
}
