package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// Delays between tries of one entry: doubling, with jitter, while others go on.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// lateRemoval is the age from which a removal first looks whether the object was
// published anew, also if it has only waited for its turn.
const lateRemoval = time.Minute

// dispatch hands entries of the queue to at most Jobs senders.
func (s *Store) dispatch(ctx context.Context) {
	slots := semaphore.NewWeighted(int64(s.opt.Jobs))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if slots.Acquire(ctx, 1) != nil {
			return
		}
		e, wait := s.nextEntry(ctx, timer)
		if e == nil {
			slots.Release(1)
			if wait < 0 {
				return
			}
			continue
		}
		s.spawn(func(ctx context.Context) {
			defer slots.Release(1)
			s.send(ctx, e)
		})
	}
}

// nextEntry waits for something to send. A negative time ends the dispatcher.
func (s *Store) nextEntry(ctx context.Context, timer *time.Timer) (*entry, time.Duration) {
	var wait time.Duration
	if st := s.guard.State(); st.Open {
		wait = -1 // remoteChanged wakes us
	} else {
		var e *entry
		if e, wait = s.queue.take(); e != nil {
			return e, 0
		}
	}
	var due <-chan time.Time
	if wait >= 0 {
		timer.Reset(wait)
		due = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, -1
	case <-s.queue.wake:
	case <-due:
	}
	return nil, 0
}

// send tries one entry once and decides what becomes of it.
func (s *Store) send(ctx context.Context, e *entry) {
	if isSignature(e) && !s.mayFollow(ctx, e) {
		return
	}
	err := s.perform(ctx, e)
	switch {
	case err == nil:
		s.sent(e)
	case errors.Is(err, remote.ErrExist):
		s.lost(ctx, e, err)
	case errors.Is(err, remote.ErrUnavailable):
		s.later(ctx, e, err)
	case errors.Is(err, errDamaged):
		s.setAside(e, err)
	case errors.Is(err, remote.ErrPermission), errors.Is(err, remote.ErrUnsupported):
		s.refused(ctx, e, err)
	default:
		s.later(ctx, e, err)
	}
}

// perform does what the entry asks of the remote.
func (s *Store) perform(ctx context.Context, e *entry) error {
	key := remote.Key(e.key)
	if err := s.touching.wait(ctx, e.key); err != nil {
		return err
	}
	if e.op == opRemove {
		if e.newer = s.queue.isLate(e) && s.isNewer(ctx, e); e.newer {
			return nil
		}
		e.begun = s.now()
		return s.guard.Delete(ctx, key)
	}
	path := s.queue.path(e, false)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: gone from the queue: %w", path, errDamaged)
	}
	if err := s.checkUnclean(path, e.key); err != nil {
		return err
	}
	failpoint.Pass("send.checked")
	src := &source{path: path, size: e.size}
	opt := remote.PutOptions{Create: e.op == opCreate}
	err := s.guard.Put(ctx, key, src, opt)
	if errors.Is(err, remote.ErrExist) {
		err = s.settleExist(ctx, e, err)
		e.met = err == nil
	}
	failpoint.Pass("send.put")
	if err == nil && src.sum != "" {
		unlock := s.keys.lock(e.key) // set looks whose content the key is
		s.sums.set(path, e.key, src.sum)
		unlock()
	}
	return err
}

// isNewer reports whether the remote's object came after its removal was asked
// for: another host has published it anew while the remote was away.
func (s *Store) isNewer(ctx context.Context, e *entry) bool {
	info, err := s.guard.Stat(ctx, remote.Key(e.key))
	if err != nil || !info.ModTime.After(e.queued.Add(s.clockOffset())) || !info.ModTime.After(e.was) {
		return false
	}
	s.noteFound(info)
	s.warn(e.key, "not removed from the remote: it was published anew since")
	return true
}

// settleExist decides what a create means that found the key taken. It is ours
// after all if the bytes are (a try that a crash cut off); an empty archive is
// worth nothing and is replaced; else exist stands. What cannot be found out is
// for later: who gives way by mistake loses the only good copy.
func (s *Store) settleExist(ctx context.Context, e *entry, exist error) error {
	key, path := remote.Key(e.key), s.queue.path(e, false)
	info, err := s.guard.Stat(ctx, key)
	if errors.Is(err, remote.ErrNotExist) {
		return fmt.Errorf("%w: came and went", remote.ErrUnavailable)
	}
	if err != nil {
		return err
	}
	if s.worthless(info) {
		return s.guard.Put(ctx, key, &source{path: path, size: e.size}, remote.PutOptions{})
	}
	_, blessed := s.queue.blessing(e) // a signature whose archive there is ours
	same := false
	if info.Size == e.size {
		if same, err = s.sameContent(ctx, key, path); err != nil {
			return err
		}
	}
	switch {
	case same:
		return nil
	case blessed:
		return s.guard.Put(ctx, key, &source{path: path, size: e.size}, remote.PutOptions{}) // it is of other bytes
	}
	return exist
}

// sent ends an entry that the remote has.
func (s *Store) sent(e *entry) {
	s.outage.Store(false)
	if s.queue.isDoomed(e) {
		s.takeBack(e)
		return
	}
	if e.op == opRemove {
		s.removalSent(e)
		if e.newer {
			s.changed(e.key)
		}
	} else {
		s.queue.bless(e.key+sstate.SideSig, e.size)
		s.tellRemoval(e.key, e.size)
		now := s.remoteNow()
		at := s.timeOfSent(e, now)
		s.noteOnRemote(remote.Info{Key: remote.Key(e.key), Size: e.size, ModTime: at})
		s.feed.note(newsPut, remote.Key(e.key), e.size, now)
		s.ledger.note(Event{Kind: EventSend, Key: e.key, Bytes: e.size}, func(st *Stats) {
			st.Sent.Objects++
			st.Sent.Bytes += e.size
		})
	}
	failpoint.Pass("send.noted")
	s.queue.conclude(e)
	failpoint.Pass("send.concluded")
	s.takesAgain.Store(true)
	if e.retried { // not a new one only
		s.takesHeld.Store(true)
	}
}

// timeOfSent is the remote's time of what an entry put there. What an earlier try
// put, or another host long ago, has its own, and is touched if that is due.
func (s *Store) timeOfSent(e *entry, now time.Time) time.Time {
	if e.op == opCreate && (e.met || e.attempts > 0) {
		if info, err := s.guard.Stat(s.ctx, remote.Key(e.key)); err == nil {
			s.touches.want(e.key)
			return info.ModTime
		}
	}
	return now
}

// tellRemoval tells a removal that waits for a put or a touch of ours what that
// left on the remote: it came after the removal was asked for, and is what is to
// go. The next daemon reads it off the time of the removal's file.
func (s *Store) tellRemoval(key string, size int64) {
	e := s.queue.removal(key)
	if e == nil {
		return
	}
	info, err := s.guard.Stat(s.ctx, remote.Key(key))
	if err != nil || info.Size != size {
		return
	}
	e.was = info.ModTime
	if t := info.ModTime.Add(-s.clockOffset()); t.After(e.queued) {
		if err := os.Chtimes(s.queue.path(e, false), t, t); err != nil {
			s.quiet.warn("time of a removal not noted", "error", err)
		}
	}
	failpoint.Pass("send.told")
}

// lost ends a create whose key somebody else took first. Theirs counts from
// now on, and is touched lest a cleaner takes what a build just needed. It is
// known before ours goes: the name must not be a miss in between.
func (s *Store) lost(ctx context.Context, e *entry, lostTo error) {
	info, err := s.guard.Stat(ctx, remote.Key(e.key))
	if err != nil { // came and went, or cannot be asked
		s.later(ctx, e, errors.Join(lostTo, err))
		return
	}
	s.noteOnRemote(info)
	failpoint.Pass("send.lost")
	unlock := s.keys.lock(e.key)
	if s.queue.unsent(e.key) == 0 {
		s.dropLocal(e.key)
	}
	unlock()
	failpoint.Pass("send.gaveway")
	s.dropSignatureOf(e.key)
	s.touches.want(e.key)
	s.queue.conclude(e)
	s.changed(e.key)
}

// refused holds an entry that the remote does not want, unless the remote as a
// whole is refused to us: then it is offline and the entry waits.
func (s *Store) refused(ctx context.Context, e *entry, err error) {
	if s.guard.State().Open || s.guard.ProbeNow(ctx) != nil {
		s.later(ctx, e, err)
		return
	}
	if s.queue.moveHeld(e, true) != nil {
		s.later(ctx, e, err)
		return
	}
	s.quiet.warn("remote refuses objects, they are held", "error", err)
	s.ledger.note(Event{Kind: EventWarning, Key: e.key, Message: "not sent, held: " + oneLine(err)}, nil)
	if !s.queue.hold(e, oneLine(err)) { // a newer one of the key follows
		s.queue.erase(e, true)
		s.queue.finish(e)
	}
}

// later keeps an entry for another try.
func (s *Store) later(ctx context.Context, e *entry, err error) {
	if ctx.Err() == nil {
		s.quiet.warn("not sent, will be tried again", "error", err)
		if e.attempts == 0 {
			s.ledger.note(Event{Kind: EventWarning, Key: e.key, Message: "not sent, will be tried again: " + oneLine(err)}, nil)
		}
	}
	delay := min(lastRetry, firstRetry<<min(e.attempts, 10))
	s.queue.retry(e, delay/2+rand.N(delay/2), oneLine(err))
}

// setAside ends an entry whose content is damaged or gone.
func (s *Store) setAside(e *entry, err error) {
	s.log.Error("object set aside, it will not be sent", "key", e.key, "error", err)
	s.damaged.Add(1)
	s.ledger.note(Event{Kind: EventWarning, Key: e.key, Message: oneLine(err)}, nil)
	unlock := s.keys.lock(e.key)
	path := s.queue.path(e, false)
	current := localID(path) == localID(s.layout.object(e.key))
	if current {
		s.breakLocal(e.key, path)
	}
	unlock()
	if current {
		s.dropSignatureOf(e.key)
	}
	s.queue.conclude(e)
	s.changed(e.key)
}

// oneLine is an error's text for a status line.
func oneLine(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
