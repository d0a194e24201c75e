package store

import (
	"context"
	"os"
	"syscall"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
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
	if err := s.keepFolder(key); err != nil { // rm -r removes it next, and does not like to find it gone
		return nil, err
	}
	unlock := s.keys.lock(key)
	defer unlock()
	end, err := s.changes.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	var e *entry
	if s.opt.Unlink == UnlinkRemote && !s.readOnly() {
		if e, err = s.queueRemoval(key); err != nil { // before the whiteout: recovery makes that
			return nil, err
		}
	}
	failpoint.Pass("remove.queued")
	if err := s.withRoomFor(func() error { return s.whiteout(key) }); err != nil {
		if e != nil {
			s.queue.erase(e, false)
		}
		return nil, err
	}
	s.fetches.overtake(key)
	failpoint.Pass("remove.hidden")
	s.cancelPublishes(key) // after what a full disk may refuse: they were acknowledged
	failpoint.Pass("remove.cancelled")
	if e != nil {
		s.enqueue(e)
	}
	s.unpin(key)
	s.dropLocal(key)
	failpoint.Pass("remove.dropped")
	s.touches.forget(key)
	s.ledger.note(Event{Kind: EventRemove, Key: key}, func(t *Stats) { t.Removed++ })
	return e, nil
}

// keepFolder makes the folder of an object outlive that, as it does on a disk.
func (s *Store) keepFolder(key string) error {
	dir := parent(key)
	if dir == "" {
		return nil
	}
	return s.makeFolders(dir)
}

// cancelPublishes drops what is queued or held of a key and not on its way.
func (s *Store) cancelPublishes(key string) {
	for _, e := range s.queue.cancel(key) {
		s.queue.erase(e, false)
	}
	for _, e := range s.queue.cancelHeld(key) {
		s.queue.erase(e, true)
	}
}

// queueRemoval records that the remote is to lose a key.
func (s *Store) queueRemoval(key string) (*entry, error) {
	e := &entry{seq: s.queue.nextSeq(), key: key, op: opRemove, queued: s.now(), waited: s.guard.State().Open, tried: make(chan struct{})}
	return e, s.withRoomFor(func() error { return s.queue.record(e, "") })
}

// removalSent takes the whiteout back: the remote has lost the key. A publish
// that came meanwhile has done so already.
func (s *Store) removalSent(e *entry) {
	unlock := s.keys.lock(e.key)
	defer unlock()
	e.over = true
	if s.queue.unsent(e.key) == 0 {
		if !e.newer {
			s.feed.noteGone(remote.Key(e.key), e.begun.Add(s.clockOffset()))
			s.noteGone(e.key)
		}
		failpoint.Pass("remove.sent")
		s.unwhiteout(e.key)
		failpoint.Pass("remove.shown")
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
