package store

import (
	"sync"
	"time"

	"sstatefs/sstate"
)

// ledger counts what happens and tells listeners.
type ledger struct {
	now func() time.Time

	mu        sync.Mutex
	stats     Stats // counters only
	recent    map[lookupKey]time.Time
	swept     time.Time
	listeners map[*Listener]bool
}

type lookupKey struct {
	key string
	hit bool
}

// lookupWindow is how long a second lookup of the same archive is not counted:
// the kernel asks once or five times for what is one question of a build.
const lookupWindow = 10 * time.Minute

func newLedger(now func() time.Time) *ledger {
	l := &ledger{now: now, recent: map[lookupKey]time.Time{}, listeners: map[*Listener]bool{}}
	l.stats.Since = now()
	l.stats.Lookups.ByTask = map[string]TaskCount{}
	l.stats.Lookups.ByRecipe = map[string]TaskCount{}
	return l
}

// lookup counts a hit or a miss of an archive. Companions do not count.
func (l *ledger) lookup(key string, hit bool) {
	n, ok := sstate.ParsePath(key)
	if !ok || !n.IsArchive() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.now()
	k := lookupKey{key, hit}
	if last, ok := l.recent[k]; ok && t.Sub(last) < lookupWindow {
		return
	}
	l.sweep(t)
	l.recent[k] = t
	task, recipe := l.stats.Lookups.ByTask[n.Task], l.stats.Lookups.ByRecipe[n.PN]
	if hit {
		l.stats.Lookups.Hit++
		task.Hit++
		recipe.Hit++
		l.tell(Event{Kind: EventHit, Key: key})
	} else {
		l.stats.Lookups.Miss++
		task.Miss++
		recipe.Miss++
		l.tell(Event{Kind: EventMiss, Key: key})
	}
	l.stats.Lookups.ByTask[n.Task] = task
	l.stats.Lookups.ByRecipe[n.PN] = recipe
}

// sweep forgets lookups that are out of the window. Called with mu held.
func (l *ledger) sweep(t time.Time) {
	if t.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = t
	for k, last := range l.recent {
		if t.Sub(last) >= lookupWindow {
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
	s.Lookups.ByTask = copyCounts(s.Lookups.ByTask)
	s.Lookups.ByRecipe = copyCounts(s.Lookups.ByRecipe)
	return s
}

func copyCounts(m map[string]TaskCount) map[string]TaskCount {
	c := make(map[string]TaskCount, len(m))
	for k, v := range m {
		c[k] = v
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
