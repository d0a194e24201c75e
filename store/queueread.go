package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// readQueue reads the journal, oldest first. Held entries come back into the
// queue. Folders without a file are what a crash left of entries that were
// sent, or not yet accepted.
func (s *Store) readQueue() ([]*entry, error) {
	aside, err := s.readEntries("queue/held")
	for _, e := range aside {
		if err != nil {
			break
		}
		if err = s.queue.moveHeld(e, false); isFull(err) { // what waits beside it makes room when it is sent
			s.queue.keepHeld(e, oneLine(err))
			err = nil
		}
	}
	if err != nil {
		return nil, err
	}
	all, err := s.readEntries("queue") // in the order of the numbers
	for _, e := range all {
		e.seq = s.queue.nextSeq()
	}
	return all, err
}

// readEntries reads the entries in the folders below root.
func (s *Store) readEntries(root string) (all []*entry, err error) {
	dirs, err := os.ReadDir(s.layout.path(root))
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		var entries []*entry
		number, o, _, ok := parseEntryDir(d.Name())
		if ok {
			s.queue.pass(number)
			entries, err = readFolder(s.layout.path(root), d.Name(), o)
		} else {
			err = s.checkUnknown(root, d.Name())
		}
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	return all, nil
}

// parseEntryDir is the inverse of folderName and entry.kind.
func parseEntryDir(name string) (seq uint64, o op, extra string, ok bool) {
	num, rest, found := strings.Cut(name, "-")
	word, extra, _ := strings.Cut(rest, "-")
	seq, err := strconv.ParseUint(num, 10, 64)
	switch o = op(word); o {
	case opCreate, opReplace, opRemove:
		return seq, o, extra, found && err == nil
	}
	return 0, "", "", false
}

// checkUnknown refuses to go on without what it does not understand in the
// queue: it was acknowledged to somebody. Empty folders are nothing.
func (s *Store) checkUnknown(root, name string) error {
	if root == "queue" && name == "held" {
		return nil
	}
	dir := s.layout.path(root, name)
	files, err := entryFiles(dir)
	if err == nil && len(files) > 0 {
		err = fmt.Errorf("cache %s: %s is no entry of a queue that this sstatefs knows: use the one that wrote it, or move that away", s.layout.dir, files[0].path)
	}
	return err
}

// coarseClock is how much earlier than it was made a file may seem to be made: file
// systems take the time of the kernel's last tick. What was published just before
// it was removed would look newer than its removal.
const coarseClock = 10 * time.Millisecond

// readFolder reads the entries in name, a folder below root.
func readFolder(root, name string, o op) (entries []*entry, err error) {
	dir := root + "/" + name
	files, err := entryFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		failpoint.Pass("recover.empty")
		return nil, os.RemoveAll(dir)
	}
	for _, f := range files {
		if !isObject(f.key) {
			return nil, fmt.Errorf("%s: %q is no object: move it away", dir, f.key)
		}
		e := &entry{key: f.key, op: o, queued: f.info.ModTime().Add(coarseClock), waited: true, tried: make(chan struct{})}
		if o != opRemove {
			e.size = f.info.Size()
			e.ino = localID(f.path).Ino
		}
		e.folder = name[:strings.IndexByte(name, '-')] + e.kind()
		if now := root + "/" + e.folder + "/" + e.file(); f.path != now { // of an earlier version
			if err := withFolders(now, func() error { return os.Rename(f.path, now) }); err != nil {
				return nil, err
			}
			pruneParents(f.path, root)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// entryFile is a file in a folder of entries.
type entryFile struct {
	path, key string
	info      os.FileInfo
}

// entryFiles finds the files below a folder of entries, and their keys. Up to
// version 0.1 the folders of the key lay between them.
func entryFiles(dir string) (files []entryFile, err error) {
	_, _, extra, _ := parseEntryDir(filepath.Base(dir))
	err = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		key := strings.TrimPrefix(path, dir+"/")
		if n, ok := sstate.ParseName(key); ok {
			n.ExtraPath = extra
			key = n.Path()
		}
		files = append(files, entryFile{path, key, info})
		return nil
	})
	return files, err
}
