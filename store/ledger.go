package store

import (
	"hash/maphash"
	"strings"
	"sync"
	"time"

	"sstatefs/sstate"
)

// ledger counts what happens and tells listeners.
type ledger struct {
	now func() time.Time

	seed maphash.Seed

	mu        sync.Mutex
	stats     Stats // counters only
	byTask    map[string]*TaskCount
	byRecipe  map[string]*TaskCount
	recent    map[lookupID]int64 // when it was counted, ns since 1970
	swept     time.Time
	listeners map[*Listener]bool
}

// lookupID is an archive that was found, or was missed, by the hash of its key:
// a build has thousands, and nothing in them for the garbage collector to follow.
type lookupID struct {
	key uint64
	hit bool
}

// lookupWindow is how long a second lookup of the same archive is not counted:
// the kernel asks once or five times for what is one question of a build.
const lookupWindow = 10 * time.Minute

func newLedger(now func() time.Time) *ledger {
	return &ledger{
		now: now, seed: maphash.MakeSeed(), stats: Stats{Since: now()},
		byTask: map[string]*TaskCount{}, byRecipe: map[string]*TaskCount{},
		recent: map[lookupID]int64{}, listeners: map[*Listener]bool{},
	}
}

// used counts a hit of an archive. Companions do not count. What is touched again
// and again is known without a look at its name.
func (l *ledger) used(key string) {
	if strings.HasSuffix(key, sstate.SideSiginfo) || l.isCounted(lookupID{maphash.String(l.seed, key), true}) {
		return
	}
	if n, ok := sstate.ParsePath(key); ok && n.IsArchive() {
		l.lookup(key, &n, true)
	}
}

// isCounted reports whether a lookup was counted so lately that this one is not.
func (l *ledger) isCounted(id lookupID) bool {
	t := l.now().UnixNano()
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.recent[id]
	return ok && t-last < int64(lookupWindow)
}

// lookup counts a hit or a miss of an archive, whose name is n.
func (l *ledger) lookup(key string, n *sstate.Name, hit bool) {
	id := lookupID{maphash.String(l.seed, key), hit}
	t := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, ok := l.recent[id]; ok && t.UnixNano()-last < int64(lookupWindow) {
		return
	}
	l.sweep(t)
	l.recent[id] = t.UnixNano()
	kind, all := EventMiss, &l.stats.Lookups.Miss
	if hit {
		kind, all = EventHit, &l.stats.Lookups.Hit
	}
	*all++
	countOf(l.byTask, n.Task).add(hit)
	countOf(l.byRecipe, n.PN).add(hit)
	if len(l.listeners) > 0 {
		l.tell(Event{Kind: kind, Key: key})
	}
}

// countOf finds or makes a counter. The name is a part of a path, which is not
// to stay in memory for it.
func countOf(m map[string]*TaskCount, name string) *TaskCount {
	c := m[name]
	if c == nil {
		c = &TaskCount{}
		m[strings.Clone(name)] = c
	}
	return c
}

func (c *TaskCount) add(hit bool) {
	if hit {
		c.Hit++
	} else {
		c.Miss++
	}
}

// sweep forgets lookups that are out of the window. Called with mu held.
func (l *ledger) sweep(t time.Time) {
	if t.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = t
	for k, last := range l.recent {
		if t.UnixNano()-last >= int64(lookupWindow) {
			delete(l.recent, k)
		}
	}
}

// note changes counters and tells an event, if it has a kind.
func (l *ledger) note(e Event, count func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if count != nil {
		count(&l.stats)
	}
	if e.Kind != "" {
		l.tell(e)
	}
}

// tell hands an event to whoever listens; who is too slow loses it. Called
// with mu held.
func (l *ledger) tell(e Event) {
	e.Time = l.now()
	for li := range l.listeners {
		if li.lost > 0 {
			select {
			case li.c <- Event{Time: e.Time, Kind: EventLost, Count: li.lost}:
				li.lost = 0
			default:
			}
		}
		select {
		case li.c <- e:
		default:
			li.lost++
			l.stats.EventsLost++
		}
	}
}

// snapshot copies the counters.
func (l *ledger) snapshot() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Lookups.ByTask = copyCounts(l.byTask)
	s.Lookups.ByRecipe = copyCounts(l.byRecipe)
	return s
}

func copyCounts(m map[string]*TaskCount) map[string]TaskCount {
	c := make(map[string]TaskCount, len(m))
	for k, v := range m {
		c[k] = *v
	}
	return c
}

// Listener receives events until it is closed.
type Listener struct {
	l    *ledger
	c    chan Event
	lost int64 // guarded by ledger.mu
}

// Listen starts a listener that may fall buffer events behind before it loses
// some; it is told how many with an EventLost.
func (s *Store) Listen(buffer int) *Listener {
	li := &Listener{l: s.ledger, c: make(chan Event, max(2, buffer))}
	s.ledger.mu.Lock()
	s.ledger.listeners[li] = true
	s.ledger.mu.Unlock()
	return li
}

// C is where the events come. It is closed by Close, and when the store ends.
func (li *Listener) C() <-chan Event { return li.c }

// Lost gives the event for what was lost since all that waits in C, once. Without
// a call it comes with the next event; there may be none for hours.
func (li *Listener) Lost() (Event, bool) {
	li.l.mu.Lock()
	defer li.l.mu.Unlock()
	if li.lost == 0 || len(li.c) > 0 {
		return Event{}, false
	}
	e := Event{Time: li.l.now(), Kind: EventLost, Count: li.lost}
	li.lost = 0
	return e, true
}

// Close ends the listener. It may be called twice.
func (li *Listener) Close() {
	li.l.mu.Lock()
	defer li.l.mu.Unlock()
	if li.l.listeners[li] {
		delete(li.l.listeners, li)
		close(li.c)
	}
}

// close ends all listeners.
func (l *ledger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for li := range l.listeners {
		delete(l.listeners, li)
		close(li.c)
	}
}
