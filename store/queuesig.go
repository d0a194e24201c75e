package store

import "slices"

// bless lets the signatures that wait for an archive go: ours was sent.
func (q *queue) bless(sig string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[sig] {
		e.blessed = true
	}
}

func (q *queue) isBlessed(e *entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return e.blessed
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

// park keeps a signature back until its archive is sent, and says no if that has
// lost. endings is from before it was found that it is not sent: if a chain has
// ended since, it is looked at again.
func (q *queue) park(e *entry, endings uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.doomed {
		return false
	}
	if q.ended != endings {
		q.push(e)
		return true
	}
	e.state, e.reason = parked, "its archive is not on the remote"
	q.answer(e)
	return true
}
