package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"sstatefs/remote"
)

// TestPublishesWhileClosing: a mount that is in use goes on to ask while its store
// closes and after that. Each publish is on the remote when nothing is said to be
// left, or is refused.
func TestPublishesWhileClosing(t *testing.T) {
	for _, mode := range []PublishMode{PublishThrough, PublishQueue} {
		t.Run(string(mode), func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = mode })
			defer r.Hold()() // as a mount does
			const builds, many = 4, 5000
			var accepted sync.Map
			var running sync.WaitGroup
			closed := make(chan struct{})
			for b := range builds {
				running.Go(func() {
					for n := range many {
						key := testKey(n, fmt.Sprint("build", b))
						err := r.publish(key, key)
						if errors.Is(err, syscall.ENOTCONN) {
							return
						}
						if err != nil {
							t.Errorf("publish: %v", err)
							return
						}
						accepted.Store(key, true)
						select {
						case <-closed:
							t.Error("published after the end")
							return
						default:
						}
					}
				})
			}
			count := func() (n int) {
				accepted.Range(func(any, any) bool { n++; return true })
				return n
			}
			eventually(t, "builds publish", func() bool { return count() > 10 })
			left, err := r.Close(context.Background())
			close(closed)
			running.Wait()
			if err != nil || left.Objects != 0 {
				t.Fatalf("Close() = %+v, %v, want nothing left", left, err)
			}
			there := r.mem.Snapshot()
			accepted.Range(func(key, _ any) bool {
				if _, ok := there[remote.Key(key.(string))]; !ok {
					t.Errorf("%v was accepted and is not sent", key)
				}
				return true
			})
		})
	}
}

// TestClosedStoreChangesNothing: what is refused stays as it was.
func TestClosedStoreChangesNothing(t *testing.T) {
	r := newRig(t, nil)
	ctx, key := context.Background(), testKey(1, "package")
	info := testKey(2, "package") + ".siginfo"
	r.mustPublish(key, "content")
	archive, signature := r.scratchFile(testKey(3, "package"), "late"), r.scratchFile(info, "late")
	release := r.Hold() // as a mount does
	if left, err := r.Close(ctx); err != nil || left.Objects != 0 {
		t.Fatalf("Close() = %+v, %v", left, err)
	}
	_, linked := r.Link(ctx, archive, testKey(3, "package"))
	for what, err := range map[string]error{
		"link": linked, "rename": r.Rename(ctx, signature, info, 0),
		"unlink": r.Unlink(ctx, key), "rename away": r.Rename(ctx, key, "elsewhere", 0),
	} {
		if !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("%s: %v, want ENOTCONN", what, err)
		}
	}
	r.wantRemote(key, "content")
	release()
	r.open()
	r.wantContent(key, "content")
	r.wantMiss(info)
	if left := r.flush(); left.Objects != 0 {
		t.Errorf("left %+v", left)
	}
}

// TestHeldCacheStaysLocked: two daemons must not have one cache while the first
// may still be asked.
func TestHeldCacheStaysLocked(t *testing.T) {
	r := newRig(t, nil)
	release := r.Hold()
	if _, err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(context.Background(), r.opt); err == nil {
		t.Error("another store takes the cache")
		_, _ = s.Close(context.Background())
	}
	release()
	release()
	r.open()
}
