package store

import (
	"maps"
	"slices"
	"time"
)

// heldEntries are those to be tried again.
func (q *queue) heldEntries() []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Values(q.held))
}

// readmit puts a held entry back into its chain, after its file moved back. It
// says no when a newer entry of the key has taken its place meanwhile.
func (q *queue) readmit(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held[e.seq] != e {
		return false
	}
	q.unhold(e)
	q.count++
	q.bytes += e.size
	e.notBefore = time.Time{}
	q.chains[e.key] = []*entry{e}
	q.push(e)
	return true
}

// hold moves an entry to the held ones. It says no when a newer entry of the
// key is there: tried again later the old one would undo it.
func (q *queue) hold(e *entry, reason string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chains[e.key]) > 1 {
		return false
	}
	q.remove(e)
	e.state, e.reason = held, reason
	e.attempts++
	q.held[e.seq] = e
	q.heldBy[e.key]++
	q.answer(e)
	return true
}

// unhold takes an entry out of the held ones. Called with mu held.
func (q *queue) unhold(e *entry) {
	delete(q.held, e.seq)
	if q.heldBy[e.key]--; q.heldBy[e.key] <= 0 {
		delete(q.heldBy, e.key)
	}
}

func (q *queue) heldCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held)
}
