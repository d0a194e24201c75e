package fs

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// identities decide which inode a name is.
//
// A local file has its own inode number, and the time of its birth as
// generation, so that go-fuse itself finds hard links and tells a file from a
// later one that got the same number. A remote object has no file: it gets a
// number from madeUp on. When it is fetched its node stays, and aliases leads
// from the file to it, for links that are looked up later.
type identities struct {
	mu      sync.Mutex
	next    uint64
	aliases map[store.FileID]fs.StableAttr
}

// madeUp is the first inode number that no local file has.
const madeUp = 1 << 62

func (i *identities) alias(id store.FileID, attr fs.StableAttr) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.aliases[id] = attr
}

func (i *identities) forget(id store.FileID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.aliases, id)
}

// attr is the identity of a new node for an entry.
func (i *identities) attr(e store.Entry) fs.StableAttr {
	i.mu.Lock()
	defer i.mu.Unlock()
	a := fs.StableAttr{Mode: e.Mode & unix.S_IFMT, Ino: e.ID.Ino, Gen: uint64(e.ID.Birth)}
	if e.ID == (store.FileID{}) {
		i.next++
		a.Ino, a.Gen = madeUp+i.next, 1
	} else if known, ok := i.aliases[e.ID]; ok {
		a.Ino, a.Gen = known.Ino, known.Gen
	}
	return a
}

// inode gives the node of an entry that was found as name in parent: the one
// the kernel knows if it is still the same file.
func (st *state) inode(ctx context.Context, parent *fs.Inode, name string, e store.Entry) *fs.Inode {
	if child := parent.GetChild(name); child != nil {
		switch n := child.Operations().(type) {
		case *dirNode:
			if e.IsDir() {
				n.see(e)
				return child
			}
		case *fileNode:
			if n.is(e) {
				return child
			}
		}
	}
	attr := st.ids.attr(e)
	if e.IsDir() {
		return parent.NewInode(ctx, &dirNode{st: st, last: e}, attr)
	}
	n := &fileNode{st: st, brief: store.IsTemporary(e.Path)}
	n.become(e)
	return parent.NewInode(ctx, n, attr)
}

// direntIno is the number a listing shows for a name: the kernel's if it knows
// it, else the local file's, else a stable one made of the path.
func (st *state) direntIno(parent *fs.Inode, path string, d store.DirEntry) uint64 {
	if child := parent.GetChild(d.Name); child != nil {
		return child.StableAttr().Ino
	}
	if d.Ino != 0 {
		return d.Ino
	}
	return madeUp | maphash.String(st.seed, path)>>2
}
