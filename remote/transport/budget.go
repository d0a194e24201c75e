package transport

import (
	"sync"

	"golang.org/x/sync/semaphore"
)

// DefaultBudget is the memory of all large downloads of a remote together, in
// bytes: three that nobody reads, and one more that is.
const DefaultBudget = 128 << 20

// A Budget is the memory of all readers of pieces that share it. A reader
// never waits for another's: one that gets none reads without.
type Budget struct {
	left *semaphore.Weighted
	idle sync.Pool // of *[]byte
}

// NewBudget gives a budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{left: semaphore.NewWeighted(bytes)}
}

// take gives size bytes, or nil if there are none. A nil Budget has always
// some.
func (b *Budget) take(size int64) []byte {
	if b == nil {
		return make([]byte, size)
	}
	if !b.left.TryAcquire(size) {
		return nil
	}
	if old, ok := b.idle.Get().(*[]byte); ok && int64(cap(*old)) == size {
		return (*old)[:size]
	}
	return make([]byte, size)
}

// give takes back what take gave, or a part of it from its beginning.
func (b *Budget) give(buf []byte) {
	if b == nil {
		return
	}
	buf = buf[:cap(buf)]
	b.idle.Put(&buf)
	b.left.Release(int64(len(buf)))
}
