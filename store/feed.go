package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"sstatefs/remote"
)

// feed is how the mounts of a site tell each other what they did to the remote
// they share, so that nobody needs to list all of it to hear of a few objects:
// a million are a thousand requests, of every host and minute.
//
// Each mount that has sent, touched or removed something writes one small
// object, a part, at most twice in --refresh, into a folder of the remote for
// the present five minutes (feedname.go). A refresh of the index lists the
// folders of the time since the last, and reads the parts that it has not read.
// Where they are many, whoever comes first makes a bundle of them (feedbundle.go)
// which the others read instead.
//
// # No news is missed
//
// A reader keeps the parts it has read by name, not by time, and lists a slot
// until slotLate after its end. A writer looks at the time that the remote gave
// to its part, adds how long the put took, and writes the part once more where
// that is later than half of slotLate after the slot's end. So the clocks of
// hosts do not matter, and that of the remote only where it stamps objects
// differently from its answers by more than 45 s. A bundle names the parts it
// holds; it replaces none. What cannot be read makes a listing of all due.
//
// News count by when they happened, as each host knows the remote's clock: to
// some seconds. Where an object came and went within that the remote is asked
// (feedunsure.go).
//
// # What it does not tell
//
// Other tools write no parts, nor do older versions and commands that work on
// the remote itself: their changes are found by the listing of all, every
// --relist. An object that is gone all the same is ENOENT when it is opened.
// What a host has sent and not told is in its journal (feedjournal.go) and told
// by the next mount of the same cache directory.
type feed struct {
	guard    *remote.Guard
	index    *index // nil: nothing is read
	journal  *journal
	mute     func() bool                                     // it may not tell
	ask      func(ctx context.Context, key remote.Key) error // has the remote tell the index of an object
	now      func() time.Time
	farNow   func() (time.Time, bool)
	warn     func(msg string, args ...any)
	interval time.Duration // between two parts
	relist   time.Duration

	reading chan struct{} // held by who reads
	telling chan struct{} // held by who tells

	mu       sync.Mutex
	valid    bool // the index holds what the remote held at from, or later
	from     slot // all before were read to their end
	seen     map[slot]map[uint64]bool
	waits    map[slot]time.Time // since when parts wait for somebody's bundle
	lacking  time.Time          // since when parts that are listed cannot be had, zero if all can
	lacks    int                // how many this reading could not have
	removed  map[remote.Key]int64
	unsure   map[remote.Key]time.Time // of which the remote is to be asked
	asking   bool                     // it is asked
	listed   time.Time                // when the last listing of all began
	tried    time.Time                // when one was started that was due
	spoiltAt time.Time                // when something could not be read last: one that began before is not enough
	relisted bool                     // it is running
	refused  string                   // why the feed cannot be read
	counts   FeedCounts
}

var (
	// errNoFeedYet: nothing is known that the feed could add to.
	errNoFeedYet = errors.New("not listed since the feed begins")
	// errFeedWaits: parts wait for a bundle that another host makes.
	errFeedWaits = errors.New("the change feed is being bundled")
	// errFeedRefused: the feed cannot be used on this remote, or not now.
	errFeedRefused = errors.New("the change feed cannot be read")
)

// mostRemoved bounds the removals that are remembered, lest older news bring
// the objects back.
const mostRemoved = 1 << 16

// spoiltPause is the time between two listings of all that are due because
// something of the feed could not be read, or because the last one failed.
const spoiltPause = time.Hour

func (s *Store) openFeed() {
	dir := s.layout.path("feed")
	if !s.opt.Feed || s.traits.NoList {
		os.RemoveAll(dir) // nobody would hear of it
		return
	}
	j, err := openFeedJournal(dir)
	if err != nil {
		s.quiet.warn("record for the change feed not kept", "error", err)
	}
	spread := 0.8 + 0.4*rand.Float64() // hosts that began together must not list together
	s.feed = &feed{
		guard: s.guard, index: s.index, journal: j, mute: s.readOnly, ask: s.hearRemote, now: s.now, farNow: s.farNow, warn: s.quiet.warn,
		interval: s.opt.Refresh / 2, relist: time.Duration(float64(s.opt.Relist) * spread),
		reading: make(chan struct{}, 1), telling: make(chan struct{}, 1),
		seen: map[slot]map[uint64]bool{}, waits: map[slot]time.Time{}, removed: map[remote.Key]int64{}, unsure: map[remote.Key]time.Time{},
	}
	if s.index != nil {
		s.index.feed = s.feed
	}
}

// note writes down what this host did. A nil feed has nobody to tell.
func (f *feed) note(op byte, key remote.Key, size int64, t time.Time) {
	if f == nil || f.mute() || !isObject(string(key)) {
		return
	}
	at := t.UnixNano()
	if f.index != nil {
		f.mu.Lock()
		at = max(at, f.removed[key]) // what follows a removal is not before it
		f.mu.Unlock()
	}
	f.journal.add(news{op, key, stamp{max(size, 0), at}})
}

// noteGone is note for a removal that began at t. It is called before the index
// forgets the object: one that is known from about that time or later was perhaps
// heard of while it was under way, and the remote is asked.
func (f *feed) noteGone(key remote.Key, t time.Time) {
	if f == nil || f.mute() || !isObject(string(key)) {
		return
	}
	if at := t.UnixNano(); f.index != nil {
		st, known := f.index.at(key)
		f.mu.Lock()
		f.remember(key, at)
		if known && st.mtime >= at-int64(feedBlur) {
			f.doubt(key)
		}
		f.mu.Unlock()
	}
	f.note(newsGone, key, 0, t)
}

// remember keeps a removal. Called with mu held.
func (f *feed) remember(key remote.Key, t int64) {
	if len(f.removed) < mostRemoved {
		f.removed[key] = max(t, f.removed[key])
	}
}

// mark is the time from which a listing of all that begins now knows all.
func (f *feed) mark() time.Time {
	if f == nil {
		return time.Time{}
	}
	return f.now()
}

// listedAll notes that a listing of all has ended, and when it began.
func (f *feed) listedAll(begun time.Time) {
	if f == nil {
		return
	}
	now, known := f.farNow()
	if !known {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listed, f.tried = begun, time.Time{}
	if !f.valid {
		f.from = slotAt(now.Add(begun.Sub(f.now()) - slotLate))
		f.valid, f.seen = true, map[slot]map[uint64]bool{}
	}
}

// refresh hears what others did. An error that is errNoFeedYet or
// errFeedRefused says that listing has to do.
func (f *feed) refresh(ctx context.Context) error {
	if f == nil {
		return errFeedRefused
	}
	f.mu.Lock()
	valid := f.valid
	f.mu.Unlock()
	if !valid {
		return errNoFeedYet
	}
	err := f.read(ctx)
	if err == nil && f.wantsListing() {
		f.index.spawn(func(ctx context.Context) {
			if err := f.index.fill(ctx); err != nil && ctx.Err() == nil {
				f.warn("remote not listed", "error", err)
			}
			f.mu.Lock()
			f.relisted = false
			f.mu.Unlock()
		})
	}
	return err
}

// wantsListing reports whether a listing of all is due. Who asks makes it.
func (f *feed) wantsListing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	age := now.Sub(f.listed)
	if f.relisted || age < min(f.relist, spoiltPause) || age < f.relist && !f.isSpoilt() || now.Sub(f.tried) < spoiltPause {
		return false
	}
	f.relisted, f.tried = true, now
	return true
}

// isSpoilt reports whether something could not be read that a listing has not
// made up for. Called with mu held.
func (f *feed) isSpoilt() bool { return !f.spoiltAt.IsZero() && !f.spoiltAt.Before(f.listed) }

// isIdle reports whether the feed was not read for so long that it should be
// looked at before it is out of reach.
func (f *feed) isIdle() bool {
	const long = 6 * time.Hour
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.valid && f.index != nil && f.now().Sub(f.counts.Heard) > long
}

// run tells and keeps up until the store ends.
func (f *feed) run(ctx context.Context) {
	for sleep(ctx, f.interval/2+rand.N(f.interval), nil) {
		f.tell(ctx)
		f.settle()
		if f.isIdle() {
			_ = f.read(ctx)
		}
	}
}

// status tells what became of the feed; nil if there is none.
func (f *feed) status() *FeedStatus {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	st := &FeedStatus{FeedCounts: f.counts, Reads: f.valid, Listed: f.listed, Problem: f.refused}
	f.mu.Unlock()
	st.Untold = f.journal.untold()
	st.Waiting = f.journal.waiting()
	return st
}

// FeedCounts are what a mount did with the change feed. The JSON keys are
// stable.
type FeedCounts struct {
	Heard   time.Time `json:"heard"`   // when all that others told was last known, zero if never
	News    int64     `json:"news"`    // changes by others that were read
	Parts   int64     `json:"parts"`   // objects of the feed that were read
	Told    int64     `json:"told"`    // own changes that others were told
	Bundles int64     `json:"bundles"` // that this mount made
	Spoilt  int64     `json:"spoilt"`  // objects of the feed that could not be read
}

// FeedStatus is FeedCounts with what is so now. The JSON keys are stable.
type FeedStatus struct {
	FeedCounts
	Reads   bool      `json:"reads"`   // refreshes hear of changes instead of listing
	Listed  time.Time `json:"listed"`  // when the last listing of all began, zero if not known
	Waiting bool      `json:"waiting"` // own changes are to be told
	Untold  int64     `json:"untold"`  // own changes that others will find by listing only
	Problem string    `json:"problem,omitempty"`
}
