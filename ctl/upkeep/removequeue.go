package upkeep

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

const (
	// removeBatch is how many objects are deleted by one call: what one request
	// of S3 takes.
	removeBatch = 1000
	// removeDelay is how long the first of a batch waits for others, so that
	// an object is judged only seconds before it goes.
	removeDelay = 10 * time.Second
	// finishTime is how long a batch may go on after an interrupt.
	finishTime = 500 * time.Millisecond
	// refreshers is how many times are set at a time.
	refreshers = 16
)

// A removal is objects that go together: the rest once the first is gone, so
// that no archive is left whose signature is missing.
type removal struct {
	first remote.Info
	rest  []remote.Info

	// stays is a siginfo that outlives its archive. It gets its ModTime, when
	// the archive was used last: it was used with that.
	stays remote.Info
}

// removeEvents are told what becomes of objects, never two at a time.
type removeEvents struct {
	gone   func(remote.Info)
	failed func(remote.Info)

	// spared is told of what was used since it was listed and stays therefore;
	// nil removes it all the same.
	spared func(remote.Info)
}

// A removeQueue deletes in batches, while more is being found.
type removeQueue struct {
	t      *Target
	dry    bool // delete nothing and tell of all the same
	events removeEvents

	in    chan removal
	ended chan struct{}
	err   error // why it ended early, set before ended closes
	why   error // of the first object that could not be deleted, set likewise

	waiting []remote.Info          // for the next batch
	rests   map[remote.Key]removal // whose first is waiting
	stays   []remote.Info          // whose archives are gone
	some    bool                   // something was deleted
	batches int                    // that were deleted
}

// beginRemoving makes a queue. The caller ends it with close.
func (t *Target) beginRemoving(ctx context.Context, dry bool, events removeEvents) *removeQueue {
	q := &removeQueue{t: t, dry: dry, events: events,
		in: make(chan removal), ended: make(chan struct{}), rests: make(map[remote.Key]removal)}
	go q.run(ctx)
	return q
}

// add gives a removal. It waits while a batch is being deleted, so that what is
// found does not grow old here. It is an error once the queue has ended.
func (q *removeQueue) add(r removal) error {
	select {
	case q.in <- r:
		return nil
	case <-q.ended:
		return q.err
	}
}

// close deletes what waits and returns when all is done.
func (q *removeQueue) close() error {
	close(q.in)
	<-q.ended
	return q.err
}

func (q *removeQueue) run(ctx context.Context) {
	defer close(q.ended)
	late := time.NewTimer(removeDelay)
	defer late.Stop()
	for open := true; open || len(q.waiting) > 0; {
		var r removal
		deleted := q.batches
		select {
		case r, open = <-q.in:
		case <-late.C:
			q.err = q.flush(ctx, 1)
			late.Reset(removeDelay)
		}
		if r.first.Key != "" {
			if len(q.waiting) == 0 {
				late.Reset(removeDelay)
			}
			q.take(r)
		}
		least := removeBatch
		if !open {
			least = 1
		}
		if q.err == nil {
			q.err = q.flush(ctx, least)
		}
		if q.batches > deleted {
			late.Reset(removeDelay) // what waits now came after what has gone
		}
		if q.err != nil {
			return
		}
	}
}

func (q *removeQueue) take(r removal) {
	if q.dry {
		q.events.gone(r.first)
		for _, info := range r.rest {
			q.events.gone(info)
		}
		return
	}
	q.waiting = append(q.waiting, r.first)
	if len(r.rest) > 0 || r.stays.Key != "" {
		q.rests[r.first.Key] = r
	}
}

// flush deletes batches as long as at least so many wait.
func (q *removeQueue) flush(ctx context.Context, least int) error {
	for len(q.waiting) >= least {
		if ctx.Err() != nil {
			return remote.Ended(ctx, "delete", "")
		}
		n := min(len(q.waiting), removeBatch)
		batch := q.waiting[:n:n]
		q.waiting = q.waiting[n:]
		if err := q.delete(ctx, batch); err != nil {
			return err
		}
		q.refresh(ctx)
		q.batches++
	}
	return nil
}

// refresh gives siginfo the times of their archives, as well as the remote can:
// they go earlier where it cannot. What was used meanwhile is younger already.
func (q *removeQueue) refresh(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(refreshers)
	for _, info := range q.stays {
		group.Go(func() error {
			if now, err := q.t.Stat(ctx, info.Key); err == nil && now.ModTime.Before(info.ModTime) {
				_ = q.t.Touch(ctx, info.Key, info.ModTime)
			}
			return nil
		})
	}
	_ = group.Wait()
	q.stays = nil
}

// delete deletes a batch. What fails for single objects is noted; it is an
// error when the remote takes no removals at all.
func (q *removeQueue) delete(ctx context.Context, batch []remote.Info) error {
	batch = q.unused(ctx, batch)
	if len(batch) == 0 {
		return nil
	}
	keys := make([]remote.Key, len(batch))
	for i, info := range batch {
		keys[i] = info.Key
	}
	patient, cancel := finishing(ctx)
	err := q.t.Delete(patient, keys...)
	cancel()
	if err != nil && ctx.Err() != nil {
		return remote.Ended(ctx, "delete", "")
	}
	if q.why == nil {
		q.why = err
	}
	failed, all := failedKeys(err, len(batch))
	for _, info := range batch {
		if all || failed[info.Key] {
			q.keep(info)
		} else {
			q.removed(info)
		}
	}
	hopeless := errors.Is(err, remote.ErrUnavailable) || !q.some &&
		(errors.Is(err, remote.ErrPermission) || errors.Is(err, remote.ErrUnsupported))
	if (all || len(failed) >= len(batch)) && hopeless {
		return err
	}
	return nil
}

// finishing is a context that ends a moment after ctx, so that a batch which is
// nearly done is counted.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	patient, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(finishTime, cancel) })
	return patient, func() {
		stop()
		cancel()
	}
}

// removed goes on after an object was deleted.
func (q *removeQueue) removed(info remote.Info) {
	r := q.rests[info.Key]
	delete(q.rests, info.Key)
	q.some = true
	q.events.gone(info)
	q.waiting = append(q.waiting, r.rest...)
	if r.stays.Key != "" && q.t.Traits().Touch == remote.TouchOnServer {
		q.stays = append(q.stays, r.stays)
	}
}

// keep gives up an object, and what was to go after it.
func (q *removeQueue) keep(info remote.Info) {
	r := q.rests[info.Key]
	delete(q.rests, info.Key)
	q.events.failed(info)
	for _, left := range r.rest {
		q.events.failed(left)
	}
}

// failedKeys gives the objects that could not be deleted, of so many, all of them
// when the error does not tell which: one that stands alone may have ended the
// whole call.
func failedKeys(err error, asked int) (failed map[remote.Key]bool, all bool) {
	if err == nil {
		return nil, false
	}
	if _, alone := err.(*remote.Error); alone && asked > 1 { //nolint:errorlint // what wraps it is looked into below
		return nil, true
	}
	failed = make(map[remote.Key]bool)
	if !collectKeys(err, failed) {
		return nil, true
	}
	return failed, false
}

// collectKeys is false when some part of the error tells no key.
func collectKeys(err error, into map[remote.Key]bool) bool {
	if one, ok := err.(*remote.Error); ok {
		into[one.Key] = true
		return one.Key != ""
	}
	switch joined := err.(type) {
	case interface{ Unwrap() []error }:
		for _, part := range joined.Unwrap() {
			if !collectKeys(part, into) {
				return false
			}
		}
		return len(joined.Unwrap()) > 0
	case interface{ Unwrap() error }:
		return collectKeys(joined.Unwrap(), into)
	}
	return false
}
