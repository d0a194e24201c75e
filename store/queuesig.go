package store

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

// doom condemns the signatures of a key that are being looked at just now.
func (q *queue) doom(sig string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.chains[sig] {
		e.doomed = true
	}
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
