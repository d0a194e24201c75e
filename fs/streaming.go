package fs

import (
	"context"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// A large object can be open while it comes. Its handle has a file from the
// beginning, as long as the object, but what is in it counts only as far as the
// store says: the kernel must ask us, and never passes through. It keeps pages
// of what it was given, so that mmap works and small reads are few requests; it
// is given what it asks for or an error, since a short answer would be the end
// of the file to it. When the object turns out wrong it is told to forget them.

// comes reports whether a handle's file is not all there yet.
func (h *fileHandle) comes() bool { return h.object != nil && !h.object.IsWhole() }

// whole is the handle's file, nil if it has none that may be read anywhere.
func (h *fileHandle) whole() *os.File {
	if h.comes() {
		return nil
	}
	return h.file
}

// await waits until a part of the file is there.
func (h *fileHandle) await(ctx context.Context, off int64, n int) error {
	if !h.comes() {
		return nil
	}
	c := call(ctx)
	defer c.end()
	return h.object.Await(c, off, n)
}

// seekComing is lseek(2) for holes in a file that is not all there. The object
// has none.
func (h *fileHandle) seekComing(off int64, whence uint32) (uint64, syscall.Errno) {
	st, err := h.file.Stat()
	switch {
	case err != nil:
		return 0, h.node.st.errno("lseek", err)
	case off < 0 || off >= st.Size():
		return 0, syscall.ENXIO
	case whence == unix.SEEK_HOLE:
		return uint64(st.Size()), 0
	}
	return uint64(off), 0
}

// isComing reports whether a handle of the node has a file that is not all there.
func (n *fileNode) isComing() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.ContainsFunc(n.handles, (*fileHandle).comes)
}

// distrust makes the kernel forget the pages of a node, soon.
func (n *notifier) distrust(node *fileNode) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.closed {
		n.wrong = append(n.wrong, node)
		n.cond.Signal()
	}
}
