package store

import (
	"context"
	"io"
	"sync"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A crossing remote carries out a removal after it has begun to send the object,
// which comes when that is removed.
type crossing struct {
	*remotetest.Memory
	asked func()        // an object is on its way, or nobody wants it
	wait  chan struct{} // closed by asked
	gone  chan struct{} // closed when the content may come
}

func newCrossing(m *remotetest.Memory) crossing {
	c := crossing{Memory: m, wait: make(chan struct{}), gone: make(chan struct{})}
	c.asked = sync.OnceFunc(func() { close(c.wait) })
	return c
}

func (c crossing) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := c.Memory.Get(ctx, key, offset)
	c.asked()
	return &lateBody{body, c.gone}, info, err
}

func (c crossing) Delete(ctx context.Context, keys ...remote.Key) error {
	select {
	case <-c.wait:
		return c.Memory.Delete(ctx, keys...)
	case <-ctx.Done():
		return remote.Ended(ctx, "crossing: delete", keys[0])
	}
}

type lateBody struct {
	io.ReadCloser
	from chan struct{}
}

func (b *lateBody) Read(p []byte) (int, error) {
	<-b.from
	return b.ReadCloser.Read(p)
}

// TestDownloadAfterRemoval: who looked before a removal and asks for the content
// after it does not bring the object back, however the two cross on their way.
func TestDownloadAfterRemoval(t *testing.T) {
	removals := map[string]func(r *rig, key string) error{
		"rm here": func(r *rig, key string) error { return r.Unlink(t.Context(), key) },
		"by a command": func(r *rig, key string) error {
			return r.Shared().Delete(t.Context(), remote.Key(key))
		},
	}
	for name, remove := range removals {
		t.Run(name, func(t *testing.T) {
			var c crossing
			r := newRig(t, func(o *Options, tr *remote.Traits) {
				c = newCrossing(o.Remote.(*remotetest.Memory))
				o.Remote, o.Publish, tr.CheapStat = c, PublishQueue, false
			})
			key := testKey(1, "package")
			r.mem.Set(remote.Key(key), []byte("content"))
			r.listed()
			removed := make(chan error, 1)
			go func() { removed <- remove(r, key) }()
			if name == "rm here" { // is answered before it is sent
				if err := <-removed; err != nil {
					t.Fatal(err)
				}
				removed <- nil
			}
			fetched := make(chan error, 1)
			go func() {
				err := r.fetch(t.Context(), key)
				c.asked()
				fetched <- err
			}()
			if err := <-removed; err != nil {
				t.Errorf("removal = %v", err)
			}
			r.flush()
			close(c.gone)
			if err := <-fetched; err != nil {
				t.Errorf("fetch = %v, want that who asks looks again", err)
			}
			r.wantMiss(key)
		})
	}
}
