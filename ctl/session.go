package ctl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"sstatefs/store"
)

// lazyWait is how long a lazy unmount waits to see whether the mount ends at
// once, as it does when nobody uses it.
const lazyWait = time.Second

// endWait is how long an unmount waits for the end of a mount that the kernel has
// let go of: requests that nobody waits for any more may be under way.
const endWait = 10 * time.Second

// Store is what a Session needs of a store.Store.
type Store interface {
	Status() store.Status
	Stats() store.Stats
	Flush(ctx context.Context, progress func(store.QueueStatus)) (store.Left, error)
	Refresh(ctx context.Context) (store.IndexStatus, error)
	Trim(ctx context.Context) (store.TrimResult, error)
	Verify(ctx context.Context, progress func(store.VerifyResult)) (store.VerifyResult, error)
	Warm(ctx context.Context, keys []string, o store.WarmOptions, progress func(store.WarmResult)) (store.WarmResult, error)
	Close(ctx context.Context) (store.Left, error)
}

// Mount is what a Session needs of an fs.Mount.
type Mount interface {
	Wait()              // until it is unmounted, by anybody
	Unmount() error     // EBUSY when in use
	UnmountLazy() error // detach now, whoever uses it
	Passthrough() bool
}

// Session is one running mount from the answer of the kernel to the end of the
// store. Make it with NewSession.
type Session struct {
	store Store
	mount Mount
	info  MountInfo
	place TableEntry // the mount in the kernel's table, its path alone if it is not there
	table func() (Table, error)
	users func(mount TableEntry) []User
	wait  time.Duration // endWait
	gone  chan struct{} // closed when the kernel has let go of the mount
	ended chan struct{} // closed when the store is closed
	wg    sync.WaitGroup

	ending   sync.Mutex // held while a mount is being detached, one at a time
	detached bool       // by us; guarded by ending

	mu       sync.Mutex // guards what follows
	phase    Phase
	cleaning func() CleanStatus // nil for a mount that does not clean

	closing sync.Once
	hurry   func()        // ends the draining of Close
	hurried chan struct{} // closed by hurry
	left    store.Left    // left and err are set before ended closes
	err     error
}

// NewSession begins to watch a mount that answers.
func NewSession(s Store, m Mount, info MountInfo) *Session {
	session := &Session{
		store: s, mount: m, info: info, place: placeOf(info.Mountpoint), phase: PhaseMounted,
		table: ReadTable, users: Users, wait: endWait,
		gone: make(chan struct{}), ended: make(chan struct{}), hurried: make(chan struct{}),
	}
	session.hurry = sync.OnceFunc(func() { close(session.hurried) })
	session.wg.Go(func() {
		m.Wait()
		session.setPhase(PhaseDetached)
		close(session.gone)
	})
	return session
}

// placeOf finds a mount of ours in the kernel's table.
func placeOf(mountpoint string) TableEntry {
	if table, err := ReadTable(); err == nil {
		if e, mounted := table.At(mountpoint); mounted && e.Ours() {
			return e
		}
	}
	return TableEntry{Mountpoint: mountpoint}
}

// Gone is closed when the mount is, whoever unmounted it.
func (s *Session) Gone() <-chan struct{} { return s.gone }

// Ended is closed when Close has run to its end.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Status tells the state of the mount and its store.
func (s *Session) Status() Status {
	s.mu.Lock()
	phase := s.phase
	s.mu.Unlock()
	return Status{
		Mount: MountStatus{
			MountInfo:     s.info,
			Phase:         phase,
			Passthrough:   s.mount.Passthrough(),
			UptimeSeconds: time.Since(s.info.Since).Seconds(),
		},
		Clean:  s.cleanStatus(),
		Status: s.store.Status(),
	}
}

// Flush sends what is queued and waits for it, at most timeout. Time that ran
// out is no error: Left tells what is not sent.
func (s *Session) Flush(
	ctx context.Context, timeout time.Duration, progress func(Progress),
) (store.Left, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	progress(Progress{Queue: s.store.Status().Queue}) // the store asks the remote first, which may take its time
	left, err := s.store.Flush(limited, func(q store.QueueStatus) { progress(Progress{Queue: q}) })
	if ctx.Err() != nil {
		return left, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return left, err
}

// Detach takes the mount away. When it is in use, policy decides; with
// BusyRefuse that is an *Error of KindBusy. used tells that it is in use and
// detached all the same. One that was detached before is left to its users, and
// whatever is mounted at the mountpoint by now to its own.
func (s *Session) Detach(policy BusyPolicy) (used bool, err error) {
	s.ending.Lock()
	defer s.ending.Unlock()
	if s.isGone() {
		return false, nil
	}
	if named, err := s.isNamed(); err != nil || !named {
		return !named, err
	}
	err = s.mount.Unmount()
	if errors.Is(err, syscall.EBUSY) {
		if policy == BusyRefuse {
			return false, busyError(s.info.Mountpoint, s.users(s.place))
		}
		used, err = true, s.mount.UnmountLazy()
	}
	if err != nil && !s.isGone() {
		return used, fmt.Errorf("unmount %s: %w", s.info.Mountpoint, err)
	}
	s.detached = true
	return used, nil
}

// isNamed tells whether an unmount of the mountpoint would be one of this mount.
// The error tells of another on top of it.
func (s *Session) isNamed() (bool, error) {
	if s.detached || s.place.Connection == 0 {
		return !s.detached, nil
	}
	table, err := s.table()
	if err != nil {
		return false, err
	}
	top, _ := table.At(s.place.Mountpoint)
	if s.place.isSame(top) {
		return true, nil
	}
	if slices.ContainsFunc(table, s.place.isSame) {
		return true, coveredError(s.place.Mountpoint, top.Type)
	}
	return false, nil // others have detached it
}

// Close ends the store: it sends what is left until the ctx of any caller is
// done. All calls give the same answer.
func (s *Session) Close(ctx context.Context) (store.Left, error) {
	stop := context.AfterFunc(ctx, s.hurry)
	defer stop()
	s.closing.Do(func() { s.wg.Go(s.closeStore) })
	<-s.ended
	return s.left, s.err
}

func (s *Session) closeStore() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.wg.Go(func() {
		select {
		case <-s.hurried:
			cancel()
		case <-ctx.Done():
		}
	})
	s.left, s.err = s.store.Close(ctx)
	close(s.ended)
}

// Wait waits for what the Session started. It returns when the mount is gone
// and Close, if called, is done.
func (s *Session) Wait() { s.wg.Wait() }

// Unmount ends the mount as a command asked for it: what is queued is sent
// while the mount still works, then it is detached, then the store is closed.
// A mount that is in use and is to be refused stays as it was. If it turns out
// only then that it is mounted once more elsewhere, it has no name here any more,
// and the daemon serves on.
func (s *Session) Unmount(
	ctx context.Context, o UnmountRequest, progress func(Progress),
) (UnmountResult, error) {
	result := UnmountResult{Mountpoint: s.info.Mountpoint}
	if o.Busy == BusyRefuse && !s.isGone() {
		// Before a long drain, and seen without trying: a try would succeed.
		if users := s.users(s.place); len(users) > 0 {
			return result, busyError(s.info.Mountpoint, users)
		}
	}
	deadline := time.Now().Add(time.Duration(o.DrainTimeout))
	left, err := s.Drain(ctx, time.Duration(o.DrainTimeout), progress)
	result.Left = left
	if err != nil {
		return result, err
	}
	used, err := s.Detach(o.Busy)
	if err != nil {
		s.setPhase(PhaseMounted)
		return result, err
	}
	wait := s.wait
	if used { // it was detached before: nothing ends just now
		wait = lazyWait
	}
	switch {
	case o.Busy == BusyLazy && !s.goneWithin(lazyWait):
		return result, nil
	case o.Busy == BusyRefuse && !s.goneWithin(wait):
		s.setPhase(PhaseMounted)
		return result, keptError(s.info.Mountpoint)
	}
	// The mount is gone, or is to go: from here a caller that hangs up changes nothing.
	closing, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	result.Left, err = s.Close(closing)
	result.Ended = true
	return result, err
}

// Drain is Flush in the phase of that name, before a Detach. When it fails the
// mount stays mounted.
func (s *Session) Drain(
	ctx context.Context, timeout time.Duration, progress func(Progress),
) (store.Left, error) {
	s.setPhase(PhaseDraining)
	left, err := s.Flush(ctx, timeout, progress)
	if err != nil {
		s.setPhase(PhaseMounted)
	}
	return left, err
}

// setPhase notes a phase; one that is detached stays so.
func (s *Session) setPhase(p Phase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase != PhaseDetached {
		s.phase = p
	}
}

func (s *Session) isGone() bool { return s.goneWithin(0) }

func (s *Session) goneWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.gone:
		return true
	default:
	}
	select {
	case <-s.gone:
		return true
	case <-timer.C:
		return false
	}
}
