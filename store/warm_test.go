package store

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
)

// warmKeys are archives that the remote has, each of size bytes.
func warmKeys(r *rig, n, size int) []string {
	var keys []string
	for i := range n {
		key := testKey(i, "package")
		r.mem.Set(remote.Key(key), make([]byte, size))
		keys = append(keys, key)
	}
	return keys
}

func TestWarmBringsWhatIsNotHere(t *testing.T) {
	for name, cheap := range map[string]bool{"its own index": true, "an index": false} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(_ *Options, traits *remote.Traits) { traits.CheapStat = cheap })
			keys := warmKeys(r, 5, 1000)
			if !cheap {
				r.listed()
			}
			if _, err := r.read(keys[0]); err != nil {
				t.Fatal(err)
			}
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(r.layout.object(keys[0]), old, old); err != nil {
				t.Fatal(err)
			}
			keys = append(keys, testKey(99, "package"), "no name")
			result, err := r.Warm(t.Context(), keys, WarmOptions{Jobs: 3}, nil)
			want := WarmResult{Fetched: Count{4, 4000}, Cached: Count{1, 1000}, Absent: 2}
			if err != nil || result != want {
				t.Fatalf("Warm() = %+v, %v, want %+v", result, err, want)
			}
			for _, key := range keys[:5] {
				if info, err := os.Stat(r.layout.object(key)); err != nil || time.Since(info.ModTime()) > time.Minute {
					t.Errorf("%s: %v, used last at %v, want now", key, err, info)
				}
			}
		})
	}
}

// Another host's publish is fetched although the index does not know it.
func TestWarmFindsWhatTheIndexDoesNotKnow(t *testing.T) {
	r := newRig(t, func(o *Options, traits *remote.Traits) { traits.CheapStat, o.Refresh = false, time.Hour })
	if _, err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mem.Fail("list", remote.ErrUnavailable) // of the first filling, which may still run
	key := warmKeys(r, 1, 1000)[0]
	r.wantMiss(key)
	result, err := r.Warm(t.Context(), []string{key}, WarmOptions{Jobs: 1}, nil)
	if err != nil || result.Fetched.Objects != 1 {
		t.Fatalf("Warm() = %+v, %v, want one object", result, err)
	}
	if _, err := r.read(key); err != nil {
		t.Errorf("read after Warm: %v", err)
	}
}

func TestWarmStopsBeforeItPushesOutItsOwn(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize = 10_000 })
	keys := warmKeys(r, 20, 1000)
	for _, key := range keys[15:] { // five of others, which may go
		if _, err := r.read(key); err != nil {
			t.Fatal(err)
		}
	}
	result, err := r.Warm(t.Context(), keys[:7], WarmOptions{Jobs: 2}, nil)
	if err != nil || result.Full || result.Fetched.Objects != 7 {
		t.Fatalf("Warm() = %+v, %v, want all 7: others give way", result, err)
	}
	more, err := r.Warm(t.Context(), keys[7:15], WarmOptions{Jobs: 2, Warmed: result.Bytes()}, nil)
	if err != nil || !more.Full || more.Left == 0 {
		t.Fatalf("Warm() = %+v, %v, want full", more, err)
	}
	for _, key := range keys[:7] {
		if _, err := os.Stat(r.layout.object(key)); err != nil {
			t.Errorf("what was brought first is gone: %v", err)
		}
	}
	large := testKey(100, "package")
	r.mem.Set(remote.Key(large), make([]byte, 20_000))
	result, err = r.Warm(t.Context(), []string{large}, WarmOptions{Jobs: 1}, nil)
	if err != nil || result.TooLarge != 1 || result.Full {
		t.Errorf("Warm() of more than the cache = %+v, %v", result, err)
	}
}

func TestWarmGivesUpOnARemoteThatIsGone(t *testing.T) {
	r := newRig(t, func(_ *Options, traits *remote.Traits) { traits.CheapStat = false })
	keys := warmKeys(r, 30, 100)
	if _, err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mem.Fail("get", &remote.Error{Op: "get", Kind: remote.ErrUnavailable})
	r.mem.Fail("probe", &remote.Error{Op: "get", Kind: remote.ErrUnavailable})
	result, err := r.Warm(t.Context(), keys, WarmOptions{Jobs: 1}, nil)
	if err != nil || !result.Offline || result.Failed > 2*mostUnavailable || !strings.Contains(result.Error, "unavailable") {
		t.Errorf("Warm() = %+v, %v, want offline after a few", result, err)
	}
	if result.Failed+result.Left != int64(len(keys)) {
		t.Errorf("Warm() = %+v: failed and left are not %d", result, len(keys))
	}
}

func TestWarmEndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	keys := warmKeys(r, 3, 100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if result, err := r.Warm(ctx, keys, WarmOptions{Jobs: 1}, nil); !errors.Is(err, context.Canceled) || result.Left != 3 {
		t.Errorf("Warm() = %+v, %v", result, err)
	}
}
