package store

import "time"

// What the remote refused for good, and is tried again now and then.

// Held entries are tried again after firstHeldRetry, doubling to hourly.
const (
	firstHeldRetry = time.Minute
	lastHeldRetry  = time.Hour
)

// retryHeld gives all held entries another try.
func (s *Store) retryHeld() {
	for _, e := range s.queue.heldEntries() {
		s.readmit(e)
	}
}

// retryOneHeld gives one of the held entries another try, any of them: the remote
// takes other objects, which may mean nothing for these.
func (s *Store) retryOneHeld() {
	if e := s.queue.anyHeld(); e != nil {
		s.readmit(e)
	}
}

// readmit gives a held entry another try, unless somebody else has, or its key was
// published or removed meanwhile: both have the key lock. What cannot be moved
// stays held.
func (s *Store) readmit(e *entry) {
	unlock := s.keys.lock(e.key)
	defer unlock()
	if !s.queue.isHeld(e) {
		return
	}
	if err := s.queue.moveHeld(e, false); err != nil {
		s.quiet.warn("held object cannot be moved back", "key", e.key, "error", err)
		return
	}
	s.queue.readmit(e)
}
