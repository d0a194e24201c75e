package store

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// WarmOptions says how Warm brings objects here.
type WarmOptions struct {
	Jobs int // downloads at a time, at least 1

	// Warmed is how much earlier calls for the same purpose brought or found,
	// in bytes: making room for more must not cost that.
	Warmed int64
}

// WarmResult is what became of the names that were to be brought here. The
// JSON keys are stable.
type WarmResult struct {
	Fetched  Count  `json:"fetched"`
	Cached   Count  `json:"cached"`    // were here already
	Absent   int64  `json:"absent"`    // the remote has no such object
	TooLarge int64  `json:"too_large"` // larger than the whole cache
	Failed   int64  `json:"failed"`
	Left     int64  `json:"left"`    // not tried
	Full     bool   `json:"full"`    // more would only push out what was brought
	Offline  bool   `json:"offline"` // the remote does not answer
	Error    string `json:"error,omitempty"`
}

// Bytes is how much of the cache is taken by what was asked for.
func (r WarmResult) Bytes() int64 { return r.Fetched.Bytes + r.Cached.Bytes }

// mostUnavailable is how many names in a row may find a remote that does not
// answer, before the others are not tried.
const mostUnavailable = 5

// Warm brings objects into the cache that are not there, so that a build finds
// them. What is there counts as used now. It stops when the cache is full of
// what it brought, or the remote does not answer. The error is that of ctx; the
// result is right in any case. progress may be nil.
func (s *Store) Warm(ctx context.Context, keys []string, o WarmOptions, progress func(WarmResult)) (WarmResult, error) {
	if progress == nil {
		progress = func(WarmResult) {}
	}
	w := &warming{s: s, taken: o.Warmed, progress: progress}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, o.Jobs))
	for _, key := range keys {
		if inner.Err() != nil || w.isFull() {
			break
		}
		group.Go(func() error { return w.bring(inner, key) })
	}
	err := group.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Left = int64(len(keys)) - w.done
	w.result.Offline = err != nil && ctx.Err() == nil
	return w.result, ctx.Err()
}

// errTooLarge says that an object is larger than the cache.
var errTooLarge = errors.New("larger than the cache")

// Add counts what another call did too.
func (r *WarmResult) Add(more WarmResult) {
	r.Fetched.Objects += more.Fetched.Objects
	r.Fetched.Bytes += more.Fetched.Bytes
	r.Cached.Objects += more.Cached.Objects
	r.Cached.Bytes += more.Cached.Bytes
	r.Absent += more.Absent
	r.TooLarge += more.TooLarge
	r.Failed += more.Failed
	r.Left += more.Left
	r.Full, r.Offline = r.Full || more.Full, r.Offline || more.Offline
	if r.Error == "" {
		r.Error = more.Error
	}
}

// warming is one Warm.
type warming struct {
	s        *Store
	progress func(WarmResult)

	mu          sync.Mutex // guards what follows
	result      WarmResult
	done        int64 // names
	taken       int64 // bytes: brought, found, or on their way
	coming      int64 // those on their way
	unavailable int   // in a row
}

// bring is Warm for one name. Its error ends the others.
func (w *warming) bring(ctx context.Context, key string) error {
	e, err := w.find(ctx, key)
	switch {
	case err != nil:
		return w.note(ctx, 0, err)
	case e.Local:
		w.take(e.Size)
		now := w.s.now()
		_ = os.Chtimes(w.s.layout.object(key), now, now) // gone meanwhile: then a build fetches it
		return w.found(e.Size)
	case e.Size > w.s.opt.CacheSize: // the next one may fit
		return w.note(ctx, 0, errTooLarge)
	case !w.reserve(e.Size):
		return nil
	}
	w.s.fetches.use(key, 1)
	err = w.s.fetch(ctx, key)
	w.s.fetches.use(key, -1)
	return w.note(ctx, e.Size, err)
}

// find looks an object up, and asks the remote for one that the index does not
// know: another host may just have published it.
func (w *warming) find(ctx context.Context, key string) (Entry, error) {
	if _, ok := sstate.ParsePath(key); !ok {
		return Entry{}, errNotExist
	}
	e, err := w.s.lookupObject(ctx, key)
	if err == nil || w.s.names.isRemoved(key) {
		return e, err
	}
	info, err := w.s.guard.Stat(ctx, remote.Key(key))
	if err != nil {
		return e, err
	}
	if w.s.index != nil || w.s.asked != nil {
		w.s.noteOnRemote(info)
		w.s.changed(key)
	}
	return w.s.lookupObject(ctx, key)
}

// reserve takes room for an object. It is false, and Full from then on, when
// room could only be made by removing what was brought before.
func (w *warming) reserve(size int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	waits := max(0, w.coming-w.s.free.coming.Load()) // of ours, for its turn
	if need := w.s.excess(waits + size); need > 0 {
		slack := w.s.slack()
		others := w.s.usage.get().Bytes - (w.taken - w.coming) - w.s.queue.size()
		w.result.Full = w.result.Full || need+slack > others
	}
	if w.result.Full {
		return false
	}
	w.taken += size
	w.coming += size
	return true
}

func (w *warming) take(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken += size
}

func (w *warming) isFull() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.result.Full
}

// found counts an object that was here.
func (w *warming) found(size int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	w.result.Cached.Objects++
	w.result.Cached.Bytes += size
	w.progress(w.result)
	return nil
}

// note counts an object that was not here. size was reserved for it.
func (w *warming) note(ctx context.Context, size int64, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.coming -= size
	if err != nil {
		w.taken -= size
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // not tried to its end
	}
	w.done++
	defer func() { w.progress(w.result) }()
	if !errors.Is(err, remote.ErrUnavailable) {
		w.unavailable = 0
	}
	switch {
	case err == nil:
		w.result.Fetched.Objects++
		w.result.Fetched.Bytes += size
	case errors.Is(err, errNotExist), errors.Is(err, remote.ErrNotExist):
		w.result.Absent++
	case errors.Is(err, errTooLarge):
		w.result.TooLarge++
	case errors.Is(err, errNoRoom) && !errors.Is(err, errNotKept):
		w.done--
		w.result.Full = true
	default:
		return w.failed(err)
	}
	return nil
}

// failed counts a failure. Called with mu held.
func (w *warming) failed(err error) error {
	w.result.Failed++
	if w.result.Error == "" {
		w.result.Error = oneLine(err)
	}
	if errors.Is(err, remote.ErrUnavailable) {
		if w.unavailable++; w.unavailable >= mostUnavailable {
			return err
		}
	}
	return nil
}
