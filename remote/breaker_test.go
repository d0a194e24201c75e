package remote_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/remote"
)

// While the breaker is open there is one probe at a time, ever more rarely.
func TestProbes(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Fail("", remote.ErrUnavailable)
		f.want(f.stat(), remote.ErrUnavailable)
		f.wantOpen(true)
		f.wantCalls("probe", 1) // by the failed call
		elapsed := time.Duration(0)
		for i, at := range []time.Duration{1, 3, 7, 15, 31, 61, 91} {
			time.Sleep(at*time.Second - elapsed)
			elapsed = at * time.Second
			synctest.Wait()
			f.wantCalls("probe", int64(i+2))
		}
		f.m.Hang("probe")
		time.Sleep(time.Hour)
		f.wantCalls("probe", 9)
		f.m.Fail("", nil)
		f.m.Release() // too late for this probe, its context has ended
		time.Sleep(30 * time.Second)
		synctest.Wait()
		f.wantOpen(false)
		f.want(f.stat(), nil)
	})
}

func TestProbeNow(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Fail("", remote.ErrUnavailable)
		f.want(f.g.ProbeNow(f.Context()), remote.ErrUnavailable)
		f.wantOpen(true)
		f.m.Fail("", nil)
		f.want(f.g.ProbeNow(f.Context()), nil)
		f.wantOpen(false)
		f.m.Hang("probe")
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(f.Context(), time.Second)
				defer cancel()
				f.want(f.g.ProbeNow(ctx), context.DeadlineExceeded)
			})
		}
		wg.Wait()
		f.wantCalls("probe", 3)
	})
}

// A server that answers its probe and no lookup must not cost all retries of
// every name.
func TestLookupsFail(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Fail("stat", remote.ErrUnavailable)
		start := time.Now()
		for range 5000 {
			f.want(f.stat(), remote.ErrUnavailable)
		}
		f.wantOpen(true)
		if d := time.Since(start); d > 5*time.Second {
			f.Errorf("5000 Stats took %v, want at most 5 s", d)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		f.wantOpen(false)
		f.want(f.stat(), remote.ErrUnavailable)
		f.wantOpen(true) // at the first that fails again
		f.m.Fail("stat", nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for range 4 {
			f.want(f.stat(), nil)
		}
		f.wantOpen(false)
	})
}

// Denied objects are one thing, a denied root another.
func TestPermission(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Fail("stat", remote.ErrPermission)
		for range 100 {
			f.want(f.stat(), remote.ErrPermission)
		}
		f.wantOpen(false)
		f.wantCalls("probe", 1)
		f.m.Fail("probe", remote.ErrPermission)
		time.Sleep(time.Second)
		f.want(f.stat(), remote.ErrPermission)
		f.wantOpen(true)
		err := f.stat()
		f.want(err, remote.ErrUnavailable)
		if errors.Is(err, remote.ErrPermission) {
			f.Errorf("refused call = %v, want %v alone", err, remote.ErrUnavailable)
		}
	})
}

func TestWatch(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		var seen []string
		start := time.Now()
		f.g.Watch(func(s remote.State) {
			_ = f.g.State() // no lock is held
			seen = append(seen, fmt.Sprint(s.Open, s.Since.Sub(start)))
			time.Sleep(10 * time.Second) // slow watchers lose nothing
		})
		for range 3 {
			f.m.Fail("", errors.New("line one\nline two"))
			f.want(f.g.ProbeNow(f.Context()), remote.ErrUnavailable)
			if want := "memory: probe: line one line two"; f.g.State().Reason != want {
				f.Errorf("Reason = %q, want %q", f.g.State().Reason, want)
			}
			f.m.Fail("", nil)
			f.want(f.g.ProbeNow(f.Context()), nil)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{"true 0s", "false 0s", "true 0s", "false 0s", "true 0s", "false 0s"}
		if !slices.Equal(seen, want) {
			f.Errorf("watcher saw %q, want %q", seen, want)
		}
	})
}
