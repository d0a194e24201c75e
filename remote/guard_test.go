package remote_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

const key = remote.Key("ab/cd/sstate:x")

// A fixture is a guarded Memory with one object.
type fixture struct {
	*testing.T
	m *remotetest.Memory
	g *remote.Guard
}

func newFixture(t *testing.T, o remote.GuardOptions) *fixture {
	f := &fixture{T: t, m: remotetest.NewMemory()}
	f.m.Set(key, []byte("content"))
	f.g = remote.NewGuard(f.m, o)
	return f
}

// virtual runs a test on virtual time. A goroutine that is left at the end
// fails it.
func virtual(t *testing.T, o remote.GuardOptions, test func(f *fixture)) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, o)
		test(f)
		f.m.Release()
		f.close()
	})
}

func (f *fixture) close() {
	f.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for range 2 { // it is idempotent
		if err := f.g.Close(ctx); err != nil {
			f.Errorf("Close = %v", err)
		}
	}
}

func (f *fixture) stat() error {
	_, err := f.g.Stat(f.Context(), key)
	return err
}

func (f *fixture) want(got error, kind error) {
	f.Helper()
	if !errors.Is(got, kind) {
		f.Errorf("got %v, want %v", got, kind)
	}
}

func (f *fixture) wantOpen(open bool) {
	f.Helper()
	if s := f.g.State(); s.Open != open || open == (s.Reason == "") {
		f.Errorf("State = %+v, want open %t", s, open)
	}
}

func (f *fixture) wantCalls(op string, n int64) {
	f.Helper()
	if got := f.m.Calls(op); got != n {
		f.Errorf("%d calls of %s, want %d", got, op, n)
	}
}

func TestGuardSuite(t *testing.T) {
	remotetest.Suite(t, func(t *testing.T) remotetest.Harness {
		f := newFixture(t, remote.GuardOptions{})
		f.m.Remove(key)
		t.Cleanup(f.close)
		return remotetest.Harness{Remote: f.g}
	})
}

// One availability check against a dead server, in one thread and real time.
func TestHangCostsOneTimeout(t *testing.T) {
	f := newFixture(t, remote.GuardOptions{OpTimeout: 200 * time.Millisecond, ProbeInterval: 20 * time.Millisecond})
	f.m.Hang()
	start := time.Now()
	for i := range 5000 {
		if _, err := f.g.Stat(t.Context(), remotetest.Key(i)); !errors.Is(err, remote.ErrUnavailable) {
			t.Fatalf("Stat = %v, want %v", err, remote.ErrUnavailable)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("5000 Stats took %v, want less than 1 s", d)
	}
	f.wantOpen(true)
	if n := f.m.Calls("stat"); n != 1 {
		t.Errorf("%d Stats reached the remote, want 1", n)
	}
	f.m.Release()
	if !remotetest.Eventually(func() bool { return !f.g.State().Open }) {
		t.Errorf("the breaker does not close by itself: %+v", f.g.State())
	}
	if err := f.stat(); err != nil {
		t.Errorf("Stat = %v after the remote came back", err)
	}
	f.close()
}

func TestDeadlines(t *testing.T) {
	src := remotetest.Bytes(remotetest.Pattern(3<<20, 1))
	tests := []struct {
		op    string
		after time.Duration
		call  func(f *fixture) error
	}{
		{"stat", 5 * time.Second, (*fixture).stat},
		{"touch", 30 * time.Second, func(f *fixture) error { return f.g.Touch(f.Context(), key, time.Time{}) }},
		{"names", 5 * time.Second, func(f *fixture) error {
			return f.g.Names(f.Context(), "", func(string, bool) error { return nil })
		}},
		{"get", 10 * time.Second, func(f *fixture) error {
			_, _, err := f.g.Get(f.Context(), key, 0)
			return err
		}},
		{"put", 30 * time.Second, func(f *fixture) error {
			return f.g.Put(f.Context(), key, src, remote.PutOptions{})
		}},
		{"commit", 30 * time.Second, func(f *fixture) error {
			return f.g.Put(f.Context(), key, src, remote.PutOptions{})
		}},
		{"delete", 30 * time.Second, func(f *fixture) error { return f.g.Delete(f.Context(), key) }},
		{"list", 30 * time.Second, func(f *fixture) error {
			return f.g.List(f.Context(), "", func(remote.Info) error { return nil })
		}},
		{"item", 30 * time.Second, func(f *fixture) error {
			return f.g.List(f.Context(), "", func(remote.Info) error { return nil })
		}},
	}
	for _, test := range tests {
		t.Run(test.op, func(t *testing.T) {
			virtual(t, remote.GuardOptions{}, func(f *fixture) {
				f.m.Hang(test.op)
				start := time.Now()
				f.want(test.call(f), remote.ErrUnavailable)
				if d := time.Since(start); d != test.after {
					f.Errorf("released after %v, want %v", d, test.after)
				}
				f.wantOpen(true)
				f.wantCalls(test.op, 1)
				if n := f.g.Errors(); n != 1 {
					f.Errorf("Errors = %d, want 1", n)
				}
				f.want(f.stat(), remote.ErrUnavailable)
				if d := time.Since(start); d != test.after {
					f.Errorf("the next call took %v, want no time", d-test.after)
				}
				time.Sleep(time.Second) // virtual
				synctest.Wait()
				f.wantOpen(false) // the probe does not hang
			})
		})
	}
}

// A hang after Close is waited for, up to the context of Close.
func TestCloseWaits(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Hang("stat", "probe")
		f.want(f.stat(), remote.ErrUnavailable)
		time.Sleep(time.Minute) // the probe hangs as well
		ctx, cancel := context.WithTimeout(f.Context(), time.Second)
		defer cancel()
		f.want(f.g.Close(ctx), context.DeadlineExceeded)
		f.want(f.stat(), remote.ErrUnavailable)
	})
}

func TestCallerCancels(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Hang("stat")
		cause := errors.New("interrupted")
		ctx, cancel := context.WithCancelCause(f.Context())
		time.AfterFunc(time.Second, func() { cancel(cause) })
		start := time.Now()
		_, err := f.g.Stat(ctx, key)
		if d := time.Since(start); d != time.Second {
			f.Errorf("released after %v, want 1 s", d)
		}
		f.want(err, context.Canceled)
		f.want(err, cause)
		if errors.Is(err, remote.ErrUnavailable) {
			f.Errorf("cancelled call = %v, want no fault of the remote", err)
		}
		f.wantOpen(false)
		if n := f.g.Errors(); n != 0 {
			f.Errorf("Errors = %d, want 0", n)
		}
	})
}

// Callers with less patience than the guard do not hide a hang from it.
func TestImpatientCallers(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Hang("stat", "probe")
		start := time.Now()
		for range 5000 {
			ctx, cancel := context.WithTimeout(f.Context(), time.Second)
			if _, err := f.g.Stat(ctx, key); err == nil {
				f.Errorf("Stat succeeds on a remote that hangs")
			}
			cancel()
		}
		if d := time.Since(start); d > 10*time.Second {
			f.Errorf("5000 Stats took %v, want at most 10 s", d)
		}
		f.wantOpen(true)
	})
}

// An alarm is for calls that go on, not for those that end soon after.
func TestCancelIsNoHang(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Delay("stat", time.Hour) // heeds its context
		ctx, cancel := context.WithTimeout(f.Context(), time.Second)
		defer cancel()
		_, err := f.g.Stat(ctx, key)
		f.want(err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		f.wantOpen(false)
	})
}

// TestHungListingTripsOnce: what is left behind for good says no more of a remote that
// answers again.
func TestHungListingTripsOnce(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Hang("list")
		err := f.g.List(f.Context(), "", func(remote.Info) error { return nil })
		f.want(err, remote.ErrUnavailable)
		f.wantOpen(true)
		time.Sleep(10 * time.Second) // a probe has its answer
		f.wantOpen(false)
		for range 60 {
			time.Sleep(2 * time.Second)
			f.wantOpen(false)
		}
	})
}

func TestRetry(t *testing.T) {
	unavailable := fmt.Errorf("%w: 503", remote.ErrUnavailable)
	tests := []struct {
		name   string
		fail   int // calls
		err    error
		calls  int64
		want   error
		errors int64
	}{
		{"success", 0, unavailable, 1, nil, 0},
		{"once", 1, unavailable, 2, nil, 0},
		{"twice", 2, unavailable, 3, nil, 0},
		{"always", -1, unavailable, 3, remote.ErrUnavailable, 1},
		{"permission", -1, remote.ErrPermission, 1, remote.ErrPermission, 1},
		{"missing", -1, remote.ErrNotExist, 1, remote.ErrNotExist, 0},
		{"unsupported", -1, remote.ErrUnsupported, 1, remote.ErrUnsupported, 0},
		{"full", -1, syscall.ENOSPC, 1, syscall.ENOSPC, 1},
		{"quota", -1, syscall.EDQUOT, 1, remote.ErrUnavailable, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, remote.GuardOptions{}, func(f *fixture) {
				if test.fail != 0 {
					f.m.FailNext("stat", test.fail, test.err)
				}
				f.want(f.stat(), test.want)
				f.wantCalls("stat", test.calls)
				f.wantOpen(false)
				if n := f.g.Errors(); n != test.errors {
					f.Errorf("Errors = %d, want %d", n, test.errors)
				}
			})
		})
	}
}

// Retries of a Stat share its deadline.
func TestRetryWithinDeadline(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.FailNext("stat", 1, remote.ErrUnavailable)
		f.m.Delay("stat", 4*time.Second)
		start := time.Now()
		f.want(f.stat(), remote.ErrUnavailable)
		if d := time.Since(start); d.Round(time.Millisecond) != 5*time.Second {
			f.Errorf("took %v, want 5 s", d)
		}
	})
}

func TestNoRetries(t *testing.T) {
	virtual(t, remote.GuardOptions{Retries: -1}, func(f *fixture) {
		f.m.FailNext("stat", 1, remote.ErrUnavailable)
		f.want(f.stat(), remote.ErrUnavailable)
		f.wantCalls("stat", 1)
	})
}

func TestMaxInFlight(t *testing.T) {
	virtual(t, remote.GuardOptions{MaxInFlight: 4}, func(f *fixture) {
		// More than that at a time wait for their turn.
		f.m.Delay("stat", 100*time.Millisecond)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { f.want(f.stat(), nil) })
		}
		wg.Wait()
		// With hangs among them they do not.
		f.m.Hang("touch")
		for range 4 {
			wg.Go(func() { f.want(f.g.Touch(f.Context(), key, time.Time{}), remote.ErrUnavailable) })
		}
		wg.Wait()
		f.want(f.g.ProbeNow(f.Context()), nil)
		f.wantOpen(false)
		start := time.Now()
		f.want(f.stat(), remote.ErrUnavailable)
		if d := time.Since(start); d != 0 {
			f.Errorf("a call beyond the bound took %v, want no time", d)
		}
	})
}

// bare hides the optional abilities of a remote.
type bare struct{ remote.Remote }

func TestBareRemote(t *testing.T) {
	m := remotetest.NewMemory()
	g := remote.NewGuard(bare{m}, remote.GuardOptions{})
	for name, err := range map[string]error{
		"Folders":   g.Folders(t.Context(), "", func(remote.Folder) error { return nil }),
		"Names":     g.Names(t.Context(), "", func(string, bool) error { return nil }),
		"Leftovers": g.Leftovers(t.Context(), func(remote.Info) error { return nil }),
	} {
		if !errors.Is(err, remote.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", name, err, remote.ErrUnsupported)
		}
	}
	if err := g.Probe(t.Context()); err != nil || m.Calls("stat") != 1 {
		t.Errorf("Probe = %v after %d Stats, want success after 1", err, m.Calls("stat"))
	}
	if g.Unwrap() != (bare{m}) || g.String() != "memory" || g.Traits() != m.Traits() {
		t.Errorf("Guard does not pass on what the remote says of itself")
	}
	if err := g.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
