package store

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// maxExtra is the longest EXTRAPATH that fits into the name of a folder.
const maxExtra = 128

// dir is the entry's folder below queue/ or queue/held/. It names what the base
// name of the object does not tell, so that an entry needs one folder only.
func (e *entry) dir() string {
	dir := fmt.Sprintf("%020d-%s", e.seq, e.op)
	if n, _ := sstate.ParsePath(e.key); n.ExtraPath != "" && len(n.ExtraPath) <= maxExtra {
		dir += "-" + n.ExtraPath
	}
	return dir
}

// file is the entry's file in its folder.
func (e *entry) file() string {
	if n, _ := sstate.ParsePath(e.key); len(n.ExtraPath) > maxExtra {
		return e.key
	}
	return path.Base(e.key)
}

// parseEntryDir is the inverse of entry.dir.
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
	switch _, file, _, err := entryFile(dir); {
	case err != nil:
		return err
	case file != "":
		return fmt.Errorf("cache %s: %s is no entry of a queue that this sstatefs knows: use the one that wrote it, or move that away", s.layout.dir, file)
	}
	return nil
}

// path is the entry's file.
func (q *queue) path(e *entry, isHeld bool) string {
	return q.dir(isHeld) + "/" + e.dir() + "/" + e.file()
}

func (q *queue) dir(isHeld bool) string {
	if isHeld {
		return q.layout.path("queue", "held")
	}
	return q.layout.path("queue")
}

// record makes the entry's file: a second name of from, or for a removal, which
// has none, an empty one.
func (q *queue) record(e *entry, from string) error {
	if err := q.makeDir(e); err != nil {
		return err
	}
	to := q.path(e, false)
	err := error(nil)
	if from != "" {
		err = linkInto(from, to)
	} else {
		err = withFolders(to, func() error { return os.WriteFile(to, nil, 0o644) })
	}
	if err != nil {
		pruneParents(to, q.dir(false))
	}
	return err
}

// makeDir makes the folder of a new entry, out of a spare one if there is: that
// costs a file system a tenth.
func (q *queue) makeDir(e *entry) error {
	dir := q.dir(false) + "/" + e.dir()
	if spare := q.takeSpare(); spare != "" && os.Rename(q.dir(false)+"/"+spare, dir) == nil {
		return nil
	}
	return os.MkdirAll(dir, 0o775)
}

// maxSpares is how many empty folders wait for the next entries.
const maxSpares = 64

func (q *queue) takeSpare() (dir string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.spares); n > 0 {
		dir, q.spares = q.spares[n-1], q.spares[:n-1]
	}
	return dir
}

func (q *queue) addSpare(dir string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.spares) == maxSpares {
		return false
	}
	q.spares = append(q.spares, dir)
	return true
}

// dropSpares removes the spare folders.
func (q *queue) dropSpares() {
	for dir := q.takeSpare(); dir != ""; dir = q.takeSpare() {
		os.Remove(q.dir(false) + "/" + dir)
	}
}

// change marks an inode whose names in the queue are about to change, until the
// returned function is called.
func (q *queue) change(ino uint64) (done func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changing[ino]++
	q.changes[ino%uint64(len(q.changes))]++
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.changing[ino]--; q.changing[ino] == 0 {
			delete(q.changing, ino)
		}
	}
}

// version is the number of changes so far, and whether none is under way.
func (q *queue) version(ino uint64) (version uint32, quiet bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changes[ino%uint64(len(q.changes))], q.changing[ino] == 0
}

// hiddenAsOf is hiddenNames if nothing has changed since version.
func (q *queue) hiddenAsOf(ino uint64, version uint32) (n int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hidden[ino], q.changes[ino%uint64(len(q.changes))] == version
}

// conclude erases and finishes an entry, as one to whoever counts names.
func (q *queue) conclude(e *entry) {
	defer q.change(e.ino)()
	q.erase(e, false)
	q.finish(e)
}

// erase removes an entry's file, and makes a spare of its folder.
func (q *queue) erase(e *entry, isHeld bool) {
	p := q.path(e, isHeld)
	err := os.Remove(p)
	failpoint.Pass("queue.erased")
	if err == nil && !isHeld && e.file() != e.key && q.addSpare(e.dir()) {
		return
	}
	pruneParents(p, q.dir(isHeld))
}

// moveHeld moves an entry's folder into or out of held/.
func (q *queue) moveHeld(e *entry, into bool) error {
	return os.Rename(q.dir(!into)+"/"+e.dir(), q.dir(into)+"/"+e.dir())
}

// entryFile finds the one file below an entry's folder, and its key. Up to
// version 0.1 the folders of the key lay between them.
func entryFile(dir string) (key, file string, info os.FileInfo, err error) {
	err = filepath.Walk(dir, func(path string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			file, info = path, i
		}
		return err
	})
	if key = strings.TrimPrefix(file, dir+"/"); strings.Contains(key, "/") {
		return key, file, info, err
	}
	if n, ok := sstate.ParseName(key); ok {
		_, _, n.ExtraPath, _ = parseEntryDir(filepath.Base(dir))
		key = n.Path()
	}
	return key, file, info, err
}
