package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// recover makes a cache directory consistent after whatever ended the last
// daemon. The folders are the journal:
//
//   - scratch of the temporary grammar goes, its writers are dead;
//   - an entry of the queue without its name in objects/ gets it;
//   - the last entry of a key decides: a removal without its whiteout gets it;
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
	last := map[string]*entry{}
	for _, e := range entries {
		s.queue.pass(e.seq)
		last[e.key] = e
	}
	for _, e := range entries {
		if s.isForsaken(e, last) {
			s.log.Info("signature dropped: its archive was not published, or did not survive", "key", e.key)
			s.queue.erase(e, false)
			failpoint.Pass("recover.forsaken")
			s.dropLocal(e.key)
			continue
		}
		switch newest := last[e.key]; {
		case newest == e:
			if err := s.complete(e); err != nil {
				return err
			}
		case newest.op == opRemove: // sent now it would look like somebody else's, and stay
			s.queue.erase(e, false)
			continue
		}
		failpoint.Pass("recover.completed")
		s.enqueue(e)
	}
	return nil
}

// isForsaken reports whether a signature's archive never came: whoever was
// about to publish it is dead, and the signature would only keep out the next
// one, or be taken for that of another host's archive.
func (s *Store) isForsaken(e *entry, last map[string]*entry) bool {
	if !strings.HasSuffix(e.key, sstate.SideSig) || e.op == opRemove {
		return false
	}
	archive := sstate.ArchivePath(e.key)
	if a := last[archive]; a != nil && a.op != opRemove {
		return false
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
	waiting := false // for a sender to find the damage too
	for _, c := range s.listCached(ctx) {
		if ctx.Err() != nil {
			return
		}
		switch err := s.checkUnclean(s.layout.object(c.key), c.key); {
		case err == nil:
		case s.queue.pending(c.key), !errors.Is(err, errDamaged):
			waiting = true
		default:
			s.breakObject(c.key)
			s.changed(c.key)
		}
	}
	for _, e := range s.queue.hurry() {
		if e.op != opRemove && s.checkUnclean(s.queue.path(e, false), e.key) != nil {
			waiting = true
		}
	}
	if waiting || ctx.Err() != nil {
		return
	}
	failpoint.Pass("recover.checked")
	s.unclean.Store(false)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		err = writeFileAtomic(s.layout.path("running"), boot)
	}
	if err != nil {
		s.quiet.warn("cache not marked as checked", "error", err)
	}
}

// cleanScratch removes what nobody will finish.
func (s *Store) cleanScratch() error {
	root := s.layout.path("scratch")
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(path, root+"/")
		if path == root || !sstate.IsTemporary(rel) {
			return nil
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// loadNames fills the sets that mirror folders.
func (s *Store) loadNames() error {
	if err := loadSet(s.layout.path("removed"), s.names.removed, isObject); err != nil {
		return err
	}
	if err := loadSet(s.layout.path("scratch"), s.names.odd, isObject); err != nil {
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

// readQueue reads the journal, oldest first. Held entries come back into the
// queue. Folders without a file are what a crash left of an entry that was
// sent, or not yet accepted.
func (s *Store) readQueue() ([]*entry, error) {
	var all []*entry
	for _, root := range []string{"queue/held", "queue"} {
		dirs, err := os.ReadDir(s.layout.path(root))
		if err != nil {
			return nil, err
		}
		for _, d := range dirs {
			seq, o, _, ok := parseEntryDir(d.Name())
			if !ok {
				if err := s.checkUnknown(root, d.Name()); err != nil {
					return nil, err
				}
				continue
			}
			e, err := s.readEntry(s.layout.path(root), d.Name(), &entry{seq: seq, op: o})
			if err != nil {
				return nil, err
			}
			if e == nil {
				continue
			}
			if root == "queue/held" {
				if err := s.queue.moveHeld(e, false); err != nil {
					return nil, err
				}
			}
			all = append(all, e)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].seq < all[j].seq })
	return dedupe(all), nil
}

// dedupe drops entries that were read twice: a held one that just moved.
func dedupe(all []*entry) []*entry {
	out := all[:0]
	for i, e := range all {
		if i == 0 || e.seq != all[i-1].seq {
			out = append(out, e)
		}
	}
	return out
}

// readEntry fills in what dir, a folder below root, holds of e, nil if nothing.
func (s *Store) readEntry(root, dir string, e *entry) (*entry, error) {
	dir = root + "/" + dir
	key, file, info, err := entryFile(dir)
	if err != nil {
		return nil, err
	}
	if info == nil {
		failpoint.Pass("recover.empty")
		return nil, os.RemoveAll(dir)
	}
	if !isObject(key) {
		return nil, fmt.Errorf("%s: %q is no object: move it away", dir, key)
	}
	e.key, e.queued, e.waited, e.tried = key, info.ModTime(), true, make(chan struct{})
	if e.op != opRemove {
		e.size = info.Size()
		e.ino = localID(file).Ino
	}
	if now := root + "/" + e.dir() + "/" + e.file(); file != now { // of an earlier version
		err = withFolders(now, func() error { return os.Rename(file, now) })
		pruneParents(file, root)
	}
	return e, err
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
	if _, ok := s.checked.Load(id); ok {
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
	s.checked.Store(id, struct{}{})
	return nil
}

// errSum is content with another checksum than was noted.
var errSum = errors.New("checksum differs")

// isDamage tells wrong content from trouble in reading it.
func isDamage(err error) bool {
	return errors.Is(err, errSum) || errors.Is(err, sstate.ErrEmpty) ||
		errors.Is(err, sstate.ErrTruncated) || errors.Is(err, sstate.ErrCorrupt)
}
