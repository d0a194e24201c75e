package store

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// Intervals of what the store does by itself.
const (
	roomInterval = 5 * time.Second // watch over quota and free space
	syncInterval = 2 * time.Minute // bring the cache to disk: what a power cut may cost is checked
	saveInterval = 5 * time.Minute // write the index down
)

// housekeep does what is to be done now and then.
func (s *Store) housekeep(ctx context.Context) {
	room, sync, save := time.NewTicker(roomInterval), time.NewTicker(syncInterval), time.NewTicker(saveInterval)
	defer room.Stop()
	defer sync.Stop()
	defer save.Stop()
	delay := firstHeldRetry
	held := time.NewTimer(delay)
	defer held.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-room.C:
			s.makeRoom()
			s.foreseeUsage()
			s.saveLearned()
			s.saveMisses()
			switch again := s.takesAgain.Swap(false); {
			case s.takesHeld.Swap(false):
				s.retryHeld()
			case again:
				s.retryOneHeld()
			}
		case <-sync.C:
			if s.dirty.Load() {
				if err := s.syncCache(); err != nil {
					s.quiet.warn("cache not synced", "error", err)
				}
			}
		case <-save.C:
			s.saveIndex()
			s.tidyBroken()
		case <-held.C:
			if delay = min(2*delay, lastHeldRetry); s.queue.heldCount() == 0 {
				delay = firstHeldRetry
			}
			s.retryHeld()
			held.Reset(delay)
		}
	}
}

func (s *Store) saveIndex() {
	if s.index == nil {
		return
	}
	position := s.feed.position()
	err := s.index.save(s.layout.path("index"))
	if err == nil {
		err = s.feed.save(position)
	}
	if err != nil {
		s.quiet.warn("index not saved", "error", err)
	}
}

// syncCache brings the whole file system of the cache to disk and notes when:
// after a power cut only what changed since needs a check.
func (s *Store) syncCache() error {
	begun := s.now()
	s.dirty.Store(false)
	d, err := os.Open(s.layout.dir)
	if err != nil {
		return err
	}
	defer d.Close()
	failpoint.Pass("sync.begun")
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return err
	}
	failpoint.SyncedAll(s.layout.dir)
	failpoint.Pass("sync.done")
	if s.unclean.Load() {
		return nil // what is to be checked was not synced by the last daemon
	}
	p := s.layout.path("synced")
	if err := os.WriteFile(p, nil, 0o644); err != nil {
		return err
	}
	failpoint.Pass("sync.marking")
	return os.Chtimes(p, begun, begun)
}

// listedCount counts the objects of a remote that is its own index: by its last
// listing, and by what this mount did since.
type listedCount struct {
	mu       sync.Mutex
	objects  int64
	listed   time.Time
	counting bool
}

func (c *listedCount) add(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.objects = max(0, c.objects+n)
}

// Refresh lists all of the remote again and waits for it.
func (s *Store) Refresh(ctx context.Context) (IndexStatus, error) {
	if s.index != nil {
		s.index.distrust(ctx)
	}
	err := s.list(ctx)
	return s.indexStatus(), err
}

// list is Refresh without folders whose time tells that nothing changed.
func (s *Store) list(ctx context.Context) error {
	switch {
	case s.index != nil:
		return s.index.fill(ctx)
	case s.traits.NoList:
		return nil
	}
	return s.count(ctx)
}

// count lists a remote that needs no index, to know how much it holds.
func (s *Store) count(ctx context.Context) error {
	var n int64
	err := s.guard.List(ctx, "", func(i remote.Info) error {
		if _, ok := sstate.ParsePath(string(i.Key)); ok {
			n++
		}
		return nil
	})
	s.counted.mu.Lock()
	defer s.counted.mu.Unlock()
	s.counted.counting = false
	if err == nil {
		s.counted.objects, s.counted.listed = n, s.now()
	}
	return err
}

func (s *Store) indexStatus() IndexStatus {
	if s.index != nil {
		return s.index.status()
	}
	s.counted.mu.Lock()
	defer s.counted.mu.Unlock()
	st := IndexStatus{Objects: s.counted.objects, Complete: !s.counted.listed.IsZero(), Listed: s.counted.listed}
	if !s.counted.counting && s.now().Sub(s.counted.listed) > s.opt.Refresh && s.ctx.Err() == nil && !s.traits.NoList {
		s.counted.counting = true
		s.spawn(func(ctx context.Context) { _ = s.count(ctx) })
	}
	return st
}

// Status describes the store.
func (s *Store) Status() Status {
	var st Status
	st.Remote.URL = s.opt.Remote.String()
	st.Remote.State, st.Remote.Reason, st.Remote.Since = s.remoteState()
	st.Remote.Traits, st.Remote.Abilities = TraitsOf(s.opt.Remote), AbilitiesOf(s.opt.Remote)
	u := s.usage.get()
	st.Cache.Dir, st.Cache.Objects, st.Cache.Bytes = s.opt.Dir, u.Objects, u.Bytes
	st.Cache.LimitBytes, st.Cache.MinFree = s.opt.CacheSize, s.minFree()
	st.Cache.FreeBytes, _ = s.freeBytes()
	st.Queue = s.queueStatus()
	st.Index = s.indexStatus()
	st.Feed = s.feed.status()
	st.ReadOnly, st.Publish, st.Unlink = s.readOnly(), s.opt.Publish, s.opt.Unlink
	st.TouchInterval = s.opt.TouchInterval.Seconds()
	return st
}

// remoteState sums up: offline if the remote does not answer, degraded if
// something does not get there or is doubtful.
func (s *Store) remoteState() (RemoteState, string, time.Time) {
	g := s.guard.State()
	q := s.queue.status()
	switch {
	case g.Open:
		return StateOffline, g.Reason, g.Since
	case q.Held > 0:
		return StateDegraded, "held: " + q.HeldReason, g.Since
	case q.LastErr != "":
		return StateDegraded, q.LastErr, g.Since
	case s.outage.Load():
		return StateDegraded, "remote is slow: publishes are answered before they are sent", g.Since
	case s.index != nil && s.index.doubted():
		return StateDegraded, "the remote lost more than half of its objects at once", g.Since
	}
	return StateOK, "", g.Since
}

func (s *Store) queueStatus() QueueStatus {
	q := s.queue.status()
	q.LimitBytes, q.Failed = s.opt.QueueSize, s.damaged.Load()
	return q
}

// Stats gives the counters and the state of now.
func (s *Store) Stats() Stats {
	st := s.ledger.snapshot()
	st.Queue, st.Index = s.queueStatus(), s.indexStatus()
	u := s.usage.get()
	st.Cache.Objects, st.Cache.Bytes, st.Cache.LimitBytes = u.Objects, u.Bytes, s.opt.CacheSize
	st.Remote.State, _, _ = s.remoteState()
	st.Remote.Errors = s.guard.Errors()
	st.Touches.Pending = s.touches.count()
	return st
}

// snapshotSince is when the mount began: the time of folders that have none.
func (l *ledger) snapshotSince() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats.Since
}

// quiet logs background failures, one line per message and minute.
type quiet struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
}

func newQuiet(log *slog.Logger, now func() time.Time) *quiet {
	return &quiet{log: log, now: now, last: map[string]time.Time{}}
}

func (q *quiet) warn(msg string, args ...any) {
	q.mu.Lock()
	t := q.now()
	recent := t.Sub(q.last[msg]) < time.Minute
	if !recent {
		q.last[msg] = t
	}
	q.mu.Unlock()
	if !recent {
		q.log.Warn(msg, args...)
	}
}
