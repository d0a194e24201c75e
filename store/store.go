package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// Store is one cache directory in front of one remote. Its methods may be
// called from any number of goroutines.
type Store struct {
	opt    Options
	layout layout
	log    *slog.Logger
	now    func() time.Time
	guard  *remote.Guard
	traits remote.Traits

	lockFile *os.File
	holders  atomic.Int32 // of lockFile, besides the store
	changes  changes
	scratch  *os.File // O_PATH, of scratch/: see spot
	sums     sums
	keys     *keyLocks
	queue    *queue
	ledger   *ledger
	misses   *misses
	usage    *usage
	patience *patience
	index    *index // nil when the remote is its own index or cannot list
	asked    *asked // nil unless it cannot list
	feed     *feed  // nil unless hosts tell each other what they do
	counted  listedCount
	touches  *touches
	touching touching
	fetches  fetches
	names    names
	quiet    *quiet
	free     freeSpace
	serial   atomic.Uint64 // for names in fetch/
	learned  string        // what CACHE/learned holds
	uid, gid uint32

	// checkAfter is set after an unclean stop: objects changed since then are
	// checked before they are served or sent. sameBoot tells that only the
	// daemon died, not the kernel.
	checkAfter time.Time
	unclean    atomic.Bool // until all of that has been checked
	sameBoot   bool
	checked    checked // in this run
	dirty      atomic.Bool
	damaged    atomic.Int64

	// outage is set when a publisher has waited its PublishTimeout in vain;
	// until something is sent nobody waits again.
	outage atomic.Bool

	// takesAgain is set when something was sent: what is held may go too.
	takesAgain atomic.Bool

	takesHeld atomic.Bool // what was held has been sent

	onChange atomic.Pointer[func(path string)]

	ctx    context.Context // of the background work: the store is its owner
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed sync.Once
	left   Left
}

// readOnly reports whether nothing may be sent.
func (s *Store) readOnly() bool { return s.opt.ReadOnly || s.traits.ReadOnly }

// Open takes the cache directory, completes what a crash left unfinished and
// starts the background work. ctx bounds only the opening. The remote belongs
// to the Store, which closes it in the end, also after an error, if it is an
// io.Closer.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	o.SharedMount = o.SharedMount && os.Getuid() == 0 // an ordinary user's files are his, whoever may look
	s := &Store{
		opt: o, layout: layout{o.Dir}, log: o.Logger, now: o.Now, traits: o.Remote.Traits(),
		keys: newKeyLocks(), ledger: newLedger(o.Now), usage: newUsage(),
		patience: newPatience(o.LookupPatience, o.Now), quiet: newQuiet(o.Logger, o.Now),
		uid: uint32(os.Getuid()), gid: uint32(os.Getgid()),
	}
	s.misses = newMisses(s.layout.path("misses"), o.Now)
	s.queue = newQueue(s.layout, o.Now)
	s.touches = newTouches()
	s.free.batch = trimBatch
	s.touching.keys = map[string]chan struct{}{}
	s.fetches.running = map[string]*fetch{}
	s.names = newNames()
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.openCache(); err != nil {
		s.cancel()
		s.scratch.Close() // which takes none too
		s.lockFile.Close()
		return nil, errors.Join(err, s.closeRemote())
	}
	s.guard = remote.NewGuard(o.Remote, o.Guard)
	s.guard.Watch(s.remoteChanged)
	if err := s.misses.load(); err != nil {
		s.quiet.warn("record of misses not read", "error", err)
	}
	s.openIndex()
	s.announce()
	s.start()
	if ctx.Err() != nil {
		_, err := s.Close(ctx)
		return nil, errors.Join(ctx.Err(), err)
	}
	return s, nil
}

// openCache does everything about the cache directory that can fail.
func (s *Store) openCache() error {
	if err := os.MkdirAll(s.opt.Dir, 0o755); err != nil {
		return fmt.Errorf("cache %s: %w", s.opt.Dir, err)
	}
	if err := errors.Join(s.layout.checkOwners(s.uid), s.seclude()); err != nil {
		return err
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	var err error
	if s.lockFile, err = s.layout.lock(s.opt.Owner); err != nil {
		return err
	}
	if err := s.layout.make(); err != nil {
		return fmt.Errorf("cache %s: %w", s.opt.Dir, err)
	}
	if s.scratch, err = os.OpenFile(s.layout.path("scratch"), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0); err != nil {
		return fmt.Errorf("cache %s: %w", s.opt.Dir, err)
	}
	s.sums.layout = s.layout
	s.roomToStart(s.ctx)
	if s.sums.xattrs, err = s.layout.probe(); err != nil {
		return err
	}
	if err := s.layout.writeFormat(identity{remote: s.opt.Remote.String(), root: s.traits.Identity}); err != nil {
		return err
	}
	s.learned = s.layout.readLearned()
	s.saveLearned()
	s.recallUsage()
	return s.recover()
}

// openIndex prepares the index, or the memory of what was asked, if this remote
// needs one.
func (s *Store) openIndex() {
	if s.traits.CheapStat {
		s.openFeed()
		return
	}
	if s.traits.NoList {
		s.asked = newAsked(s)
		return
	}
	s.index = &index{
		list: s.guard.List, folders: s.guard.Folders, perFolder: s.traits.ListPerFolder, refresh: s.opt.Refresh, now: s.now, farNow: s.farNow,
		onDelta: s.indexChanged, spawn: s.spawn, jobs: s.listings(), shards: map[string]*shard{}, dict: newDictionary(),
		filling: &listing{done: make(chan struct{})}, most: mostIndexed,
	}
	s.openFeed()
	err := s.index.load(s.layout.path("index"))
	if err != nil {
		s.quiet.warn("index not loaded", "error", err)
	}
	s.feed.load(err == nil && !s.wasCutOff())
}

// listings is how many requests fill the index at a time. Where each covers one
// folder there are tens of thousands, and most of each is the way there and
// back.
func (s *Store) listings() int {
	const perFolder = 5 // times the transfers: 80 by default
	if s.traits.ListPerFolder {
		return perFolder * s.opt.Jobs
	}
	return s.opt.Jobs
}

// start begins the background work.
func (s *Store) start() {
	s.spawn(s.dispatch)
	s.spawn(s.housekeep)
	s.spawn(s.sendTouches)
	if s.unclean.Load() {
		s.spawn(s.checkAll)
	}
	s.spawn(func(ctx context.Context) {
		if err := s.usage.scan(ctx, s.layout); err != nil && ctx.Err() == nil {
			s.quiet.warn("cache not counted", "error", err)
		}
	})
	s.spawn(func(ctx context.Context) {
		if s.feed.resume(ctx) {
			return
		}
		if err := s.list(ctx); err != nil && ctx.Err() == nil {
			s.quiet.warn("remote not listed", "error", err)
		}
	})
	if s.feed != nil {
		s.spawn(s.feed.run)
	}
}

// spawn runs background work that Close waits for.
func (s *Store) spawn(fn func(ctx context.Context)) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		fn(s.ctx)
	}()
}

// OnChange sets what is called when the store changes what a name means by
// itself: an object came, went or was replaced elsewhere. The call must not
// block, and may ask the store: no key is locked meanwhile. It is not called for
// what the caller of a method did.
func (s *Store) OnChange(fn func(path string)) { s.onChange.Store(&fn) }

func (s *Store) changed(key string) {
	if fn := s.onChange.Load(); fn != nil {
		(*fn)(key)
	}
}

// remoteChanged hears of the guard's breaker.
func (s *Store) remoteChanged(st remote.State) {
	e := Event{Kind: EventRemote, State: StateOK, Message: st.Reason}
	if st.Open {
		e.State = StateOffline
		s.queue.delay()
		s.log.Warn("remote is offline: lookups answer from what is known, publishes are kept", "reason", st.Reason)
	} else {
		s.log.Info("remote is back")
		s.queue.hurry(false)
		s.touches.revive()
		if s.index != nil && s.ctx.Err() == nil {
			s.index.wake()
		}
	}
	s.ledger.note(e, nil)
}

// Close sends what it can until ctx is done, then stops all work and leaves
// the cache to the next, unless somebody holds it (Hold). It returns what was not
// sent; from when that is counted, publishes and removals are refused (ENOTCONN).
// Later calls return the same.
func (s *Store) Close(ctx context.Context) (Left, error) {
	var err error
	s.closed.Do(func() {
		s.left, err = s.sendLast(ctx)
		s.lastTouches(ctx)
		if errors.Is(err, ctx.Err()) {
			err = nil // what is left says it
		}
		s.cancel()
		wait, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		gerr := s.guard.Close(wait)
		if errors.Is(gerr, context.DeadlineExceeded) {
			s.log.Warn("calls of the remote still hang: they end with this process", "error", gerr)
			gerr = nil // what is left says what it cost
		}
		s.wg.Wait()
		s.ledger.close()
		err = errors.Join(err, gerr, s.closeCache(), s.closeRemote(), s.unlock())
	})
	return s.left, err
}

// closeGrace is how long Close waits for calls that a dead remote keeps; they
// end with the process.
const closeGrace = 2 * time.Second

// closeCache saves the index, brings the cache to disk and leaves the
// clean-stop mark.
func (s *Store) closeCache() error {
	s.lastUsage()
	s.queue.dropShared()
	s.saveLearned()
	s.saveMisses()
	s.saveIndex() // what it does not hold can be asked again
	s.feed.close()
	err := s.syncCache()
	if s.unclean.Load() || err != nil {
		return err // the next start checks, or goes on checking
	}
	failpoint.Pass("stop.synced")
	if e := os.Remove(s.layout.path("running")); err == nil && !errors.Is(e, os.ErrNotExist) {
		err = e
	}
	failpoint.Pass("stop.marked")
	return err
}

// errno for rules of this package that have a POSIX name.
const (
	errExist    = syscall.EEXIST
	errNotExist = syscall.ENOENT
)

// Indexed reports whether names are answered from an index, which tells
// OnChange what it learns; otherwise the remote is asked for each.
func (s *Store) Indexed() bool { return s.index != nil }
