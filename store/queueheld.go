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

// anyHeld is one of those, nil if there is none.
func (q *queue) anyHeld() *entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.held {
		return e
	}
	return nil
}

func (q *queue) isHeld(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.held[e.seq] == e
}

// readmit puts a held entry back into its chain, after its file moved back.
// Called with the key lock.
func (q *queue) readmit(e *entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unhold(e)
	q.count++
	q.bytes += e.size
	e.notBefore, e.retried = q.now(), true // new ones first: builds wait for them
	q.chains[e.key] = []*entry{e}
	q.push(e)
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
	q.heldBytes += e.size
	q.answer(e)
	return true
}

// keepHeld takes an entry that the last daemon held, and that stays so.
func (q *queue) keepHeld(e *entry, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq++
	e.seq, e.state, e.reason = q.seq, held, reason
	q.held[e.seq] = e
	q.heldBy[e.key]++
	q.heldBytes += e.size
	q.hide(e.ino, 1)
	q.answer(e)
}

// latest is when the last entry of a key was queued, zero if there is none.
func (q *queue) latest(key string) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if chain := q.chains[key]; len(chain) > 0 {
		return chain[len(chain)-1].queued
	}
	return time.Time{}
}

// unhold takes an entry out of the held ones. Called with mu held.
func (q *queue) unhold(e *entry) {
	delete(q.held, e.seq)
	q.heldBytes -= e.size
	if q.heldBy[e.key]--; q.heldBy[e.key] <= 0 {
		delete(q.heldBy, e.key)
	}
}

// heldSize is the bytes of what is held.
func (q *queue) heldSize() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.heldBytes
}

func (q *queue) heldCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.held)
}

// withdraw takes out the entries of a key that have this file, and returns those
// of the queue and those that were held, to be erased. It says no, and takes out
// nothing, while one of them is being sent.
func (q *queue) withdraw(key string, ino uint64) (queued, aside []*entry, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[key] {
		if e.ino == ino && e.state == sending {
			return nil, nil, false
		}
	}
	for _, e := range slices.Clone(q.chains[key]) {
		if e.ino == ino {
			q.retire(e)
			queued = append(queued, e)
		}
	}
	for _, e := range q.held {
		if e.key == key && e.ino == ino {
			q.unhold(e)
			q.hide(e.ino, -1)
			aside = append(aside, e)
		}
	}
	return queued, aside, true
}

// cancelHeld takes out the held entries of a key and returns them, to be erased.
func (q *queue) cancelHeld(key string) []*entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []*entry
	for _, e := range q.held {
		if e.key == key {
			q.unhold(e)
			q.hide(e.ino, -1)
			out = append(out, e)
		}
	}
	return out
}
