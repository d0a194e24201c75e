package store

import (
	"container/heap"
	"slices"
	"time"
)

// bless lets the signatures that wait for an archive go: ours was sent, with so
// many bytes.
func (q *queue) bless(sig string, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[sig] {
		e.blessed, e.of = true, bytes
		if i := slices.Index(q.ready, e); i >= 0 && e.attempts == 0 {
			e.notBefore = time.Time{}
			heap.Fix(&q.ready, i)
			q.poke()
		}
	}
}

// blessing tells whether a signature's archive was sent while it waited, and the
// size of that in bytes.
func (q *queue) blessing(e *entry) (bytes int64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.of, e.blessed
}

// isBlessed reports whether the last signature of a key is blessed.
func (q *queue) isBlessed(sig string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	chain := q.chains[sig]
	return len(chain) > 0 && chain[len(chain)-1].blessed
}

func (q *queue) isHurried(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.hurried
}

// addedCount is how many entries there were, sent or not.
func (q *queue) addedCount() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.added
}

// endings counts the chains that came to their end.
func (q *queue) endings() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

// condemn takes out the publishes of a signature and returns them, to be erased.
// What is being sent or looked at just now is doomed. Removals stand, whatever
// becomes of the archive: the last one is returned, nil if there is none.
func (q *queue) condemn(sig string) (dropped []*entry, removal *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range slices.Clone(q.chains[sig]) {
		switch {
		case e.op == opRemove:
			removal = e
		case e.state == sending:
			e.doomed = true
		default:
			q.retire(e)
			dropped = append(dropped, e)
		}
	}
	return dropped, removal
}

func (q *queue) isDoomed(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.doomed
}

// park keeps a signature back until its archive is sent, or for some time, and says
// no if the archive has lost. endings is from before it was found that it is not
// sent: if a chain has ended since, it is looked at again.
func (q *queue) park(e *entry, endings uint64, again time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.doomed {
		return false
	}
	if q.ended != endings {
		q.push(e)
		return true
	}
	if again < sigPause { // a build has only begun
		e.reason = ""
	} else {
		e.reason = noArchive
	}
	q.answer(e)
	if again > 0 {
		e.notBefore = q.now().Add(again)
		q.push(e)
		return true
	}
	e.state = parked
	return true
}
