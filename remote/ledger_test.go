package remote_test

import (
	"context"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A stuckTouch is a Memory whose Touch hangs until it is told otherwise.
type stuckTouch struct {
	*remotetest.Memory
	release chan struct{}
}

func (s stuckTouch) Touch(context.Context, remote.Key, time.Time) error {
	<-s.release
	return nil
}

// Of two changes of one key that were left behind both are waited for: a put
// that ends after a delete would bring the object back.
func TestTwoChangesLeftBehind(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		inner := stuckTouch{f.m, make(chan struct{})}
		g := remote.NewGuard(inner, remote.GuardOptions{})
		f.m.Hang("commit")
		ctx, cancel := context.WithCancel(f.Context())
		var changes sync.WaitGroup
		changes.Go(func() {
			f.want(g.Put(ctx, key, remotetest.Bytes("late"), remote.PutOptions{}), context.Canceled)
		})
		changes.Go(func() { f.want(g.Touch(ctx, key, time.Time{}), context.Canceled) })
		synctest.Wait()
		cancel()
		changes.Wait()

		close(inner.release)
		synctest.Wait()
		changes.Go(func() { f.want(g.Delete(f.Context(), key), nil) })
		synctest.Wait()
		f.wantCalls("delete", 0)
		f.m.Release()
		changes.Wait()
		if _, there := f.m.Snapshot()[key]; there {
			f.Errorf("the put that was left behind brings the object back")
		}
		f.want(g.Close(f.Context()), nil)
	})
}

// A closeCounter counts how often it is closed.
type closeCounter struct {
	io.Reader
	closed chan struct{}
}

func (c closeCounter) Close() error {
	c.closed <- struct{}{}
	return nil
}

// A body is closed also when calls that hang have all the slots.
func TestBodyIsClosedWithoutASlot(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		closed := make(chan struct{}, 2)
		g := remote.NewGuard(bodyRemote{f.m, func() (io.ReadCloser, int64) {
			return closeCounter{nil, closed}, 1
		}}, remote.GuardOptions{MaxInFlight: 1})
		body, _, err := g.Get(f.Context(), key, 0)
		f.want(err, nil)
		f.m.Hang("stat")
		ctx, cancel := context.WithTimeout(f.Context(), time.Second)
		defer cancel()
		_, err = g.Stat(ctx, key)
		f.want(err, context.DeadlineExceeded)
		f.want(body.Close(), remote.ErrUnavailable)
		synctest.Wait()
		if n := len(closed); n != 1 {
			f.Errorf("the body inside is closed %d times, want 1", n)
		}
		f.m.Release()
		f.want(g.Close(f.Context()), nil)
	})
}
