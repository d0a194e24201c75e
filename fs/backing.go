package fs

import (
	"os"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The kernel wants all open handles of an inode to pass through to one backing
// file, or none to pass: open(2) is EIO otherwise (fs/fuse/iomode.c). go-fuse
// 2.12 registers the file of the handle that comes first and counts one user
// less at every RELEASE, whether that handle was counted or not. Therefore:
//
//   - the first handle of an inode decides for all until the last is gone;
//   - every handle of an inode that passes has a file to be registered, also
//     one that needs none for itself;
//   - an inode that did not pass begins to only while no RELEASE is under way,
//     since that could take away the file that was just registered.

// join counts a handle with its file, nil if it has none. Called with inUse
// held for reading, and mu.
func (n *fileNode) join(file *os.File) {
	n.users++
	if n.users == 1 {
		n.passes = n.st.passthrough.Load() && file != nil && !(n.plain && n.st.releases.Load() > 0)
		n.plain = !n.passes
	}
	if n.passes && file == nil && n.backing == nil {
		n.backing = n.anotherFile()
	}
}

// leave takes a handle away. Called with mu held.
func (n *fileNode) leave() {
	n.users--
	if n.users == 0 && n.backing != nil {
		_ = n.backing.Close()
		n.backing = nil
	}
}

// anotherFile opens what another handle has open, nil if it cannot. Called as
// join.
func (n *fileNode) anotherFile() *os.File {
	for _, h := range n.handles {
		if h.file == nil {
			continue
		}
		fd, err := unix.FcntlInt(h.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil
		}
		return os.NewFile(uintptr(fd), h.file.Name())
	}
	return nil
}

// backingFd is the file of a handle that has none of its own.
func (n *fileNode) backingFd() (int, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.passes || n.backing == nil {
		return 0, false
	}
	return int(n.backing.Fd()), true
}

// releaseCounter counts the RELEASE requests under way.
type releaseCounter struct {
	fuse.RawFileSystem
	running *atomic.Int64
}

// Release is the last close of a handle.
func (c releaseCounter) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	c.running.Add(1)
	defer c.running.Add(-1)
	c.RawFileSystem.Release(cancel, in)
}
