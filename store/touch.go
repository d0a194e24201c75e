package store

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
)

// touches remembers uses: the times that were set here on objects, and which of
// them the remote should hear of.
type touches struct {
	wake chan struct{} // buffered by one: something has become pending
	back chan struct{} // buffered by one: no reason to rest any more
	turn chan struct{} // holds one thing while a batch is sent

	mu       sync.Mutex
	shown    map[string]shownTimes
	pending  map[string]bool
	taken    map[string]bool // of the batch that is being sent, what the remote has not heard of yet
	refusals int             // of the remote, in a row
	stopped  bool            // it takes no touches, until it comes back from an outage
}

// shownTimes are the times that somebody set on an object through the mount.
type shownTimes struct {
	atime, mtime time.Time
	set          time.Time // when, by the remote's clock
}

// Bounds of memory: past them the oldest knowledge goes, which costs a touch
// too many or shows the remote's time instead of ours.
const (
	maxShown   = 200_000
	maxPending = 500_000
)

func newTouches() *touches {
	return &touches{
		shown: map[string]shownTimes{}, pending: map[string]bool{},
		wake: make(chan struct{}, 1), back: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
}

// show puts the times that count into an object's entry: those set here,
// unless the remote has seen a later use; else the latest known.
func (t *touches) show(e *Entry, far time.Time) {
	t.mu.Lock()
	sh, ok := t.shown[e.Path]
	if ok && far.After(sh.set) {
		delete(t.shown, e.Path)
		ok = false
	}
	t.mu.Unlock()
	switch {
	case ok:
		e.Atime, e.Mtime = sh.atime, sh.mtime
	case far.After(e.Mtime):
		e.Mtime = far
	}
}

func (t *touches) set(key string, sh shownTimes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.shown) >= maxShown {
		for k := range t.shown { // any: there is no better one
			delete(t.shown, k)
			break
		}
	}
	t.shown[key] = sh
}

// forget drops what is known of an object that was replaced or removed.
func (t *touches) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.shown, key)
	delete(t.pending, key)
	delete(t.taken, key)
}

// want asks for the remote to be told of a use.
func (t *touches) want(key string) {
	t.keep(key)
	poke(t.wake)
}

// keep is want without haste: the sender is resting.
func (t *touches) keep(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.pending) < maxPending {
		t.pending[key] = true
	}
}

// isPending tells whether the remote is still to hear of a use.
func (t *touches) isPending(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pending[key] || t.taken[key]
}

// count is the number of uses that the remote is still to hear of.
func (t *touches) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(len(t.pending) + len(t.taken))
}

// revive ends every rest: the remote is another than the one that failed.
func (t *touches) revive() {
	t.mu.Lock()
	t.refusals, t.stopped = 0, false
	t.mu.Unlock()
	poke(t.back)
	poke(t.wake)
}

// refused notes that the remote did not take a touch, and reports whether that
// ends the touching: one that is refused may be a matter of its name or owner.
func (t *touches) refused() (ends bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals++
	ends = !t.stopped && t.refusals >= touchRefusals
	t.stopped = t.stopped || ends
	return ends
}

// accepted notes that the remote took one.
func (t *touches) accepted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refusals = 0
}

func (t *touches) isStopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stopped
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// takeAll hands over what is to be sent.
func (t *touches) takeAll() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make([]string, 0, len(t.pending))
	for k := range t.pending {
		keys = append(keys, k)
	}
	t.taken = t.pending
	t.pending = map[string]bool{} // one that was cleared keeps its memory
	return keys
}

// tried notes that one of what was handed over was sent, or given up, or is kept
// for another time.
func (t *touches) tried(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.taken, key)
}

// triedAll notes that a batch has ended.
func (t *touches) triedAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = nil
}

// Times are what utimensat sets. A nil time stays as it is; Now marks a touch
// without explicit times.
type Times struct {
	Atime, Mtime *time.Time
	Now          bool
}

// SetTimes sets an object's times here and, if that makes it look used, tells
// the remote later. It never fails because of the remote.
func (s *Store) SetTimes(ctx context.Context, key string, t Times) (Entry, error) {
	e, err := s.lookupObject(ctx, key)
	if err != nil {
		return e, err
	}
	if t.Atime != nil {
		e.Atime = *t.Atime
	}
	if t.Mtime != nil {
		e.Mtime = *t.Mtime
	}
	if e.Local {
		ts := []unix.Timespec{unix.NsecToTimespec(e.Atime.UnixNano()), unix.NsecToTimespec(e.Mtime.UnixNano())}
		if err := unix.UtimesNanoAt(unix.AT_FDCWD, s.layout.object(key), ts, unix.AT_SYMLINK_NOFOLLOW); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.quiet.warn("time of cached object not set", "error", err)
		}
	}
	failpoint.Pass("touch.local")
	if t.Mtime == nil && !t.Now {
		return e, nil
	}
	s.misses.touched(key)
	s.touches.set(key, shownTimes{atime: e.Atime, mtime: e.Mtime, set: s.remoteNow()})
	s.ledger.note(Event{}, func(st *Stats) { st.Touches.Local++ })
	if s.now().Sub(e.Mtime) < s.opt.TouchInterval { // an explicit old time is no use
		s.Used(e)
	}
	return e, nil
}

// Used notes that a build uses an object: the remote is told when its own time
// is older than the touch interval.
func (s *Store) Used(e Entry) {
	if e.Nlink <= 1 { // with a second name it may be its publisher's temporary that is touched
		s.ledger.used(e.Path)
	}
	if !s.readOnly() && !s.isOurs(e.Path) {
		s.touches.want(e.Path)
	}
}
