package fs

import (
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// ask is one lock request of an owner through a handle.
func ask(owner, fh uint64, typ uint32, start, end uint64) *fuse.LkIn {
	in := &fuse.LkIn{Fh: fh, Owner: owner, Lk: fuse.FileLock{Start: start, End: end, Typ: typ}}
	in.NodeId = 7
	return in
}

func TestRecordLocks(t *testing.T) {
	const r, w, u = unix.F_RDLCK, unix.F_WRLCK, unix.F_UNLCK
	steps := []struct {
		name string
		in   *fuse.LkIn
		want fuse.Status
	}{
		{"first writer", ask(1, 1, w, 0, 99), fuse.OK},
		{"another writer", ask(2, 2, w, 50, 60), fuse.EAGAIN},
		{"another reader", ask(2, 2, r, 99, 120), fuse.EAGAIN},
		{"beside it", ask(2, 2, w, 100, 120), fuse.OK},
		{"the middle goes", ask(1, 3, u, 40, 59), fuse.OK},
		{"and is free", ask(2, 2, w, 40, 59), fuse.OK},
		{"the left stays", ask(2, 2, r, 39, 39), fuse.EAGAIN},
		{"the right stays", ask(2, 2, r, 60, 60), fuse.EAGAIN},
		{"its own again, through another handle", ask(1, 3, w, 0, 39), fuse.OK},
		{"reader over its own writer, other handle", ask(1, 4, r, 0, 10), fuse.EAGAIN},
		{"downgrade through the same handle", ask(1, 3, r, 0, 39), fuse.OK},
		{"shared with another reader", ask(2, 2, r, 0, 39), fuse.OK},
		{"no upgrade beside it", ask(1, 3, w, 0, 39), fuse.EAGAIN},
	}
	s := newLockServer(fuse.NewDefaultRawFileSystem())
	for _, st := range steps {
		if got := s.SetLk(nil, st.in); got != st.want {
			t.Errorf("%s: %v, want %v", st.name, got, st.want)
		}
	}
	var out fuse.LkOut
	s.GetLk(nil, ask(3, 9, w, 60, 60), &out)
	if out.Lk.Typ != w {
		t.Errorf("GetLk = %+v, want the write lock in the way", out.Lk)
	}
	for owner := range uint64(3) {
		flush := &fuse.FlushIn{LockOwner: owner}
		flush.NodeId = 7
		s.Flush(nil, flush)
	}
	if len(s.nodes) != 0 {
		t.Errorf("locks left after every owner closed: %+v", s.nodes[7].locks)
	}
}

func TestRecordLockWaits(t *testing.T) {
	s := newLockServer(fuse.NewDefaultRawFileSystem())
	s.SetLk(nil, ask(1, 1, unix.F_WRLCK, 0, 9))
	got := make(chan fuse.Status)
	cancel := make(chan struct{})
	go func() { got <- s.SetLkw(cancel, ask(2, 2, unix.F_WRLCK, 5, 9)) }()
	go func() { got <- s.SetLkw(nil, ask(3, 3, unix.F_RDLCK, 0, 1)) }()
	close(cancel)
	if st := <-got; st != fuse.EINTR {
		t.Errorf("interrupted wait = %v, want EINTR", st)
	}
	s.SetLk(nil, ask(1, 1, unix.F_UNLCK, 0, 9))
	select {
	case st := <-got:
		if st != fuse.OK {
			t.Errorf("wait = %v, want OK", st)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the waiter was not woken")
	}
}
