package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A build that signs links the signature first and renames its archive over
// whatever is there right after that. A signature follows its archive, so that
// the remote never has the one of other bytes for longer than that takes.
const (
	// sigPause is how long a signature waits for the rename of its archive also
	// when there is an archive already.
	sigPause = 2 * time.Second

	// orphanAge is how long it may wait before it is asked whether the archive
	// that is there is somebody else's, or whether a build was cut off.
	orphanAge = time.Minute

	// strayLook is the time between two looks for an archive that nobody has.
	strayLook = 10 * time.Minute
)

// noArchive is why a signature waits.
const noArchive = "its archive is not on the remote"

// sigFate is what is to become of a signature.
type sigFate int

const (
	sigFollows sigFate = iota // its archive is on the remote
	sigWaits                  // it may come
	sigStrays                 // what is there is of other bytes
)

func isSignature(e *entry) bool {
	return e.op != opRemove && strings.HasSuffix(e.key, sstate.SideSig)
}

// mayFollow reports whether a signature is to be sent now. Otherwise it has seen
// to the entry.
func (s *Store) mayFollow(ctx context.Context, e *entry) bool {
	if s.queue.isDoomed(e) {
		s.takeBack(e)
		return false
	}
	endings := s.queue.endings()
	fate, again := s.fateOf(ctx, e)
	switch fate {
	case sigFollows:
		return true
	case sigWaits:
		if s.queue.park(e, endings, again) {
			return false
		}
	case sigStrays:
		s.log.Info("signature dropped: the archive that is there is another", "key", e.key)
	}
	s.dropEntry(e)
	return false
}

// fateOf tells whether a signature's archive is on the remote with the bytes it
// was made of: nothing of the archive is queued, and either we sent it while the
// signature waited, or the remote has it and it was here before the signature.
// What came later was fetched, and may be anybody's. again is when to ask again, 0
// for when the archive was sent.
func (s *Store) fateOf(ctx context.Context, e *entry) (fate sigFate, again time.Duration) {
	archive := sstate.ArchivePath(e.key)
	if s.queue.pending(archive) {
		return sigWaits, 0
	}
	size, blessed := s.queue.blessing(e)
	if blessed && !s.queue.isLate(e) {
		return sigFollows, 0
	}
	age := s.now().Sub(e.queued)
	if !blessed {
		if age < sigPause && !s.queue.isHurried(e) {
			return sigWaits, sigPause - age
		}
		var st unix.Statx_t
		if lstat(s.layout.object(archive), &st) != nil || idOf(&st).Birth > localID(s.queue.path(e, false)).Birth {
			return s.fateWithout(ctx, archive, age)
		}
		size = int64(st.Size)
	}
	info, err := s.guard.Stat(ctx, remote.Key(archive))
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return s.fateOfMissed(e)
	case err == nil && info.Size != size:
		s.noteFound(info)
		s.changed(archive)
		if !blessed {
			return s.fateWithout(ctx, archive, age) // the rename may still come
		}
		return sigStrays, 0
	case s.queue.pending(archive):
		return sigWaits, 0
	}
	return sigFollows, 0
}

// fateOfMissed is fateOf where the remote has no archive. Some servers show what
// was put a little later.
func (s *Store) fateOfMissed(e *entry) (sigFate, time.Duration) {
	if e.missed.IsZero() {
		e.missed = s.now()
	}
	if left := orphanAge - s.now().Sub(e.missed); left > 0 {
		return sigWaits, left
	}
	return sigStrays, 0
}

// fateWithout is fateOf where the bytes that the signature was made of are not here.
func (s *Store) fateWithout(ctx context.Context, archive string, age time.Duration) (sigFate, time.Duration) {
	switch {
	case age < orphanAge:
		return sigWaits, orphanAge - age
	case s.isVisible(ctx, archive):
		return sigStrays, 0
	}
	return sigWaits, strayLook
}

// takeBack takes from the remote what was sent, or may have been, of a signature
// whose archive has lost meanwhile.
func (s *Store) takeBack(e *entry) {
	key := remote.Key(e.key)
	same, err := s.sameContent(s.ctx, key, s.queue.path(e, false))
	if err == nil && same {
		err = s.guard.Delete(s.ctx, key)
	}
	switch {
	case err == nil, errors.Is(err, remote.ErrNotExist):
	case errors.Is(err, remote.ErrUnavailable):
		s.later(s.ctx, e, err)
		return
	default:
		s.quiet.warn("signature of another archive left on the remote", "key", e.key, "error", err)
	}
	s.dropEntry(e)
}

// dropSignatureOf is dropSignature for what may be an archive.
func (s *Store) dropSignatureOf(key string) {
	if n, ok := sstate.ParsePath(key); ok && n.IsArchive() {
		s.dropSignature(key + sstate.SideSig)
	}
}

// dropSignatureOfCopy is dropSignatureOf for an archive whose copy here is damaged.
// A signature of what was sent whole stays.
func (s *Store) dropSignatureOfCopy(key string) {
	if !s.queue.isBlessed(key + sstate.SideSig) {
		s.dropSignatureOf(key)
	}
}

// dropSignature drops what is queued of a signature whose archive lost, or is
// damaged: it belongs to other bytes. What was removed before it stays hidden.
func (s *Store) dropSignature(sig string) {
	if s.withdrawSignature(sig) {
		s.changed(sig)
	}
}

// withdrawSignature is dropSignature without telling that the name has changed. The
// entries go last: one that remains after a kill is found and dropped again.
func (s *Store) withdrawSignature(sig string) (changed bool) {
	unlock := s.keys.lock(sig)
	defer unlock()
	entries, removal := s.queue.condemn(sig)
	held := s.queue.cancelHeld(sig)
	if len(entries)+len(held) == 0 {
		return false
	}
	if removal != nil && !removal.over {
		if err := s.whiteout(sig); err != nil {
			s.quiet.warn("removed signature shows until the remote has lost it", "key", sig, "error", err)
		}
	}
	s.dropLocal(sig)
	for _, e := range entries {
		s.queue.erase(e, false)
	}
	for _, e := range held {
		s.queue.erase(e, true)
	}
	return true
}

// dropEntry ends a signature that belongs to no archive.
func (s *Store) dropEntry(e *entry) {
	unlock := s.keys.lock(e.key)
	if localID(s.queue.path(e, false)) == localID(s.layout.object(e.key)) {
		s.dropLocal(e.key)
	}
	unlock()
	s.queue.conclude(e)
	s.changed(e.key)
}

// dropCachedSignature drops the signature of an archive whose copy here goes, also
// for another: that of other bytes may have the same size, so that nobody would
// notice. What is not sent yet stays. Called without a key lock.
func (s *Store) dropCachedSignature(key string) {
	if n, ok := sstate.ParsePath(key); !ok || !n.IsArchive() {
		return
	}
	sig := key + sstate.SideSig
	unlock := s.keys.lock(sig)
	gone := !s.isOurs(sig) && s.dropLocal(sig)
	unlock()
	if gone {
		s.changed(sig)
	}
}
