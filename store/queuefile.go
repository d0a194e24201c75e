package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// dir is the entry's folder below queue/ or queue/held/.
func (e *entry) dir() string { return fmt.Sprintf("%020d-%s", e.seq, e.op) }

// parseEntryDir is the inverse of entry.dir.
func parseEntryDir(name string) (seq uint64, o op, ok bool) {
	num, rest, found := strings.Cut(name, "-")
	seq, err := strconv.ParseUint(num, 10, 64)
	switch o = op(rest); o {
	case opCreate, opReplace, opRemove:
		return seq, o, found && err == nil
	}
	return 0, "", false
}

// path is the entry's file.
func (q *queue) path(e *entry, isHeld bool) string {
	if isHeld {
		return q.layout.path("queue", "held", e.dir(), e.key)
	}
	return q.layout.path("queue", e.dir(), e.key)
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

// erase removes an entry's file.
func (q *queue) erase(e *entry, isHeld bool) {
	p := q.path(e, isHeld)
	os.Remove(p)
	root := q.layout.path("queue")
	if isHeld {
		root = q.layout.path("queue", "held")
	}
	pruneParents(p, root)
}

// moveHeld moves an entry's folder into or out of held/.
func (q *queue) moveHeld(e *entry, into bool) error {
	a, b := q.layout.path("queue", e.dir()), q.layout.path("queue", "held", e.dir())
	if !into {
		a, b = b, a
	}
	return os.Rename(a, b)
}

// entryFile finds the one file below an entry's folder and its key.
func entryFile(dir string) (key string, info os.FileInfo, err error) {
	err = filepath.Walk(dir, func(path string, i os.FileInfo, err error) error {
		if err == nil && i.Mode().IsRegular() {
			key, info = strings.TrimPrefix(path, dir+"/"), i
		}
		return err
	})
	return key, info, err
}
