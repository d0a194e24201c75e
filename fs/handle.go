package fs

import (
	"context"
	"io"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// fileHandle is an open scratch file, or an object open for reading.
type fileHandle struct {
	node   *fileNode
	file   *os.File      // nil for an object that is read from the remote
	object *store.Object // nil for scratch
	passes bool          // the kernel does its I/O on file
	renews bool          // the node got another content with it
}

var (
	_ fs.FileReader          = (*fileHandle)(nil)
	_ fs.FileWriter          = (*fileHandle)(nil)
	_ fs.FileFlusher         = (*fileHandle)(nil)
	_ fs.FileFsyncer         = (*fileHandle)(nil)
	_ fs.FileAllocater       = (*fileHandle)(nil)
	_ fs.FileLseeker         = (*fileHandle)(nil)
	_ fs.FileReleaser        = (*fileHandle)(nil)
	_ fs.FilePassthroughFder = (*fileHandle)(nil)
)

// PassthroughFd lets the kernel read and write the local file itself.
func (h *fileHandle) PassthroughFd() (int, bool) {
	if !h.passes {
		return 0, false
	}
	if h.file == nil {
		return h.node.backingFd()
	}
	return int(h.file.Fd()), true
}

// Read is read(2).
func (h *fileHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if h.file != nil {
		if err := h.await(ctx, off, len(dest)); err != nil {
			return nil, h.node.st.errno("read", err)
		}
		return fuse.ReadResultFd(h.file.Fd(), off, len(dest)), 0
	}
	c := call(ctx)
	defer c.end()
	n, err := h.object.Within(c).ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, h.node.st.errno("read", err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write is write(2). A descriptor from before the publish cannot change what
// was published.
func (h *fileHandle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if h.object != nil || h.node.object() != "" {
		return 0, syscall.EPERM
	}
	n, err := h.node.st.store.WriteAt(h.file, data, off)
	return uint32(n), h.node.st.errno("write", err)
}

// Flush is each close(2) of a descriptor. It says nothing about content being
// complete, and there is nothing to do.
func (h *fileHandle) Flush(context.Context) syscall.Errno { return 0 }

// Fsync is fsync(2).
func (h *fileHandle) Fsync(context.Context, uint32) syscall.Errno {
	if h.file == nil {
		return 0
	}
	return h.node.st.errno("fsync", h.file.Sync())
}

// Allocate is fallocate(2).
func (h *fileHandle) Allocate(_ context.Context, off, size uint64, mode uint32) syscall.Errno {
	if h.object != nil || h.node.object() != "" {
		return syscall.EPERM
	}
	return h.node.st.errno("fallocate", h.node.st.store.Allocate(h.file, mode, int64(off), int64(size)))
}

// Lseek is lseek(2) for holes.
func (h *fileHandle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	if h.file == nil {
		return 0, syscall.ENOTSUP
	}
	if h.comes() {
		return h.seekComing(int64(off), whence)
	}
	n, err := unix.Seek(int(h.file.Fd()), int64(off), int(whence))
	return uint64(n), h.node.st.errno("lseek", err)
}

// Release is the last close. It comes late, and after LINK for the descriptor
// with which BitBake made the temporary.
func (h *fileHandle) Release(context.Context) syscall.Errno {
	h.node.inUse.Lock()
	defer h.node.inUse.Unlock()
	h.node.closed(h)
	if h.object != nil {
		return h.node.st.errno("release", h.object.Close())
	}
	return h.node.st.errno("release", h.file.Close())
}

// draftHandle is an object open for writing. All of a node's share one draft,
// which is made by the first write. Their I/O bypasses the kernel's page cache,
// which belongs to the old content.
type draftHandle struct {
	node *fileNode
}

var (
	_ fs.FileReader          = (*draftHandle)(nil)
	_ fs.FileWriter          = (*draftHandle)(nil)
	_ fs.FileFlusher         = (*draftHandle)(nil)
	_ fs.FileReleaser        = (*draftHandle)(nil)
	_ fs.FileFsyncer         = (*draftHandle)(nil)
	_ fs.FilePassthroughFder = (*draftHandle)(nil)
)

// PassthroughFd offers another handle's file where that passes through. With
// FOPEN_DIRECT_IO the kernel does not use it, but it wants the handle marked.
func (h *draftHandle) PassthroughFd() (int, bool) { return h.node.backingFd() }

func (h *draftHandle) draft() *store.Draft {
	h.node.mu.Lock()
	defer h.node.mu.Unlock()
	return h.node.draft
}

// Read reads the draft, or the object while nothing was written.
func (h *draftHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	var r io.ReaderAt
	if d := h.draft(); d != nil {
		r = d
	} else {
		o, err := h.node.st.store.Open(c, h.node.object())
		if err != nil {
			return nil, h.node.st.errno("read", err)
		}
		defer func() { _ = o.Close() }()
		r = o.Within(c)
	}
	n, err := r.ReadAt(dest, off)
	if err != nil && err != io.EOF {
		return nil, h.node.st.errno("read", err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Write is write(2): the first one makes the private copy.
func (h *draftHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	d, err := h.node.draftFor(c, false)
	if err != nil {
		return 0, h.node.st.errno("write", err)
	}
	n, err := d.WriteAt(data, off)
	return uint32(n), h.node.st.errno("write", err)
}

// Flush publishes what is whole by now, so that cp is done when it returns. For
// a process that is ending Release does it: nobody waits for that.
func (h *draftHandle) Flush(ctx context.Context) syscall.Errno {
	d := h.draft()
	if d == nil {
		return 0
	}
	if exiting(ctx) {
		if killed(ctx) {
			d.Abandon()
		}
		return 0
	}
	c := call(ctx)
	defer c.end()
	key := d.Key()
	published, err := d.Flush(c)
	if published {
		h.node.published()
		h.node.st.notifyNow(key)
	}
	return h.node.st.errno("flush", err)
}

// Fsync is fsync(2).
func (h *draftHandle) Fsync(context.Context, uint32) syscall.Errno { return 0 }

// Release ends the draft with its last handle.
func (h *draftHandle) Release(ctx context.Context) syscall.Errno {
	n := h.node
	n.mu.Lock()
	n.writers--
	n.leave()
	d := n.draft
	last := n.writers == 0
	if last {
		n.draft = nil
	}
	n.mu.Unlock()
	if !last || d == nil {
		return 0
	}
	published, err := d.Close(context.WithoutCancel(ctx))
	if published {
		n.published()
	}
	n.mu.Lock()
	if n.created { // kept as .partial, or another was first
		n.created, n.key = false, ""
	}
	n.mu.Unlock()
	n.st.notify(d.Key())
	return n.st.errno("release", err)
}

// published notes that the node's draft has become the object: a new one is
// this inode, other content under an old name is another.
func (n *fileNode) published() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.created {
		n.created = false
	} else {
		n.key = ""
	}
}
