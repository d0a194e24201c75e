package fs

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// Create is open(2) with O_CREAT of a name that the kernel does not know. Under
// an object's name it starts a draft.
func (d *dirNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return nil, nil, 0, no
	}
	if store.IsObject(path) {
		return d.createObject(ctx, c, name, path, flags, out)
	}
	if err := d.st.store.MayMake(path, syscall.S_IFREG, caller(ctx)); err != nil {
		return nil, nil, 0, d.st.errno("create", err)
	}
	f, e, err := d.st.store.CreateFile(c, path, int(flags), mode, caller(ctx))
	if errors.Is(err, syscall.EEXIST) && flags&unix.O_EXCL == 0 {
		return nil, nil, 0, syscall.ESTALE // made by us since the kernel looked: it looks again, and opens it
	}
	if err != nil {
		return nil, nil, 0, d.st.errno("create", err)
	}
	d.st.fillEntry(out, &e)
	node := d.st.inode(ctx, &d.Inode, name, e)
	n, ok := node.Operations().(*fileNode)
	if !ok {
		f.Close()
		return nil, nil, 0, syscall.EEXIST
	}
	return node, n.opened(&fileHandle{node: n, file: f}), fuse.FOPEN_KEEP_CACHE | n.closing(), 0
}

// createObject starts a draft, or opens the object that another host published
// since the kernel looked.
func (d *dirNode) createObject(ctx context.Context, c *callContext, name, path string, flags uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if e, err := d.st.store.Stat(c, path); err == nil {
		if flags&unix.O_EXCL != 0 {
			return nil, nil, 0, syscall.EEXIST
		}
		node := d.st.inode(ctx, &d.Inode, name, e)
		d.st.fillEntry(out, &e)
		if n, ok := node.Operations().(*fileNode); ok {
			h, fuseFlags, no := n.Open(ctx, flags)
			return node, h, fuseFlags, no
		}
		return nil, nil, 0, syscall.EISDIR
	}
	asked := flags&(unix.O_EXCL|unix.O_TRUNC) != 0 // not touch(1), which only wants the time
	draft, e, err := d.st.store.CreateDraft(path, asked)
	if err != nil {
		return nil, nil, 0, d.st.errno("create", err)
	}
	fillAttr(&out.Attr, &e)
	// No timeouts, which go-fuse leaves alone as it has no defaults here: others
	// are to ask, and are told that there is nothing yet.
	n := &fileNode{st: d.st, key: path, size: e.Size, id: e.ID}
	n.draft, n.created, n.last = draft, true, e
	return d.NewInode(ctx, n, d.st.ids.attr(e)), n.newWriter(), fuse.FOPEN_DIRECT_IO, 0
}
