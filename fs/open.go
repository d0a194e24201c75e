package fs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// Open is open(2). An object that is opened for writing is not fetched and not
// changed before the first write: touch(1) does this.
func (n *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	key := n.object()
	switch {
	case key != "" && flags&(unix.O_ACCMODE|unix.O_TRUNC) != unix.O_RDONLY:
		return n.openDraft(c, flags)
	case key != "":
		return n.openObject(c, key)
	}
	return n.openFormer(int(flags))
}

// openFormer opens what is no object, or not any more.
func (n *fileNode) openFormer(flags int) (fs.FileHandle, uint32, syscall.Errno) {
	f, err := n.reopen(flags)
	if err != nil {
		return nil, 0, stale(n.st.errno("open", err))
	}
	return n.opened(&fileHandle{node: n, file: f}), fuse.FOPEN_KEEP_CACHE | n.closing(), 0
}

func (n *fileNode) openObject(ctx context.Context, key string) (fs.FileHandle, uint32, syscall.Errno) {
	o, err := n.st.store.Open(ctx, key)
	if err != nil {
		return nil, 0, stale(n.st.errno("open", err))
	}
	e, err := n.st.store.StatOpen(ctx, o)
	if err != nil {
		_ = o.Close()
		return nil, 0, stale(n.st.errno("open", err))
	}
	h := &fileHandle{node: n, file: o.File, object: o}
	kept, ok := n.enter(h, e)
	if !ok {
		// Other content than the kernel has pages of: another inode.
		_ = o.Close()
		n.unname(key)
		return n.openFormer(unix.O_RDONLY)
	}
	n.st.store.Used(e)
	o.WhenBroken(func() { n.st.notes.distrust(n) })
	switch {
	case o.File == nil:
		return h, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
	case !kept:
		return h, fuse.FOPEN_NOFLUSH, 0
	}
	return h, fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_NOFLUSH, 0
}

// enter adds a handle of an object to the node, if its content is the node's.
// kept tells whether the pages that the kernel has are of that content.
func (n *fileNode) enter(h *fileHandle, e store.Entry) (kept, ok bool) {
	n.inUse.RLock()
	defer n.inUse.RUnlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.same(e) {
		if !n.renew(e) {
			return false, false
		}
		h.renews = true
		n.renewals++
	}
	n.add(h)
	return n.renewals == 0, true
}

// renew gives the node another content of the same size, as long as nobody has
// it open and it has no other name: an object that was trimmed and fetched
// again. Told of another inode the kernel would look once more, and fail if
// that happened twice. It forgets its pages at an open that does not say that
// they can be kept. Called with mu.
func (n *fileNode) renew(e store.Entry) bool {
	if n.key != e.Path || n.size != e.Size || n.users > 0 || n.writers > 0 || n.ghost != nil || n.created || n.brief || n.last.Nlink > 1 {
		return false
	}
	n.plain = true // the file that passed may still be registered
	n.moved(e)
	return true
}

// opened adds a handle to the node.
func (n *fileNode) opened(h *fileHandle) *fileHandle {
	n.inUse.RLock()
	defer n.inUse.RUnlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.add(h)
	return h
}

// add is opened with the locks held.
func (n *fileNode) add(h *fileHandle) {
	n.join(h.whole())
	n.handles = append(n.handles, h)
	h.passes = n.passes
}

// closed takes a handle away.
func (n *fileNode) closed(h *fileHandle) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, x := range n.handles {
		if x == h {
			n.handles = append(n.handles[:i:i], n.handles[i+1:]...)
			n.leave()
			if h.renews { // the kernel has forgotten the pages by now
				n.renewals--
			}
			return
		}
	}
}
