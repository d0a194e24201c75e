package fs

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// dirHandle is an open folder. It lists what was there when reading began, so
// that names neither repeat nor vanish while others come and go.
type dirHandle struct {
	dir  *dirNode
	list []fuse.DirEntry // nil until it is read
	next int
}

var (
	_ fs.FileReaddirenter = (*dirHandle)(nil)
	_ fs.FileSeekdirer    = (*dirHandle)(nil)
	_ fs.FileFsyncdirer   = (*dirHandle)(nil)
)

// OpendirHandle is opendir(3).
func (d *dirNode) OpendirHandle(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &dirHandle{dir: d}, 0, 0
}

// Readdirent gives the next name.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if h.list == nil {
		if no := h.read(ctx); no != 0 {
			return nil, no
		}
	}
	if h.next >= len(h.list) {
		return nil, 0
	}
	e := h.list[h.next]
	h.next++
	return &e, 0
}

// read takes the listing. A folder that was removed while open is empty.
func (h *dirHandle) read(ctx context.Context) syscall.Errno {
	c := call(ctx)
	defer c.end()
	d := h.dir
	h.list = []fuse.DirEntry{}
	path, no := d.path()
	if no != 0 {
		return 0
	}
	entries, err := d.st.store.ReadDir(c, path)
	if errors.Is(err, syscall.ENOENT) {
		return 0
	}
	if err != nil {
		h.list = nil
		return d.st.errno("readdir", err)
	}
	up := d.StableAttr().Ino
	if _, parent := d.Parent(); parent != nil {
		up = parent.StableAttr().Ino
	}
	h.add(".", unix.S_IFDIR, d.StableAttr().Ino)
	h.add("..", unix.S_IFDIR, up)
	for _, e := range entries {
		h.add(e.Name, e.Mode, d.st.direntIno(&d.Inode, path+"/"+e.Name, e))
	}
	return 0
}

func (h *dirHandle) add(name string, mode uint32, ino uint64) {
	h.list = append(h.list, fuse.DirEntry{Name: name, Mode: mode, Ino: ino, Off: uint64(len(h.list) + 1)})
}

// Seekdir is seekdir(3); going back to the beginning lists again.
func (h *dirHandle) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off == 0 {
		h.list = nil
	}
	if off > uint64(len(h.list)) && h.list != nil {
		return syscall.EINVAL
	}
	h.next = int(off)
	return 0
}

// Fsyncdir is fsync(2) of a folder: of its scratch. Objects are on disk when
// the store answers, as --durability says.
func (h *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno {
	path, no := h.dir.path()
	if no != 0 {
		return 0
	}
	return h.dir.st.errno("fsyncdir", h.dir.st.store.SyncDir(path))
}
