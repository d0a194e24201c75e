package store

import (
	"container/heap"
	"context"
	"math"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cached is an object that could go.
type cached struct {
	key  string
	size int64
	used int64 // its mtime, nanoseconds since 1970
}

// byUse orders objects, the least recently used first.
func byUse(a, b cached) int {
	switch {
	case a.used < b.used:
		return -1
	case a.used > b.used:
		return 1
	}
	return strings.Compare(a.key, b.key)
}

// trimBatch is how many objects are remembered of a walk over the cache: some
// 7 MB. What needs more to go takes another walk.
const trimBatch = 32 << 10

// eachOldest visits cached objects, the least recently used first, each once,
// while wanted bytes are more than 0. What is not sent or pinned is left out.
// No lock is held: what is visited may have gone, or been used, since it was
// listed.
func (s *Store) eachOldest(ctx context.Context, wanted func() int64, visit func(cached)) {
	last := cached{used: math.MinInt64}
	for want := wanted(); want > 0; want = wanted() {
		batch := s.oldest(ctx, last, want)
		if len(batch) == 0 {
			return
		}
		for _, c := range batch {
			if wanted() <= 0 || ctx.Err() != nil {
				return
			}
			visit(c)
			last = c
		}
	}
}

// oldest walks the cache and returns, in order, the first objects after another
// that have so many bytes together.
func (s *Store) oldest(ctx context.Context, after cached, bytes int64) []cached {
	b := &batch{after: after, bytes: bytes, most: s.free.batch}
	walkObjects(ctx, "", func(folder string) []string {
		return s.layout.readObjects(folder, func(name string, st *unix.Stat_t) {
			if b.isTooNew(st.Mtim.Nano()) {
				return
			}
			if key := folder + "/" + name; !s.isOurs(key) {
				b.add(cached{key, st.Size, st.Mtim.Nano()})
			}
		})
	})
	slices.SortFunc(b.all, byUse)
	return b.all
}

// batch gathers the objects that are least recently used. It is a heap with the
// newest on top.
type batch struct {
	after cached
	bytes int64 // wanted
	most  int
	all   []cached
	sum   int64 // of their sizes
}

// isTooNew reports whether nothing of that time has a place.
func (b *batch) isTooNew(used int64) bool {
	return used < b.after.used || b.isFull() && used > b.all[0].used
}

// isFull reports whether one must go for each that comes.
func (b *batch) isFull() bool {
	return len(b.all) >= b.most || b.sum >= b.bytes
}

func (b *batch) add(c cached) {
	if byUse(c, b.after) <= 0 {
		return
	}
	heap.Push(b, c)
	b.sum += c.size
	for len(b.all) > b.most || b.sum-b.all[0].size >= b.bytes {
		b.sum -= heap.Pop(b).(cached).size
	}
}

func (b *batch) Len() int           { return len(b.all) }
func (b *batch) Less(i, j int) bool { return byUse(b.all[i], b.all[j]) > 0 }
func (b *batch) Swap(i, j int)      { b.all[i], b.all[j] = b.all[j], b.all[i] }

// Push is for container/heap.
func (b *batch) Push(x any) { b.all = append(b.all, x.(cached)) }

// Pop is for container/heap.
func (b *batch) Pop() any {
	last := len(b.all) - 1
	c := b.all[last]
	b.all[last] = cached{} // its name may go
	b.all = b.all[:last]
	return c
}
