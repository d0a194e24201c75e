package s3

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A partPutter puts one part, and gets no further than to its content.
type partPutter struct {
	*remotetest.Memory
	b *Bucket
}

func (p partPutter) Put(ctx context.Context, _ remote.Key, _ remote.Source, _ remote.PutOptions) error {
	err := (&putting{b: p.b}).sendPart(ctx, nil, nil, part{number: 1, length: 10, last: true}, strings.NewReader("short"))
	return p.b.fail(ctx, "put", key, err)
}

// TestMemoryOfOthers: to wait for the memory that other uploads hold is no
// standstill, and ends with the caller.
func TestMemoryOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Bucket{memory: semaphore.NewWeighted(10)}
		g := remote.NewGuard(partPutter{remotetest.NewMemory(), b}, remote.GuardOptions{})
		if err := b.memory.Acquire(t.Context(), 10); err != nil {
			t.Fatal(err)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.Put(limited, key, remotetest.Bytes("x"), remote.PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put = %v, want the caller's own deadline", err)
		}
		time.AfterFunc(2*time.Minute, func() { b.memory.Release(10) })
		if err := g.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}); !errors.Is(err, remote.ErrCorrupt) {
			t.Errorf("Put = %v, want it to come to the content, which is too short", err)
		}
		if s := g.State(); s.Open {
			t.Errorf("State = %+v, want it online", s)
		}
		if !b.memory.TryAcquire(10) {
			t.Errorf("memory is still held")
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
