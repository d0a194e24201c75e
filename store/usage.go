package store

import (
	"context"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

// usage counts the objects in the cache. The first count walks the cache while
// it is in use: objects in folders that were counted are counted as they come
// and go, the others when the walk gets there, or in the end if it does not know
// of their folder. Until then the last daemon's count stands in, see usagefile.go.
type usage struct {
	complete chan struct{} // closed with the first count

	mu      sync.Mutex
	total   Count
	done    bool
	walking bool            // the walk has begun
	reached string          // the folder that it counted last
	walked  bool            // it has passed all folders
	missed  map[string]bool // folders that changed and were not counted yet; nil when done
	before  *Count          // what the last daemon left, at least; nil when it did not say
	since   Count           // what came and went since
}

func newUsage() *usage {
	return &usage{complete: make(chan struct{}), missed: map[string]bool{}}
}

// change makes a change in the folder of key, which tells what came (or,
// negative, left). While the cache is counted the count of that folder is either
// from before or from after it.
func (u *usage) change(key string, make func() (objects, bytes int64)) {
	u.mu.Lock()
	if u.done {
		u.mu.Unlock()
		objects, bytes := make()
		u.mu.Lock()
		defer u.mu.Unlock()
		u.total.plus(objects, bytes)
		return
	}
	defer u.mu.Unlock()
	objects, bytes := make()
	u.since.plus(objects, bytes)
	folder := path.Dir(key)
	passed := u.walked || u.walking && !precedes(u.reached, folder)
	if passed && !u.missed[folder] {
		u.total.plus(objects, bytes)
		return
	}
	u.missed[folder] = true
}

func (c *Count) plus(objects, bytes int64) {
	c.Objects += objects
	c.Bytes += bytes
}

// get is the count, and before there is one the best that is known.
func (u *usage) get() Count {
	c, _ := u.atLeast()
	return c
}

// atLeast is get, and whether the cache holds no more than that.
func (u *usage) atLeast() (c Count, certain bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done || u.before == nil {
		return u.total, u.done
	}
	return Count{
		Objects: max(u.total.Objects, u.before.Objects+u.since.Objects),
		Bytes:   max(u.total.Bytes, u.before.Bytes+u.since.Bytes),
	}, true
}

func (u *usage) isComplete() bool {
	select {
	case <-u.complete:
		return true
	default:
		return false
	}
}

// scan counts what is in the cache.
func (u *usage) scan(ctx context.Context, l layout) error {
	walkObjects(ctx, "", func(folder string) []string {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.reached, u.walking = folder, true
		return u.countLocked(l, folder)
	})
	if ctx.Err() == nil {
		u.mu.Lock()
		u.walked = true
		u.mu.Unlock()
	}
	for ctx.Err() == nil && !u.finish(l) {
	}
	return ctx.Err()
}

// finish counts one of the folders that came behind the walk's back, and reports
// whether that was all.
func (u *usage) finish(l layout) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for folder := range u.missed {
		u.countLocked(l, folder)
		return false
	}
	u.done, u.missed, u.before = true, nil, nil
	close(u.complete)
	return true
}

// countLocked counts the objects of one folder and returns the names of those in
// it. Called with mu held.
func (u *usage) countLocked(l layout, folder string) (below []string) {
	below = l.readObjects(folder, func(_ string, st *unix.Stat_t) { u.total.plus(1, st.Size) })
	delete(u.missed, folder)
	return below
}
