package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

const (
	// touchPause without a use ends the gathering of uses, and touchBatch in all:
	// what goes to the remote while a build asks for thousands of objects slows
	// the answers.
	touchPause = time.Second
	touchBatch = 10 * time.Second

	// touchFailures in a row end a batch: the remote is in trouble although it
	// answers its probes.
	touchFailures = 8

	// touchRefusals in a row end all touching. A directory may hold files that
	// belong to somebody else, so one refusal says nothing of the others.
	touchRefusals = 20

	// listingWait is how long a touch waits for the index before it asks for
	// its object itself.
	listingWait = time.Minute
)

// touching are the keys whose time is being moved, by copies on the server or
// by sending the content again. Either could bring back what a removal or a
// publish of the same key that is sent meanwhile has done away with, so those
// wait.
type touching struct {
	mu   sync.Mutex
	keys map[string]chan struct{}
}

// begin says no when somebody else is at it.
func (t *touching) begin(key string) (end func(), ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys[key] != nil {
		return nil, false
	}
	done := make(chan struct{})
	t.keys[key] = done
	return func() {
		t.mu.Lock()
		delete(t.keys, key)
		t.mu.Unlock()
		close(done)
	}, true
}

// wait waits until no touch of key is under way. One that begins later finds
// the key in the queue.
func (t *touching) wait(ctx context.Context, key string) error {
	t.mu.Lock()
	done := t.keys[key]
	t.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sendTouches tells the remote of uses, in batches, and rests after failures.
func (s *Store) sendTouches(ctx context.Context) {
	failures := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.touches.wake:
		}
		if !s.gatherTouches(ctx) {
			return
		}
		if s.guard.State().Open {
			continue // remoteChanged wakes us when it is back
		}
		select {
		case <-s.touches.back: // of before
		default:
		}
		if s.touchAll(ctx, s.touches.takeAll) {
			failures = 0
			continue
		}
		delay := min(lastRetry, firstRetry<<min(failures, 10))
		failures++
		if !sleep(ctx, delay/2+rand.N(delay/2), s.touches.back) {
			failures = 0
		}
		poke(s.touches.wake)
	}
}

// gatherTouches waits for the end of a burst of uses. It reports false when ctx
// has ended.
func (s *Store) gatherTouches(ctx context.Context) bool {
	for end := time.Now().Add(touchBatch); ; {
		if !sleep(ctx, touchPause, nil) {
			return false
		}
		select {
		case <-s.touches.wake:
			if time.Now().Before(end) {
				continue
			}
		default:
		}
		return true
	}
}

// sleep reports whether it slept to its end; ctx and early cut it short.
func sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-early:
	case <-ctx.Done():
	}
	return false
}

// touchAll tells the remote of the uses that take hands over, and reports
// whether it took them. What failed is kept for another time.
func (s *Store) touchAll(ctx context.Context, take func() []string) bool {
	select {
	case s.touches.turn <- struct{}{}:
		defer func() { <-s.touches.turn }()
	case <-ctx.Done():
		return true
	}
	keys := take()
	defer s.touches.triedAll()
	failpoint.Pass("touch.taken")
	if s.readOnly() {
		return true
	}
	way := s.guard.Traits().Touch
	if way == remote.TouchNever {
		s.touchesSkipped(len(keys))
		return true
	}
	return s.touchEach(ctx, keys, way)
}

// touchEach touches in parallel, up to Jobs at a time where that costs no
// transfer.
func (s *Store) touchEach(ctx context.Context, keys []string, way remote.TouchWay) bool {
	var g errgroup.Group
	g.SetLimit(s.opt.Jobs)
	if way == remote.TouchByPut {
		g.SetLimit(min(resends, s.opt.Jobs))
	}
	var inRow, all atomic.Int64
	for _, key := range keys {
		g.Go(func() error {
			defer s.touches.tried(key)
			switch {
			case s.touches.isStopped():
				s.touchesSkipped(1)
			case inRow.Load() >= touchFailures, ctx.Err() != nil:
				s.touches.keep(key)
			case s.touchRemote(ctx, key, way):
				inRow.Store(0)
			default:
				inRow.Add(1)
				all.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait()
	return all.Load() == 0
}

// touchRemote refreshes one object's time on the remote if it is old enough. It
// reports false when the remote is in trouble.
func (s *Store) touchRemote(ctx context.Context, key string, way remote.TouchWay) bool {
	info, found, err := s.farInfo(ctx, remote.Key(key))
	if err != nil {
		return s.touchFailed(ctx, key, err)
	}
	if !found || s.remoteNow().Sub(info.ModTime) < s.opt.TouchInterval {
		return true
	}
	if way == remote.TouchByPut {
		if !s.isHere(info) {
			s.touchesSkipped(1)
			return true
		}
		s.yield(ctx) // before begin: senders of this key wait for what comes then
	}
	end, ok := s.touching.begin(key)
	if !ok {
		return true
	}
	defer end()
	if s.isOurs(key) || s.names.isRemoved(key) {
		return true
	}
	failpoint.Pass("touch.begun")
	if way == remote.TouchByPut {
		err = s.resend(ctx, info)
	} else {
		err = s.guard.Touch(ctx, info.Key, time.Time{})
	}
	failpoint.Pass("touch.sent")
	switch {
	case err == nil:
		s.touchSent(key)
		s.tellRemoval(key, info.Size) // before end, for which it waits
	case errors.Is(err, errNotHere):
		s.touchesSkipped(1)
	case errors.Is(err, remote.ErrNotExist):
		s.touchMissed(ctx, info)
	default:
		return s.touchFailed(ctx, key, err)
	}
	return true
}

// farInfo tells what the remote has, from the index where there is one, if need
// be after the listing that it begins with; else from what was asked before.
func (s *Store) farInfo(ctx context.Context, key remote.Key) (remote.Info, bool, error) {
	if s.index != nil {
		info, found, ready, listing := s.index.get(key)
		if !ready {
			limited, cancel := context.WithTimeout(ctx, listingWait)
			if listing.wait(limited) == nil {
				info, found, ready, _ = s.index.get(key)
			}
			cancel()
		}
		if ready {
			return info, found, nil
		}
	}
	if s.asked != nil {
		info, ans := s.asked.get(key)
		if ans == unknown {
			info, ans = s.asked.ask(ctx, key)
		}
		if ans != unknown {
			return info, ans == there, nil
		}
	}
	info, err := s.guard.Stat(ctx, key)
	if errors.Is(err, remote.ErrNotExist) {
		return info, false, nil
	}
	return info, err == nil, err
}

func (s *Store) touchSent(key string) {
	s.touches.accepted()
	now := s.remoteNow()
	if s.index != nil {
		s.index.touched(remote.Key(key), now)
	}
	if s.asked != nil {
		s.asked.touched(remote.Key(key), now)
	}
	s.feed.note(newsTouched, remote.Key(key), 0, now)
	s.ledger.note(Event{Kind: EventTouch, Key: key}, func(st *Stats) { st.Touches.Sent++ })
}

// touchMissed acts on an object that is gone, or has other content now: a Put
// with Refresh does not tell these apart.
func (s *Store) touchMissed(ctx context.Context, was remote.Info) {
	now, err := s.guard.Stat(ctx, was.Key)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		s.noteGone(string(was.Key))
	case err == nil && s.index != nil && now.Size != was.Size:
		s.index.put(now)
	default:
		return
	}
	s.changed(string(was.Key))
}

// touchFailed counts and reports whether the remote is all right otherwise. A
// use that it may hear of later is kept.
func (s *Store) touchFailed(ctx context.Context, key string, err error) bool {
	if ctx.Err() != nil {
		s.touches.keep(key)
		return true
	}
	s.ledger.note(Event{}, func(st *Stats) { st.Touches.Failed++ })
	switch {
	case errors.Is(err, remote.ErrUnavailable):
		s.touches.keep(key)
		s.quiet.warn("not touched, will be tried again", "error", err)
		return false
	case errors.Is(err, remote.ErrPermission), errors.Is(err, remote.ErrUnsupported):
		if s.touches.refused() {
			s.log.Warn("the remote refuses to refresh times: it is not asked again before the next mount or outage", "error", err)
		} else {
			s.quiet.warn("not touched", "error", err)
		}
	default:
		s.quiet.warn("not touched", "error", err)
	}
	return true
}

func (s *Store) touchesSkipped(n int) {
	s.ledger.note(Event{}, func(st *Stats) { st.Touches.Skipped += int64(n) })
}

// lastTouches tells the remote of what was used until now, before the store
// ends.
func (s *Store) lastTouches(ctx context.Context) {
	if s.guard.State().Open || ctx.Err() != nil {
		return
	}
	if s.guard.Traits().Touch == remote.TouchByPut {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lastResends)
		defer cancel()
	}
	s.touchAll(ctx, s.touches.takeAll)
}
