package fs

import (
	"math"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// lockServer keeps the record locks of fcntl(2). flock(2) stays with the kernel.
//
// The kernel could keep these too, but then two descriptors of one process would
// never conflict, also where go-fuse's POSIX suite wants them to: F_SETLK of a
// read lock over a write lock that the process holds through another descriptor
// is EAGAIN here. In everything else locks belong to their owner, as POSIX says, and
// not to the descriptor; SQLite takes a lock through one descriptor and drops it
// through another.
//
// It sits around go-fuse's bridge because only there the lock owner of FLUSH is
// to be seen: closing any descriptor of a file drops all its locks.
type lockServer struct {
	fuse.RawFileSystem

	mu    sync.Mutex
	nodes map[uint64]*lockTable
}

// lockTable is the locks of one inode.
type lockTable struct {
	locks   []recordLock
	changed chan struct{} // closed when a lock went
	waiters int
}

// recordLock is a lock on bytes start to end, both included.
type recordLock struct {
	owner, handle uint64
	start, end    uint64
	typ           uint32 // F_RDLCK or F_WRLCK
	pid           uint32
}

func newLockServer(inner fuse.RawFileSystem) *lockServer {
	return &lockServer{RawFileSystem: inner, nodes: map[uint64]*lockTable{}}
}

func lockOf(in *fuse.LkIn) recordLock {
	return recordLock{owner: in.Owner, handle: in.Fh, start: in.Lk.Start, end: in.Lk.End, typ: in.Lk.Typ, pid: in.Lk.Pid}
}

// table finds or makes the table of an inode. Called with mu held.
func (s *lockServer) table(node uint64) *lockTable {
	t := s.nodes[node]
	if t == nil {
		t = &lockTable{changed: make(chan struct{})}
		s.nodes[node] = t
	}
	return t
}

// tidy drops a table that holds nothing. Called with mu held.
func (s *lockServer) tidy(node uint64) {
	if t := s.nodes[node]; t != nil && len(t.locks) == 0 && t.waiters == 0 {
		delete(s.nodes, node)
	}
}

// GetLk is F_GETLK: the first lock that is in the way.
func (s *lockServer) GetLk(_ <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Lk = in.Lk
	out.Lk.Typ = unix.F_UNLCK
	if t := s.nodes[in.NodeId]; t != nil {
		if c := t.conflict(lockOf(in), false); c != nil {
			out.Lk = fuse.FileLock{Start: c.start, End: c.end, Typ: c.typ, Pid: c.pid}
		}
	}
	return fuse.OK
}

// SetLk is F_SETLK.
func (s *lockServer) SetLk(_ <-chan struct{}, in *fuse.LkIn) fuse.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.tidy(in.NodeId)
	t, l := s.table(in.NodeId), lockOf(in)
	if l.typ != unix.F_UNLCK && t.conflict(l, true) != nil {
		return fuse.Status(syscall.EAGAIN)
	}
	t.set(l)
	return fuse.OK
}

// SetLkw is F_SETLKW: it waits, and every signal ends the wait, as it does on a
// disk.
func (s *lockServer) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, l := s.table(in.NodeId), lockOf(in)
	defer s.tidy(in.NodeId)
	for l.typ != unix.F_UNLCK && t.conflict(l, false) != nil {
		changed := t.changed
		t.waiters++
		s.mu.Unlock()
		interrupted := false
		select {
		case <-changed:
		case <-cancel:
			interrupted = true
		}
		s.mu.Lock()
		t.waiters--
		if interrupted {
			return fuse.EINTR
		}
	}
	t.set(l)
	return fuse.OK
}

// Flush is a close(2): the locks of its owner on this file go.
func (s *lockServer) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	s.drop(in.NodeId, func(l recordLock) bool { return l.owner == in.LockOwner })
	return s.RawFileSystem.Flush(cancel, in)
}

// Release is the end of a descriptor, and of locks that belong to it (OFD).
func (s *lockServer) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	s.drop(in.NodeId, func(l recordLock) bool { return l.handle == in.Fh })
	s.RawFileSystem.Release(cancel, in)
}

func (s *lockServer) drop(node uint64, which func(recordLock) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.nodes[node]
	if t == nil {
		return
	}
	kept := t.locks[:0]
	for _, l := range t.locks {
		if !which(l) {
			kept = append(kept, l)
		}
	}
	if len(kept) < len(t.locks) {
		t.locks = kept
		t.wake()
	}
	s.tidy(node)
}

// conflict is a lock that l cannot be set beside, or nil. With handles, a write
// lock of the same owner through another handle keeps out a read lock; whoever
// would wait for that would wait for himself.
func (t *lockTable) conflict(l recordLock, handles bool) *recordLock {
	for i := range t.locks {
		o := &t.locks[i]
		if o.end < l.start || l.end < o.start {
			continue
		}
		if o.owner == l.owner {
			if handles && o.handle != l.handle && o.typ == unix.F_WRLCK && l.typ == unix.F_RDLCK {
				return o
			}
			continue
		}
		if o.typ == unix.F_WRLCK || l.typ == unix.F_WRLCK {
			return o
		}
	}
	return nil
}

// set gives the owner of l this lock, or none, on its range; what the owner had
// on both sides of it stays.
func (t *lockTable) set(l recordLock) {
	var out []recordLock
	for _, o := range t.locks {
		if o.owner != l.owner || o.end < l.start || l.end < o.start {
			out = append(out, o)
			continue
		}
		if o.start < l.start {
			left := o
			left.end = l.start - 1
			out = append(out, left)
		}
		if l.end < o.end && l.end < math.MaxUint64 {
			right := o
			right.start = l.end + 1
			out = append(out, right)
		}
	}
	if l.typ != unix.F_UNLCK {
		out = append(out, l)
	}
	t.locks = out
	t.wake() // also a write lock that became a read lock lets others in
}

func (t *lockTable) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}
