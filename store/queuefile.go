package store

import (
	"errors"
	"fmt"
	"os"
	"path"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// maxExtra is the longest EXTRAPATH that fits into the name of a folder.
const maxExtra = 128

// kind is what the name of the entry's folder below queue/ or queue/held/ says
// beside its number: what the base name of the object does not tell, so that no
// other folders are needed.
func (e *entry) kind() string {
	kind := "-" + string(e.op)
	if n, _ := sstate.ParsePath(e.key); n.ExtraPath != "" && len(n.ExtraPath) <= maxExtra {
		kind += "-" + n.ExtraPath
	}
	return kind
}

func folderName(number uint64, kind string) string { return fmt.Sprintf("%020d%s", number, kind) }

// file is the entry's file in its folder.
func (e *entry) file() string {
	if n, _ := sstate.ParsePath(e.key); len(n.ExtraPath) > maxExtra {
		return e.key
	}
	return path.Base(e.key)
}

// path is the entry's file.
func (q *queue) path(e *entry, isHeld bool) string {
	return q.dir(isHeld) + "/" + e.folder + "/" + e.file()
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
	q.enter(e, q.pending(e.key))
	err := q.write(e, from)
	if errors.Is(err, os.ErrExist) { // of an entry that the disk did not let go
		q.enter(e, true)
		err = q.write(e, from)
	}
	if err != nil {
		q.prune(e, false)
	}
	return err
}

func (q *queue) write(e *entry, from string) error {
	to := q.path(e, false)
	if from != "" {
		return linkInto(from, to)
	}
	return withFolders(to, func() error { return os.WriteFile(to, nil, 0o644) })
}

// sharedBy is how many entries one folder takes: to make and to remove one costs
// as much as all else that a publish does on the disk.
const sharedBy = 256

// sharedFolder is where the next entries of a kind go.
type sharedFolder struct {
	name  string
	taken int // entries that went there, also those that are gone
}

// enter gives a new entry its folder. Within one the order of entries is not
// known, and none of its keys comes twice: one that has entries gets another
// folder, all for itself. Numbers of folders only grow.
func (q *queue) enter(e *entry, alone bool) {
	if full := q.choose(e, alone); full != "" {
		os.Remove(q.dir(false) + "/" + full) // if it is empty
	}
}

// choose is enter without the disk. It gives the shared folder that nobody enters
// any more, if there is such a one now: who has entered it and has no file there
// yet makes it again.
func (q *queue) choose(e *entry, alone bool) (full string) {
	kind := e.kind()
	q.mu.Lock()
	defer q.mu.Unlock()
	f := q.shared[kind]
	if alone || f == nil || f.taken == sharedBy {
		if f != nil && !alone {
			full = f.name
		}
		q.seq++
		f = &sharedFolder{name: folderName(q.seq, kind)}
	}
	if !alone {
		q.shared[kind] = f
	}
	f.taken++
	e.folder = f.name
	return full
}

// prune removes the folder of an entry whose file is gone, if nothing is left
// in it and nothing is to come.
func (q *queue) prune(e *entry, isHeld bool) {
	kind := e.kind()
	q.mu.Lock()
	f := q.shared[kind]
	q.mu.Unlock()
	if isHeld || f == nil || f.name != e.folder || e.file() == e.key {
		pruneParents(q.path(e, isHeld), q.dir(isHeld))
	}
}

// dropShared removes the folders in which nothing waits.
func (q *queue) dropShared() {
	q.mu.Lock()
	shared := q.shared
	q.shared = map[string]*sharedFolder{} // nobody enters the old ones any more
	q.mu.Unlock()
	for _, f := range shared {
		os.Remove(q.dir(false) + "/" + f.name)
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

// erase removes an entry's file.
func (q *queue) erase(e *entry, isHeld bool) {
	os.Remove(q.path(e, isHeld))
	failpoint.Pass("queue.erased")
	q.prune(e, isHeld)
}

// moveHeld moves an entry's file into or out of held/.
func (q *queue) moveHeld(e *entry, into bool) error {
	to := q.path(e, into)
	err := withFolders(to, func() error { return os.Rename(q.path(e, !into), to) })
	failpoint.Pass("held.moved")
	if err == nil {
		q.prune(e, !into)
	}
	return err
}
