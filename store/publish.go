package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// publishing is one publish on its way through its steps.
type publishing struct {
	from  string // a local file outside objects/; scratch by fdPath, whatever becomes of its name
	key   string
	name  sstate.Name
	force bool // rename: what has the name is replaced
}

// publish gives the content of a local file an object's name, here at once and
// on the remote soon. The entry is nil when nothing is to be sent. The caller
// removes the old name, if that is what it wants, and then awaits the entry.
//
// Errors: EEXIST when the name is taken and may not be replaced, EPERM when
// --unlink=refuse forbids that; EIO for an empty archive, which BitBake survives and an empty object would not let it;
// ENOSPC when the queue is full; ENOTCONN when the store is closed.
func (s *Store) publish(ctx context.Context, p publishing) (*entry, error) {
	before := localID(s.layout.object(p.key))
	_, err := s.lookupObject(ctx, p.key)
	exists := err == nil || p.force && s.isForgotten(ctx, p.key)
	if exists && p.name.Side == sstate.SideSig && s.isOrphan(ctx, p.key) {
		s.awaitTries(ctx, p.key)
		if s.isOrphan(ctx, p.key) {
			s.dropSignature(p.key) // of a build that was cut off; it must not keep out the next
			before, exists = FileID{}, false
		}
	}
	if exists && !p.force {
		return nil, errExist
	}
	if exists && s.opt.Unlink == UnlinkRefuse {
		return nil, errRefused // to replace is to remove
	}
	var st unix.Statx_t
	if err := statFrom(p.from, &st); err != nil {
		return nil, err
	}
	if st.Size == 0 && p.name.IsArchive() {
		s.warn(p.key, "an empty archive is not published")
		return nil, syscall.EIO
	}
	if err := s.roomInQueue(ctx, p, int64(st.Size)); err != nil {
		return nil, err
	}
	s.makeRoom()
	s.sums.distrust(p.from, st.Nlink) // before the sync, which brings attributes to disk too
	if p.name.Side == sstate.SideSig {
		s.sums.noteOpaque(p.from)
	}
	if err := s.syncForDurability(p.from); err != nil {
		return nil, err
	}
	failpoint.Pass("publish.synced")
	unlock := s.keys.lock(p.key)
	defer unlock()
	end, err := s.changes.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	now := localID(s.layout.object(p.key))
	quicker := now != (FileID{}) && now != before // another publisher was; a copy that went was trimmed
	switch {
	case quicker && !p.force:
		return nil, errExist
	case quicker && s.opt.Unlink == UnlinkRefuse:
		return nil, errRefused
	}
	return s.commit(p, s.opOf(p, exists || quicker), &st)
}

// opOf is what a publish does to the remote.
func (s *Store) opOf(p publishing, exists bool) op {
	switch {
	case p.force && exists, s.names.wasCorrupt(p.key):
		return opReplace
	case s.names.isRemoved(p.key) && s.opt.Unlink == UnlinkRemote:
		return opReplace // also if the remote would not let go of the old one
	}
	return opCreate
}

// isForgotten reports whether the remote has a key that the saved index does not
// know: what a daemon that was killed had published last, and trimmed. Taken for
// absent, its replacement would give way to it.
func (s *Store) isForgotten(ctx context.Context, key string) bool {
	if s.names.isRemoved(key) || !s.isRemembered(key) {
		return false
	}
	info, ans := s.askRemote(ctx, key)
	if ans == there {
		s.noteFound(info)
	}
	return ans == there
}

// isOrphan reports whether a signature waits for an archive that is not there, and
// is not about to come.
func (s *Store) isOrphan(ctx context.Context, sig string) bool {
	archive := sstate.ArchivePath(sig)
	return s.queue.pending(sig) && s.now().Sub(s.queue.latest(sig)) >= orphanAge && !s.queue.pending(archive) && !s.isVisible(ctx, archive)
}

// awaitTries waits until no entry of a key is on its first try, at most a
// second: a signature without its archive is looked at and put aside at once.
func (s *Store) awaitTries(ctx context.Context, key string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for _, tried := range s.queue.firstTries(key) {
		select {
		case <-tried:
		case <-ctx.Done():
		}
	}
}

// roomInQueue refuses archives that would overfill the queue. Signatures are
// small, and a failing rename would fail the build. Of a signed archive it refuses
// the detached signature, with which a build begins: the archive itself is renamed.
func (s *Store) roomInQueue(ctx context.Context, p publishing, size int64) error {
	if s.readOnly() || p.force {
		return nil
	}
	announces := p.name.Side == sstate.SideSig && !s.isVisible(ctx, sstate.ArchivePath(p.key))
	if !p.name.IsArchive() && !announces {
		return nil
	}
	if queued := s.queue.size(); queued+size > s.opt.QueueSize {
		s.warn(p.key, fmt.Sprintf("queue is full (%d bytes wait for the remote): not published", queued))
		return syscall.ENOSPC
	}
	// What was refused blocks nobody, as long as it leaves the disk its room.
	if kept := s.queue.size() + s.queue.heldSize(); kept+size > max(s.opt.QueueSize, s.opt.CacheSize) {
		s.warn(p.key, fmt.Sprintf("cache is full of what the remote does not take (%d bytes): not published", kept))
		return syscall.ENOSPC
	}
	return nil
}

// commit makes the names: first in the queue, then in objects/. Recovery
// completes the second. Called with the key lock.
func (s *Store) commit(p publishing, o op, st *unix.Statx_t) (*entry, error) {
	if s.readOnly() {
		return nil, s.pin(p, st)
	}
	e := &entry{
		seq: s.queue.nextSeq(), key: p.key, op: o, size: int64(st.Size), ino: st.Ino,
		queued: s.now(), tried: make(chan struct{}),
	}
	defer s.queue.change(st.Ino)()
	if err := s.withRoomFor(func() error { return s.queue.record(e, p.from) }); err != nil {
		return nil, err
	}
	failpoint.Pass("publish.queued")
	if err := s.withRoomFor(func() error { return s.place(p.from, p.key) }); err != nil {
		s.queue.erase(e, false)
		return nil, err
	}
	failpoint.Pass("publish.placed")
	s.syncNames(s.queue.path(e, false), s.layout.dir)
	s.syncNames(s.layout.object(p.key), s.layout.dir)
	failpoint.Pass("publish.named")
	s.eraseWhiteout(p.key)
	s.enqueue(e)
	s.committed(p.key, int64(st.Size))
	failpoint.Pass("publish.committed")
	return e, nil
}

// pin is commit under --read-only: the name in pinned/ is for ever.
func (s *Store) pin(p publishing, st *unix.Statx_t) error {
	record := s.layout.pinned(p.key)
	old := localID(record)
	if err := s.recordPin(p.from, record); err != nil {
		return err
	}
	failpoint.Pass("pin.recorded")
	if err := s.withRoomFor(func() error { return s.place(p.from, p.key) }); err != nil {
		// The next mount makes an object of the record: not of what was refused.
		if old == (FileID{}) {
			os.Remove(record)
		} else if e := s.recordPin(s.layout.object(p.key), record); e != nil {
			s.quiet.warn("refused content will show at the next mount", "key", p.key, "error", e)
		}
		return err
	}
	failpoint.Pass("pin.placed")
	s.syncNames(record, s.layout.dir)
	s.syncNames(s.layout.object(p.key), s.layout.dir)
	if old != (FileID{}) {
		s.queue.hidePinned(old.Ino, -1)
	}
	s.names.setPinned(p.key, true)
	s.queue.hidePinned(st.Ino, 1)
	s.committed(p.key, int64(st.Size))
	return nil
}

// recordPin makes record a second name of from.
func (s *Store) recordPin(from, record string) error {
	return s.withRoomFor(func() error {
		tmp := s.temporary()
		if err := link(from, tmp); err != nil {
			return err
		}
		defer os.Remove(tmp)
		return withFolders(record, func() error { return os.Rename(tmp, record) })
	})
}

// committed notes that a key has new content here.
func (s *Store) committed(key string, size int64) {
	if s.names.isOdd(key) {
		if err := s.removeScratch(key); err != nil {
			s.quiet.warn("scratch under an object's name not removed", "error", err)
		}
		s.names.setOdd(key, false)
	}
	s.unwhiteout(key)
	s.fetches.overtake(key)
	s.touches.forget(key)
	s.dirty.Store(true)
	s.misses.published(key)
	s.ledger.note(Event{Kind: EventPublish, Key: key, Bytes: size}, func(t *Stats) {
		t.Published.Objects++
		t.Published.Bytes += size
	})
}

// enqueue hands an entry to the senders.
func (s *Store) enqueue(e *entry) {
	for _, old := range s.queue.add(e) {
		s.queue.erase(old, true)
	}
}

// place makes from's inode the one at objects/KEY, whatever was there.
func (s *Store) place(from, key string) (err error) {
	var st unix.Statx_t
	if err := statFrom(from, &st); err != nil {
		return err
	}
	s.sums.drop(key) // before: a crash must not leave it beside other content
	s.usage.change(key, func() (objects, bytes int64) {
		var old unix.Statx_t
		if old, err = s.linkOver(from, s.layout.object(key)); err != nil {
			return 0, 0
		}
		if old.Nlink > 0 {
			return 0, int64(st.Size) - int64(old.Size)
		}
		return 1, int64(st.Size)
	})
	if err == nil {
		s.sums.drop(key)
	}
	return err
}

// linkOver makes dst a second name of from. old is what had that name, without
// a link if nothing had.
func (s *Store) linkOver(from, dst string) (old unix.Statx_t, err error) {
	if err = linkInto(from, dst); !errors.Is(err, os.ErrExist) {
		return old, err
	}
	_ = lstat(dst, &old)
	tmp := s.temporary()
	if err = link(from, tmp); err == nil {
		failpoint.Pass("publish.replacing")
		err = withFolders(dst, func() error { return os.Rename(tmp, dst) })
		os.Remove(tmp) // rename leaves it when both were one inode already
	}
	return old, err
}

// temporary is a new name in fetch/.
func (s *Store) temporary() string {
	return s.layout.path("fetch", fmt.Sprintf("%d", s.serial.Add(1)))
}

// await waits until the remote has an entry, in through mode: no longer than
// the first try takes, PublishTimeout, or the caller's patience. Whoever has
// waited in vain waits for all: until something is sent the others are answered
// at once.
func (s *Store) await(ctx context.Context, e *entry) {
	if e == nil || s.opt.Publish != PublishThrough || s.outage.Load() || s.guard.State().Open {
		return
	}
	if n, ok := sstate.ParsePath(e.key); ok && n.Side == ".sig" {
		return // it waits for its archive, which is published after it
	}
	t := time.NewTimer(s.opt.PublishTimeout)
	defer t.Stop()
	select {
	case <-e.tried:
	case <-ctx.Done():
	case <-s.ctx.Done():
	case <-t.C:
		s.outage.Store(true)
		s.quiet.warn("remote too slow, publishes are answered before they are sent", "waited", s.opt.PublishTimeout)
	}
}

// syncForDurability brings content to disk if --durability asks for it.
func (s *Store) syncForDurability(path string) error {
	if s.opt.Durability != DurabilityData {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	failpoint.Synced(path)
	return nil
}

// syncNames brings the names above path, up to root, to disk.
func (s *Store) syncNames(path, root string) {
	if s.opt.Durability != DurabilityData {
		return
	}
	for d := filepath.Dir(path); len(d) >= len(root); d = filepath.Dir(d) {
		if err := syncFolder(d); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.quiet.warn("sync", "error", err)
		}
	}
}

// localID identifies the file at path, zero if there is none.
func localID(path string) FileID {
	var st unix.Statx_t
	if lstat(path, &st) != nil {
		return FileID{}
	}
	return idOf(&st)
}

// warn tells people and listeners something about an object, once each.
func (s *Store) warn(key, message string) {
	s.log.Warn(message, "key", key)
	s.ledger.note(Event{Kind: EventWarning, Key: key, Message: message}, nil)
}
