package fs

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/store"
)

// fileNode is everything that is no folder: an object, a scratch file, a
// symbolic link. One node may have a scratch name and an object's: a temporary
// and what was published from it.
type fileNode struct {
	fs.Inode
	st *state

	inUse sync.RWMutex // held for reading while a handle's file is used, for writing to close one; before mu

	mu      sync.Mutex
	key     string // the object's name that it has, "" for none
	brief   bool   // it was a temporary when it was looked up, or renamed
	id      store.FileID
	size    int64
	handles []*fileHandle // open ones: a file without a name is reached through them
	ghost   *os.File      // O_PATH, of a file that lost a name
	last    store.Entry   // as it was last seen

	draft    *store.Draft  // what is being written under key
	drafting chan struct{} // closed when the draft that is being made is there, nil if none is
	created  bool          // there was nothing under key before the draft
	writers  int           // open draftHandles
	renewals int           // open handles that had the kernel forget its pages

	// See backing.go.
	users   int      // open handles
	passes  bool     // they pass through
	plain   bool     // they do not, or the last ones did not
	backing *os.File // for handles that pass and have no file of their own
}

var (
	_ fs.NodeGetattrer   = (*fileNode)(nil)
	_ fs.NodeSetattrer   = (*fileNode)(nil)
	_ fs.NodeOpener      = (*fileNode)(nil)
	_ fs.NodeReadlinker  = (*fileNode)(nil)
	_ fs.NodeOnForgetter = (*fileNode)(nil)
	_ fs.NodeStatfser    = (*fileNode)(nil)
)

// is reports whether an entry that was found under the node's name is still
// this inode. An object stays the same when it is fetched for the first time,
// and when it is trimmed, as long as it is not fetched again.
func (n *fileNode) is(e store.Entry) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.same(e)
}

// isSurely is like is, but does not take an object for the same that was here and
// is on the remote only: that may be another of the same size.
func (n *fileNode) isSurely(e store.Entry) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return (n.id == store.FileID{} || n.id == e.ID) && n.same(e)
}

// same is is with mu held.
func (n *fileNode) same(e store.Entry) bool {
	if e.ID == n.id && e.ID != (store.FileID{}) {
		n.last = e
		if e.Object {
			n.key = e.Path
		}
		return true
	}
	if !e.Object || n.key != e.Path || n.created || n.size != e.Size {
		return false
	}
	if e.ID != (store.FileID{}) && n.id != (store.FileID{}) {
		return false // another file: of the same size, but whose bytes?
	}
	n.moved(e)
	return true
}

// moved notes that the object's content is in another file now, or in none.
// Called with mu.
func (n *fileNode) moved(e store.Entry) {
	n.last = e
	if e.Local {
		n.st.ids.forget(n.id)
		n.id = e.ID
		n.st.ids.alias(e.ID, n.StableAttr())
	}
}

// become notes what the node stands for now.
func (n *fileNode) become(e store.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.size, n.last = e.Size, e
	if e.ID != (store.FileID{}) {
		n.id = e.ID
	}
	if e.Object {
		n.key = e.Path
	}
}

// unname notes that the node has lost a name: the next lookup of it is another
// inode.
func (n *fileNode) unname(path string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.key == path {
		n.key = ""
	}
}

// renamed notes a new name in place of an old one.
func (n *fileNode) renamed(ctx context.Context, from, to string) {
	n.unname(from)
	e, err := n.st.store.Stat(ctx, to)
	n.mu.Lock()
	same := e.ID == n.id
	n.brief = store.IsTemporary(to)
	n.mu.Unlock()
	if err == nil && (same || !e.Object) { // else another host's content has won
		n.adopt(e)
	}
}

// adopt is become for a node that the kernel knows: if its file is another now,
// an object fetched because it was linked or renamed, it keeps its number.
func (n *fileNode) adopt(e store.Entry) {
	n.become(e)
	if a := n.StableAttr(); e.ID != (store.FileID{}) && (a.Ino != e.ID.Ino || a.Gen != uint64(e.ID.Birth)) {
		n.st.ids.alias(e.ID, a)
	}
}

func (n *fileNode) object() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.key
}

// OnForget is called when the kernel has forgotten the node.
func (n *fileNode) OnForget() {
	n.exorcise()
	n.mu.Lock()
	id := n.id
	n.mu.Unlock()
	n.st.ids.forget(id)
}

// entry finds out how the node is now: by its draft, by its name, by an open
// handle, or, if it has none of these any more, by what it was.
func (n *fileNode) entry(ctx context.Context) (store.Entry, error) {
	n.mu.Lock()
	draft, created, key, id := n.draft, n.created, n.key, n.id
	n.mu.Unlock()
	if draft != nil && created {
		return draft.Stat()
	}
	path, no := key, syscall.Errno(0)
	if key == "" {
		path, no = pathOf(&n.Inode)
	}
	if no == 0 {
		e, err := n.st.store.Stat(ctx, path)
		if err == nil && (e.ID == id || key != "" && e.Object) {
			n.remember(e)
			return e, nil
		}
	}
	var e store.Entry
	ok, err := n.withFile(func(f *os.File) (err error) {
		e, err = n.st.store.StatFile(path, f)
		return err
	})
	if ok {
		return e, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.handles) == 0 {
		return store.Entry{}, syscall.ENOENT
	}
	gone := n.last // an object read from the remote whose name is gone
	gone.Nlink = 0
	return gone, nil
}

func (n *fileNode) remember(e store.Entry) {
	n.mu.Lock()
	n.last = e
	n.mu.Unlock()
}

// Getattr is stat(2).
func (n *fileNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	c := n.st.call(ctx)
	defer c.end()
	e, err := n.entry(c)
	if err != nil {
		return stale(n.st.errno("getattr", err))
	}
	n.st.fillAttrOut(out, &e, &n.Inode)
	return 0
}

// Setattr is chmod(2), chown(2), truncate(2) and utimensat(2).
func (n *fileNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	c := n.st.call(ctx)
	defer c.end()
	a := wanted(in)
	var e store.Entry
	var err error
	if key := n.object(); key != "" {
		e, err = n.setObject(c, key, a)
	} else {
		e, err = n.setScratch(c, a)
	}
	if err != nil {
		return stale(n.st.errno("setattr", err))
	}
	n.remember(e)
	n.st.fillAttrOut(out, &e, &n.Inode)
	return 0
}

// setScratch changes a scratch file by its name, or by an open handle if it has
// lost it.
func (n *fileNode) setScratch(ctx context.Context, a store.Attr) (e store.Entry, err error) {
	path, no := pathOf(&n.Inode)
	if no == 0 {
		e, err = n.st.store.SetAttr(ctx, path, nil, a)
		if !errors.Is(err, syscall.ENOENT) {
			return e, err
		}
		if store.IsObject(path) && a.OnlyTimes() {
			return n.timesLost(a.Times), nil // it was an object when the kernel looked
		}
	}
	if n.isComing() { // the file is the download's: answered as of an object
		if a.Size != nil {
			return e, syscall.EPERM
		}
		return n.timesLost(a.Times), nil
	}
	ok, err := n.withFile(func(f *os.File) (err error) {
		e, err = n.st.store.SetAttr(ctx, "", f, a)
		return err
	})
	if !ok {
		err = syscall.ENOENT
	}
	return e, err
}

// Readlink is readlink(2), of this link: another may have been renamed over it.
func (n *fileNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	var target string
	path, no := pathOf(&n.Inode)
	err := error(no)
	if no == 0 {
		target, err = n.st.store.Readlink(path)
	}
	if err != nil {
		_, _ = n.withFile(func(f *os.File) error {
			target, err = store.ReadlinkOpen(f)
			return err
		})
	}
	return []byte(target), stale(n.st.errno("readlink", err))
}

// Statfs is statfs(2).
func (n *fileNode) Statfs(ctx context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.st.root.Statfs(ctx, out)
}
