package store

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// FileID tells one local file from every other, also from a later one that got
// its inode number. The zero value is no file.
type FileID struct {
	Ino   uint64
	Birth int64 // nanoseconds since 1970
}

// Entry is what a name stands for.
type Entry struct {
	Path   string
	Object bool // Path is a published object
	Local  bool // its content is on this machine
	ID     FileID

	Mode    uint32 // with the file type, as in st_mode
	Size    int64
	Blocks  int64 // of 512 bytes
	Nlink   uint32
	UID     uint32
	GID     uint32
	Rdev    uint64
	Atime   time.Time
	Mtime   time.Time
	Ctime   time.Time
	Virtual bool // a folder that exists only by what is below it

	// Unsettled is a folder whose mode may change with what it holds.
	Unsettled bool
}

// IsDir reports whether the entry is a folder.
func (e Entry) IsDir() bool { return e.Mode&unix.S_IFMT == unix.S_IFDIR }

// Lookup tells what is at path: an error that is ENOENT if nothing is. An
// archive that is not there is counted as a miss.
func (s *Store) Lookup(ctx context.Context, path string) (Entry, error) {
	n, ok := sstate.ParsePath(path)
	if !ok {
		return s.lookupScratch(ctx, path)
	}
	e, err := s.lookupNamed(ctx, path)
	if err != nil && n.IsArchive() {
		s.ledger.lookup(path, &n, false)
		s.misses.missed(path)
	}
	return e, err
}

// Stat is Lookup without counting.
func (s *Store) Stat(ctx context.Context, path string) (Entry, error) {
	if isObject(path) {
		return s.lookupNamed(ctx, path)
	}
	return s.lookupScratch(ctx, path)
}

// lookupNamed tells what is under the name of an object.
func (s *Store) lookupNamed(ctx context.Context, path string) (Entry, error) {
	if s.names.isOdd(path) {
		return s.lookupScratch(ctx, path)
	}
	return s.lookupObject(ctx, path)
}

// lookupObject tells whether an object is visible. Whether it is ours comes
// first: what was sent meanwhile is known to be on the remote by then. The disk
// is not asked for a name that the remote does not have.
func (s *Store) lookupObject(ctx context.Context, key string) (Entry, error) {
	if s.names.isRemoved(key) {
		return Entry{}, errNotExist
	}
	var st unix.Statx_t
	if s.isOurs(key) && statBelow(s.layout.dir, objectsDir, key, &st) == nil {
		return s.objectEntry(key, &st, remote.Info{}), nil
	}
	info, ans := s.ask(ctx, key)
	if ans == absent && !s.isRemembered(key) || ans == there && s.worthless(info) {
		return Entry{}, errNotExist
	}
	local := statBelow(s.layout.dir, objectsDir, key, &st) == nil
	switch {
	case !local && ans == there:
		return s.remoteEntry(info), nil
	case !local:
		return Entry{}, errNotExist
	case ans != there:
		return s.objectEntry(key, &st, remote.Info{}), nil
	case s.isWhole(key, &st, info):
		return s.objectEntry(key, &st, info), nil
	}
	return s.otherHere(ctx, key, &st)
}

// isWhole reports whether a local copy is what the remote has.
func (s *Store) isWhole(key string, st *unix.Statx_t, far remote.Info) bool {
	return int64(st.Size) == far.Size || s.isRemembered(key) && !s.wasCutOff()
}

// otherHere is lookupObject where the local copy is not what the remote was
// found to have. It may have come, and gone to the remote, since that was asked.
func (s *Store) otherHere(ctx context.Context, key string, st *unix.Statx_t) (Entry, error) {
	if s.isOurs(key) {
		return s.objectEntry(key, st, remote.Info{}), nil
	}
	info, ans := s.ask(ctx, key)
	switch {
	case ans == absent && !s.isRemembered(key) || ans == there && s.worthless(info):
		return Entry{}, errNotExist
	case ans != there:
		return s.objectEntry(key, st, remote.Info{}), nil
	case s.isWhole(key, st, info):
		return s.objectEntry(key, st, info), nil
	}
	s.replacedElsewhere(key, st)
	return s.remoteEntry(info), nil
}

// isRemembered reports whether the index answers for a key from what it saved.
// A daemon that was killed had not saved its last publishes: what is here then
// counts more.
func (s *Store) isRemembered(key string) bool {
	return s.index != nil && s.index.remembers(remote.Key(key))
}

// wasCutOff reports whether a power cut may have shortened what is here.
func (s *Store) wasCutOff() bool { return s.unclean.Load() && !s.sameBoot }

// isOurs reports whether the local copy counts whatever the remote says: it is
// not sent yet, or never will be.
func (s *Store) isOurs(key string) bool {
	return s.queue.pending(key) || s.names.isPinned(key)
}

// worthless reports whether the remote's object is none: an empty archive
// breaks a build, and what was found corrupt is a miss until it is replaced.
func (s *Store) worthless(info remote.Info) bool {
	if s.names.isCorrupt(info, s.now) {
		return true
	}
	if info.Size != 0 {
		return false
	}
	n, ok := sstate.ParsePath(string(info.Key))
	return ok && n.IsArchive()
}

// answer is what is known of the remote having a key.
type answer int

const (
	unknown answer = iota // it could not be asked
	absent
	there
)

// ask finds out whether the remote has a key, from the index or from itself,
// within the patience that lookups have.
func (s *Store) ask(ctx context.Context, key string) (remote.Info, answer) {
	if s.index != nil {
		return s.askIndex(ctx, remote.Key(key))
	}
	if s.asked != nil {
		if info, ans := s.asked.get(remote.Key(key)); ans != unknown {
			return info, ans
		}
	}
	return s.askRemote(ctx, key)
}

// askRemote asks the remote itself for a key.
func (s *Store) askRemote(ctx context.Context, key string) (remote.Info, answer) {
	may, start := s.patience.begin()
	if may == 0 {
		return remote.Info{}, unknown
	}
	defer s.patience.end(start)
	if may < s.opt.LookupPatience {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, may)
		defer cancel()
	}
	if s.asked != nil {
		return s.asked.ask(ctx, remote.Key(key))
	}
	info, err := s.guard.Stat(ctx, remote.Key(key))
	switch {
	case err == nil:
		return info, there
	case errors.Is(err, remote.ErrNotExist):
		return info, absent
	}
	return info, unknown
}

// askIndex asks the index, and waits for the first listing of a shard: for its
// leaves and then for a leaf of it where the remote lists folder by folder.
func (s *Store) askIndex(ctx context.Context, key remote.Key) (remote.Info, answer) {
	info, found, ready, wait := s.index.get(key)
	if !ready {
		may, start := s.patience.begin()
		defer s.patience.end(start)
		ctx, cancel := context.WithTimeout(ctx, may)
		defer cancel()
		for !ready {
			if may == 0 || wait.wait(ctx) != nil {
				s.index.unanswered(wait, key)
				return info, unknown
			}
			info, found, ready, wait = s.index.get(key)
		}
	}
	switch {
	case found:
		return info, there
	case s.index.doubted() || s.guard.State().Open:
		return info, unknown
	}
	return info, absent
}

func stamptime(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// fileEntry is a local file as its file system shows it, with the names that
// are not in the mount left out. again asks the file system once more.
func (s *Store) fileEntry(path string, st *unix.Statx_t, again func(*unix.Statx_t) error) Entry {
	e := Entry{
		Path: path, Local: true, ID: idOf(st), Mode: uint32(st.Mode), Size: int64(st.Size), Blocks: int64(st.Blocks),
		Nlink: st.Nlink, UID: st.Uid, GID: st.Gid, Rdev: unix.Mkdev(st.Rdev_major, st.Rdev_minor),
		Atime: stamptime(st.Atime), Mtime: stamptime(st.Mtime), Ctime: stamptime(st.Ctime),
	}
	if !e.IsDir() && e.Nlink > 1 {
		e.Nlink = s.namesInMount(*st, again)
	}
	return e
}

// namesInMount counts a file's names without those in the queue. Both numbers
// must be of one moment: the kernel would keep a wrong one for long, and what
// looks like an object's only name counts as a use of it.
func (s *Store) namesInMount(st unix.Statx_t, again func(*unix.Statx_t) error) uint32 {
	const tries = 2000 // each loss needs the file to be published or sent just then
	for n := range tries {
		version, quiet := s.queue.version(st.Ino)
		if !quiet {
			pause(n)
			continue
		}
		if again(&st) != nil {
			break
		}
		if hidden, ok := s.queue.hiddenAsOf(st.Ino, version); ok {
			return st.Nlink - min(st.Nlink, uint32(hidden))
		}
	}
	return max(1, st.Nlink-min(st.Nlink, uint32(s.queue.hiddenNames(st.Ino))))
}

// pause lets others go on: at first for a moment, later for 20 microseconds.
func pause(n int) {
	if n < 50 {
		runtime.Gosched()
		return
	}
	t := time.NewTimer(20 * time.Microsecond)
	<-t.C
}

func idOf(st *unix.Statx_t) FileID {
	return FileID{Ino: st.Ino, Birth: st.Btime.Sec*1e9 + int64(st.Btime.Nsec)}
}

// objectEntry is an object whose content is here. Its time is the latest use
// that is known, by this host or another.
func (s *Store) objectEntry(key string, st *unix.Statx_t, info remote.Info) Entry {
	e := s.fileEntry(key, st, func(st *unix.Statx_t) error { return lstat(s.layout.object(key), st) })
	e.Object = true
	e.Nlink = max(1, e.Nlink) // a name of the queue may go while we count
	s.objectLooks(&e)
	s.touches.show(&e, info.ModTime)
	return e
}

// remoteEntry is an object that only the remote has.
func (s *Store) remoteEntry(info remote.Info) Entry {
	t := info.ModTime
	e := Entry{
		Path: string(info.Key), Object: true, Mode: unix.S_IFREG | 0o664, Size: info.Size, Blocks: (info.Size + 511) / 512,
		Nlink: 1, UID: s.uid, GID: s.gid, Atime: t, Mtime: t, Ctime: t,
	}
	s.objectLooks(&e)
	s.touches.show(&e, t)
	return e
}

// objectLooks gives an object the owner and mode that let every user of a
// shared mount use and touch it.
func (s *Store) objectLooks(e *Entry) {
	if s.opt.SharedMount {
		e.Mode = unix.S_IFREG | 0o666
		e.UID, e.GID = s.uid, s.gid
	}
}

// replacedElsewhere drops the local copy of an object that has other content
// on the remote now. Open handles keep what they have.
func (s *Store) replacedElsewhere(key string, seen *unix.Statx_t) {
	unlock := s.keys.lock(key)
	gone := !s.isOurs(key) && localID(s.layout.object(key)) == idOf(seen) && s.dropLocal(key)
	unlock()
	if gone {
		s.dropCachedSignature(key)
	}
}

// dropLocal removes the local copy of an object and reports whether it did: of a
// disk that is read-only it cannot. Called with its key lock.
func (s *Store) dropLocal(key string) (gone bool) {
	p := s.layout.object(key)
	var st unix.Statx_t
	if lstat(p, &st) != nil {
		return false
	}
	s.usage.change(key, func() (objects, bytes int64) {
		if gone = os.Remove(p) == nil; !gone {
			return 0, 0
		}
		return -1, -int64(st.Size)
	})
	if gone {
		failpoint.Pass("drop.removed")
		s.sums.drop(key)
		pruneParents(p, s.layout.path("objects"))
	}
	return gone
}

// parent is the folder of a path, "" for what is at the root.
func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}
