package store

import (
	"context"
	"os"
	"syscall"
)

// removeObject takes an object away, as --unlink says: for everybody, only
// here, or not at all. The entry is nil when nothing is to be sent.
func (s *Store) removeObject(ctx context.Context, key string) (*entry, error) {
	if _, err := s.lookupObject(ctx, key); err != nil {
		return nil, err
	}
	if s.opt.Unlink == UnlinkRefuse {
		return nil, syscall.EPERM
	}
	// The folder outlives its last object, as it does on a disk: rm -r removes it
	// next, and does not like to find it gone.
	if dir := parent(key); dir != "" {
		if err := os.MkdirAll(s.layout.scratch(dir), 0o775); err != nil {
			return nil, err
		}
	}
	unlock := s.keys.lock(key)
	defer unlock()
	s.cancelPublishes(key)
	var e *entry
	if s.opt.Unlink == UnlinkRemote && !s.readOnly() {
		var err error
		if e, err = s.queueRemoval(key); err != nil { // before the whiteout: recovery makes that
			return nil, err
		}
	}
	if err := s.whiteout(key); err != nil {
		return nil, err
	}
	if e != nil {
		s.enqueue(e)
	}
	s.unpin(key)
	s.dropLocal(key)
	s.touches.forget(key)
	s.ledger.note(Event{Kind: EventRemove, Key: key}, func(t *Stats) { t.Removed++ })
	return e, nil
}

// cancelPublishes drops what is queued of a key and not on its way.
func (s *Store) cancelPublishes(key string) {
	for _, e := range s.queue.cancel(key) {
		s.queue.erase(e, false)
	}
}

// queueRemoval records that the remote is to lose a key.
func (s *Store) queueRemoval(key string) (*entry, error) {
	e := &entry{seq: s.queue.nextSeq(), key: key, op: opRemove, queued: s.now(), tried: make(chan struct{})}
	p := s.queue.path(e, false)
	err := withFolders(p, func() error {
		f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	})
	return e, err
}

// removalSent takes the whiteout back: the remote has lost the key. A publish
// that came meanwhile has done so already.
func (s *Store) removalSent(e *entry) {
	unlock := s.keys.lock(e.key)
	defer unlock()
	if s.queue.unsent(e.key) == 0 {
		s.noteGone(e.key)
		s.unwhiteout(e.key)
	}
}

// unpin takes back that an object is only here.
func (s *Store) unpin(key string) {
	if !s.names.isPinned(key) {
		return
	}
	p := s.layout.pinned(key)
	id := localID(p)
	if os.Remove(p) == nil {
		pruneParents(p, s.layout.path("pinned"))
		s.queue.hidePinned(id.Ino, -1)
	}
	s.names.setPinned(key, false)
}
