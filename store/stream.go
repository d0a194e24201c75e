package store

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// streamFrom is the size from which an object can be read while it comes, in
// bytes. A smaller one is here in not much more than the round trip that its
// first part takes too, and who waits for that reads it past this process where
// the kernel may; who reads a stream never does.
const streamFrom = 1 << 20

// withheld is the end of a stream that nobody is given before all of it is known
// to be right, in bytes. For who reads to the end one byte would do. A block of
// zstd decodes to 128 KiB at most, so who decodes what he reads lacks his last
// block too. More would only keep a reader waiting: the kernel asks for as much
// as it likes, and what it asks for is given whole or not at all.
const withheld = 128 << 10

// shortest is the size of the shortest stream.
func (f *fetches) shortest() int64 { return cmp.Or(f.streamFrom, streamFrom) }

// end is how much of a stream is withheld.
func (f *fetches) end() int64 { return cmp.Or(f.withheld, withheld) }

// A stream is a download that is read while it comes, by any number of readers.
// What was given to one of them is never taken back: the file stays this one,
// and what comes later is of the same object.
type stream struct {
	info remote.Info
	last int64 // bytes that are withheld

	whole atomic.Bool // it has ended well

	mu     sync.Mutex
	file   *os.File // for reading, until it has ended
	have   int64    // bytes that came
	given  bool     // a reader has some of them
	ended  bool
	err    error              // how it ended, for its readers
	moved  chan struct{}      // closed when any of these changes; nil if nobody waits
	broken map[*Object]func() // called if it ends badly
}

// join gives a descriptor for one more reader. ok is false when the stream has
// ended, or the process has no more descriptors: the object itself is to be had
// soon.
func (st *stream) join() (f *os.File, ok bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ended {
		return nil, false
	}
	fd, err := unix.FcntlInt(st.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	return os.NewFile(uintptr(fd), st.file.Name()), true
}

// await returns when n bytes from off can be read, or as many as there are: nil,
// or why they never can. It returns before when ctx is done.
func (st *stream) await(ctx context.Context, off, n int64) error {
	if st.whole.Load() {
		return nil
	}
	to := min(off+n, st.info.Size)
	for {
		moved, err := st.look(to)
		if moved == nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// look reports whether what comes before an offset can be read. If that is not
// known yet it gives what is closed when there is more to know.
func (st *stream) look(to int64) (<-chan struct{}, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.ended:
		return nil, st.err
	case to <= min(st.have, st.info.Size-st.last):
		st.given = true
		return nil, nil
	case st.moved == nil:
		st.moved = make(chan struct{})
	}
	return st.moved, nil
}

// tell frees who waits, to look again. Called with mu held.
func (st *stream) tell() {
	if st.moved != nil {
		close(st.moved)
		st.moved = nil
	}
}

// grow says that n bytes more are in the file.
func (st *stream) grow(n int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.have += int64(n)
	st.tell()
}

// rewind begins anew, if no reader has seen anything of what came.
func (st *stream) rewind() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.given || st.ended {
		return false
	}
	st.have = 0
	return true
}

// end says that all is there and right, or that it never will be: then every
// read fails from now on. Only the first call counts.
func (st *stream) end(err error) {
	st.mu.Lock()
	if st.ended {
		st.mu.Unlock()
		return
	}
	st.ended = true
	if err != nil { // of no kind: that what it was read from is gone is no ENOENT of read(2)
		st.err = fmt.Errorf("%s: %w: %s", st.info.Key, syscall.EIO, oneLine(err))
	}
	st.whole.Store(err == nil)
	broken := st.broken
	st.broken = nil
	st.tell()
	st.mu.Unlock()
	st.file.Close() // nobody joins any more
	for _, f := range broken {
		if err != nil {
			f()
		}
	}
}

// whenBroken has f called when the stream ends badly, also if it has.
func (st *stream) whenBroken(o *Object, f func()) {
	st.mu.Lock()
	broken := st.err != nil
	if !st.ended {
		if st.broken == nil {
			st.broken = map[*Object]func(){}
		}
		st.broken[o] = f
	}
	st.mu.Unlock()
	if broken {
		f()
	}
}

// leave takes back what whenBroken was told: a long download is opened and closed
// any number of times.
func (st *stream) leave(o *Object) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.broken, o)
}
