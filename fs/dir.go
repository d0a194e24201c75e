package fs

import (
	"context"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/store"
)

// dirNode is a folder of the mount.
type dirNode struct {
	fs.Inode
	st *state

	mu   sync.Mutex
	last store.Entry // as it was last seen, for who has it open when it is gone
}

var (
	_ fs.NodeLookuper       = (*dirNode)(nil)
	_ fs.NodeGetattrer      = (*dirNode)(nil)
	_ fs.NodeSetattrer      = (*dirNode)(nil)
	_ fs.NodeMkdirer        = (*dirNode)(nil)
	_ fs.NodeRmdirer        = (*dirNode)(nil)
	_ fs.NodeMknoder        = (*dirNode)(nil)
	_ fs.NodeSymlinker      = (*dirNode)(nil)
	_ fs.NodeUnlinker       = (*dirNode)(nil)
	_ fs.NodeLinker         = (*dirNode)(nil)
	_ fs.NodeRenamer        = (*dirNode)(nil)
	_ fs.NodeCreater        = (*dirNode)(nil)
	_ fs.NodeOpendirHandler = (*dirNode)(nil)
	_ fs.NodeStatfser       = (*dirNode)(nil)
	_ fs.NodeTmpfiler       = (*dirNode)(nil)
)

// path is the folder's path in the mount, ENOENT if it has been removed.
func (d *dirNode) path() (string, syscall.Errno) { return pathOf(&d.Inode) }

// child is the path of a name in the folder.
func (d *dirNode) child(name string) (string, syscall.Errno) {
	var room [usualDepth]string
	return pathUp(&d.Inode, append(room[:0], name))
}

// usualDepth is how many components the paths of objects and their temporaries
// have at most: [EXTRAPATH/]hh/hh/[tmpXXXXXXXX/]NAME.
const usualDepth = 5

// pathOf walks up from a node. It does not use Inode.Path, which makes up a
// path for nodes that have none.
func pathOf(n *fs.Inode) (string, syscall.Errno) {
	var room [usualDepth]string
	return pathUp(n, room[:0])
}

// pathUp is the path of a node with what is below it, the last component first.
// It is put together once: every lookup needs one.
func pathUp(n *fs.Inode, below []string) (string, syscall.Errno) {
	for !n.IsRoot() {
		name, parent := n.Parent()
		if parent == nil {
			return "", syscall.ENOENT
		}
		below = append(below, name)
		n = parent
	}
	size := len(below)
	for _, name := range below {
		size += len(name)
	}
	var path strings.Builder
	path.Grow(size)
	for i := len(below) - 1; i >= 0; i-- {
		path.WriteString(below[i])
		if i > 0 {
			path.WriteByte('/')
		}
	}
	return path.String(), 0
}

// Lookup is how the kernel asks for a name.
func (d *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := d.st.call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return nil, no
	}
	e, err := d.st.store.Lookup(c, path)
	if err != nil {
		return nil, d.st.errno("lookup", err)
	}
	d.st.fillEntry(out, &e)
	return d.st.inode(ctx, &d.Inode, name, e), 0
}

// Getattr is stat(2).
func (d *dirNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := d.st.call(ctx)
	defer c.end()
	path, no := d.path()
	if no != 0 {
		e := d.seen()
		e.Nlink = 0
		d.st.fillAttrOut(out, &e, &d.Inode)
		return 0
	}
	e, err := d.st.store.Stat(c, path)
	if err != nil {
		return stale(d.st.errno("getattr", err))
	}
	d.see(e)
	d.st.fillAttrOut(out, &e, &d.Inode)
	return 0
}

func (d *dirNode) see(e store.Entry) {
	d.mu.Lock()
	d.last = e
	d.mu.Unlock()
}

func (d *dirNode) seen() store.Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

// Setattr is chmod(2), chown(2) and utimensat(2).
func (d *dirNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	c := d.st.call(ctx)
	defer c.end()
	path, no := d.path()
	if no != 0 {
		return no
	}
	e, err := d.st.store.SetAttr(c, path, nil, wanted(in))
	if err != nil {
		return d.st.errno("setattr", err)
	}
	d.see(e)
	d.st.fillAttrOut(out, &e, &d.Inode)
	return 0
}

// made answers for a new name.
func (d *dirNode) made(ctx context.Context, name string, e store.Entry, err error, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err != nil {
		return nil, d.st.errno("make", err)
	}
	d.st.fillEntry(out, &e)
	return d.st.inode(ctx, &d.Inode, name, e), 0
}

func caller(ctx context.Context) store.Caller {
	if c, ok := ctx.(*fuse.Context); ok {
		return store.Caller{UID: c.Uid, GID: c.Gid}
	}
	return store.Caller{}
}

// Mkdir is mkdir(2).
func (d *dirNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return nil, no
	}
	if err := d.st.store.MayMake(path, syscall.S_IFDIR, caller(ctx)); err != nil {
		return nil, d.st.errno("make", err)
	}
	e, err := d.st.store.Mkdir(c, path, mode, caller(ctx))
	return d.made(ctx, name, e, err, out)
}

// Mknod is mknod(2).
func (d *dirNode) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return nil, no
	}
	if err := d.st.store.MayMake(path, mode, caller(ctx)); err != nil {
		return nil, d.st.errno("make", err)
	}
	e, err := d.st.store.Mknod(c, path, mode, dev, caller(ctx))
	return d.made(ctx, name, e, err, out)
}

// Symlink is symlink(2).
func (d *dirNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return nil, no
	}
	if err := d.st.store.MayMake(path, syscall.S_IFLNK, caller(ctx)); err != nil {
		return nil, d.st.errno("make", err)
	}
	e, err := d.st.store.Symlink(c, target, path, caller(ctx))
	return d.made(ctx, name, e, err, out)
}

// Rmdir is rmdir(2).
func (d *dirNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return no
	}
	if err := d.st.store.MayTake(c, path, caller(ctx)); err != nil {
		return d.st.errno("rmdir", err)
	}
	return d.st.errno("rmdir", d.st.store.Rmdir(c, path))
}

// Unlink is unlink(2). Who has the file open keeps it.
func (d *dirNode) Unlink(ctx context.Context, name string) syscall.Errno {
	c := call(ctx)
	defer c.end()
	path, no := d.child(name)
	if no != 0 {
		return no
	}
	if err := d.st.store.MayTake(c, path, caller(ctx)); err != nil {
		return d.st.errno("unlink", err)
	}
	release := d.hold(name, path)
	no = d.st.errno("unlink", d.st.store.Unlink(c, path))
	release(no == 0)
	if no == 0 {
		d.lost(name, path)
	}
	return no
}

// hold keeps a hand on a local file that is about to lose its name, and maybe its
// last: on a disk a process between looking it up and opening it would have one
// too, and of a name that is replaced again and again the kernel looks twice
// only. The node keeps it until the kernel forgets it.
func (d *dirNode) hold(name, path string) (release func(lost bool)) {
	child := d.GetChild(name)
	if child == nil {
		return func(bool) {}
	}
	n, ok := child.Operations().(*fileNode)
	if !ok {
		return func(bool) {}
	}
	if key := n.object(); key != "" && key != path {
		return func(bool) {} // was published: a hand on it would keep the space of what is trimmed
	}
	f, err := d.st.store.OpenPath(path)
	if err != nil {
		return func(bool) {}
	}
	if e, err := d.st.store.StatFile(path, f); err != nil || !n.has(e.ID) || !n.haunt(f) {
		f.Close() // another file by now, or the node has one
		return func(bool) {}
	}
	return func(lost bool) {
		if !lost {
			n.exorcise()
		}
	}
}

// lost tells the node that had a name that it has it no more.
func (d *dirNode) lost(name, path string) {
	if child := d.GetChild(name); child != nil {
		if n, ok := child.Operations().(*fileNode); ok {
			n.unname(path)
		}
	}
}

// Link is link(2), and the moment at which BitBake publishes an archive.
func (d *dirNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	c := call(ctx)
	defer c.end()
	to, no := d.child(name)
	if no != 0 {
		return nil, no
	}
	n, ok := target.(*fileNode)
	if !ok {
		return nil, syscall.EPERM
	}
	from, no := pathOf(&n.Inode)
	if no != 0 {
		return nil, stale(no)
	}
	if err := d.st.store.MayMake(to, syscall.S_IFREG, caller(ctx)); err != nil {
		return nil, d.st.errno("link", err)
	}
	e, err := d.st.store.Link(c, from, to)
	if err != nil {
		return nil, d.st.errno("link", err)
	}
	n.adopt(e)
	d.st.fillEntry(out, &e)
	return &n.Inode, 0
}

// Rename is renameat2(2), and the moment at which BitBake publishes a
// signature.
func (d *dirNode) Rename(ctx context.Context, name string, newParent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	c := call(ctx)
	defer c.end()
	dst, ok := newParent.(*dirNode)
	if !ok {
		return syscall.ENOTDIR
	}
	from, no := d.child(name)
	if no != 0 {
		return no
	}
	to, no := dst.child(newName)
	if no != 0 {
		return no
	}
	if err := d.st.store.MayRename(c, from, to, flags, caller(ctx)); err != nil {
		return d.st.errno("rename", err)
	}
	release := dst.hold(newName, to)
	err := d.st.store.Rename(c, from, to, flags)
	release(err == nil)
	if err != nil {
		return d.st.errno("rename", err)
	}
	dst.lost(newName, to)
	if child := d.GetChild(name); child != nil {
		if n, ok := child.Operations().(*fileNode); ok {
			n.renamed(c, from, to)
		}
	}
	return 0
}

// Tmpfile is O_TMPFILE, which has no name until it is linked through /proc;
// BitBake does not use it.
func (d *dirNode) Tmpfile(context.Context, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EOPNOTSUPP
}

// Statfs is statfs(2): the disk that the cache is on. BitBake's disk monitor
// stops a build when it sees nothing free.
func (d *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	s, err := d.st.store.Statfs()
	if err != nil {
		return d.st.errno("statfs", err)
	}
	out.Blocks, out.Bfree, out.Bavail = s.Blocks, s.Bfree, s.Bavail
	out.Files, out.Ffree = s.Files, s.Ffree
	out.Bsize, out.Frsize, out.NameLen = uint32(s.Bsize), uint32(s.Frsize), 255
	return 0
}
