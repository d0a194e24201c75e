package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// recover makes a cache directory consistent after whatever ended the last
// daemon. The folders are the journal:
//
//   - scratch of the temporary grammar goes, its writers are dead;
//   - an entry of the queue without its name in objects/ gets it;
//   - the last entry of a key decides: a removal without its whiteout gets it.
//     A publish before it may have come to the remote behind it, and is sent again:
//     what it leaves there is known then, and goes, see tellRemoval;
//   - a signature whose archive was never published goes;
//   - held entries are tried again.
//
// After an unclean stop objects that changed since the last sync are checked
// before they are served or sent, see checkUnclean.
func (s *Store) recover() error {
	if err := s.cleanScratch(); err != nil { // first: it makes room for the others
		return err
	}
	failpoint.Pass("recover.cleaned")
	if err := s.markRunning(); err != nil {
		return err
	}
	failpoint.Pass("recover.running")
	if err := s.loadNames(); err != nil {
		return err
	}
	entries, err := s.readQueue()
	if err != nil {
		return err
	}
	failpoint.Pass("recover.read")
	entries, last := s.dropForsaken(entries)
	for _, e := range entries {
		if last[e.key] == e {
			if err := s.complete(e); err != nil {
				return err
			}
		}
		failpoint.Pass("recover.completed")
		s.enqueue(e)
	}
	return nil
}

// dropForsaken drops signatures whose archives never came. It returns the other
// entries, and the last one of each key.
func (s *Store) dropForsaken(entries []*entry) (left []*entry, last map[string]*entry) {
	last = lastOf(entries)
	for _, e := range entries {
		if !s.isForsaken(e, last) {
			left = append(left, e)
			continue
		}
		s.log.Info("signature dropped: its archive was not published, or did not survive", "key", e.key)
		s.dropLocal(e.key)
		failpoint.Pass("recover.forsaken")
		s.queue.erase(e, false)
	}
	return left, lastOf(left)
}

// lastOf is the last entry of each key.
func lastOf(entries []*entry) map[string]*entry {
	last := make(map[string]*entry, len(entries))
	for _, e := range entries {
		last[e.key] = e
	}
	return last
}

// isForsaken reports whether a signature's archive never came: whoever was
// about to publish it is dead, and the signature would only keep out the next
// one, or be taken for that of another host's archive.
func (s *Store) isForsaken(e *entry, last map[string]*entry) bool {
	if !strings.HasSuffix(e.key, sstate.SideSig) || e.op == opRemove {
		return false
	}
	archive := sstate.ArchivePath(e.key)
	if a := last[archive]; a != nil {
		return a.op == opRemove
	}
	bytes, sig := localID(s.layout.object(archive)), localID(s.queue.path(e, false))
	return bytes == (FileID{}) || bytes.Birth > sig.Birth
}

// markRunning replaces the clean-stop mark by its opposite.
func (s *Store) markRunning() error {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		boot = []byte("unknown")
	}
	p := s.layout.path("running")
	was, err := os.ReadFile(p)
	if err == nil {
		s.unclean.Store(true)
		s.sameBoot = string(was) == string(boot)
		if st, err := os.Stat(s.layout.path("synced")); err == nil {
			s.checkAfter = st.ModTime().Add(-settle)
		}
		s.log.Warn("the last daemon of this cache did not stop cleanly: what changed since its last sync is checked before use")
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if s.unclean.Load() && !s.sameBoot {
		return nil // until all is checked it is that boot which counts
	}
	if err := writeFileAtomic(p, boot); err != nil {
		return err
	}
	return syncFolder(s.layout.dir) // no object may outlive a power cut that the mark does not
}

// checkAll checks what may not have survived the unclean stop, in the
// background. Only then the next stop can be a clean one.
func (s *Store) checkAll(ctx context.Context) {
	waiting := s.checkCached(ctx) // for a sender to find the damage too
	for e := range s.queue.hurry(false) {
		if e.op != opRemove && s.checkUnclean(s.queue.path(e, false), e.key) != nil {
			waiting = true
		}
	}
	if waiting || ctx.Err() != nil {
		return
	}
	failpoint.Pass("recover.checked")
	s.unclean.Store(false)
	s.checked.clear()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		err = writeFileAtomic(s.layout.path("running"), boot)
	}
	if err != nil {
		s.quiet.warn("cache not marked as checked", "error", err)
	}
}

// checkObject is checkUnclean of a cached object, and says which file it was.
func (s *Store) checkObject(key string) (seen FileID, err error) {
	if !s.unclean.Load() {
		return seen, nil
	}
	seen = localID(s.layout.object(key))
	return seen, s.checkUnclean(s.layout.object(key), key)
}

// checkCached checks the cached objects that changed, and sets aside what is
// damaged. It reports whether something must be looked at again.
func (s *Store) checkCached(ctx context.Context) (again bool) {
	check := func(key string) {
		switch seen, err := s.checkObject(key); {
		case err == nil:
		case s.queue.pending(key), !errors.Is(err, errDamaged):
			again = true
		default:
			s.breakObject(key, seen)
			s.changed(key)
		}
	}
	walkObjects(ctx, "", func(folder string) []string {
		return s.layout.readObjects(folder, func(name string, st *unix.Stat_t) {
			if ctx.Err() == nil && !time.Unix(st.Ctim.Unix()).Before(s.checkAfter) {
				check(folder + "/" + name)
			}
		})
	})
	return again
}

// cleanScratch removes what nobody will finish. What cannot be removed stays.
func (s *Store) cleanScratch() error {
	return s.walkScratch(func(rel string, d fs.DirEntry) error {
		if !sstate.IsTemporary(rel) {
			return nil
		}
		if err := removeClosed(s.layout.scratch(rel)); err != nil {
			s.quiet.warn("temporary of a build not removed", "error", err)
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// walkScratch visits what is below scratch/. Users can close their folders, also
// to themselves: what is in such a one is left alone, and keeps no mount from what
// waits in its queue.
func (s *Store) walkScratch(visit func(rel string, d fs.DirEntry) error) error {
	root := s.layout.path("scratch")
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return err
		case err != nil:
			s.quiet.warn("folder of scratch not read", "error", err)
			return nil
		case path == root:
			return nil
		}
		return visit(strings.TrimPrefix(path, root+"/"), d)
	})
}

// removeClosed removes a file, or a folder with folders in it that nobody may
// write to, as archives hold them.
func removeClosed(path string) error {
	if os.RemoveAll(path) == nil {
		return nil
	}
	_ = filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o700) // before it is read; if it fails the removal does
		}
		return nil
	})
	return os.RemoveAll(path)
}

// loadNames fills the sets that mirror folders.
func (s *Store) loadNames() error {
	if err := loadSet(s.layout.path("removed"), s.names.removed, isObject); err != nil {
		return err
	}
	err := s.walkScratch(func(rel string, _ fs.DirEntry) error {
		if isObject(rel) {
			s.names.odd[rel] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := loadSet(s.layout.path("pinned"), s.names.pinned, isObject); err != nil {
		return err
	}
	for key := range s.names.pinned {
		s.queue.hidePinned(localID(s.layout.pinned(key)).Ino, 1)
		if localID(s.layout.object(key)) == (FileID{}) {
			if err := s.place(s.layout.pinned(key), key); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete does the steps of an entry that come after its journal file.
func (s *Store) complete(e *entry) error {
	if e.op == opRemove {
		s.dropLocal(e.key)
		return s.whiteout(e.key)
	}
	s.unwhiteout(e.key)
	from := s.queue.path(e, false)
	if localID(from) == localID(s.layout.object(e.key)) {
		return nil
	}
	return s.place(from, e.key)
}

// checkUnclean checks, once, a file that may not have survived an unclean stop:
// by its checksum if one was noted, else by decoding it to its end. What has
// another format than its name says cannot be decoded, nor can a detached
// signature; it is trusted while the kernel that holds its pages has not
// restarted, and is damaged otherwise.
func (s *Store) checkUnclean(path, key string) error {
	if !s.unclean.Load() {
		return nil
	}
	var st unix.Statx_t
	if err := lstat(path, &st); err != nil {
		return nil // whoever opens it will see
	}
	id := idOf(&st)
	if stamptime(st.Ctime).Before(s.checkAfter) {
		return nil
	}
	if s.checked.has(id) {
		return nil
	}
	err := s.checkFile(path, key)
	if err != nil && !isDamage(err) {
		return err // it could not be read, which says nothing of its content
	}
	if err != nil {
		s.log.Error("object did not survive the unclean stop, it is set aside", "key", key, "error", err)
		s.ledger.note(Event{Kind: EventWarning, Key: key, Message: "damaged, set aside: " + oneLine(err)}, nil)
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	s.checked.add(id)
	return nil
}

// errSum is content with another checksum than was noted.
var errSum = errors.New("checksum differs")

// isDamage tells wrong content from trouble in reading it.
func isDamage(err error) bool {
	return errors.Is(err, errSum) || errors.Is(err, sstate.ErrEmpty) ||
		errors.Is(err, sstate.ErrTruncated) || errors.Is(err, sstate.ErrCorrupt)
}
