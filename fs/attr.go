package fs

import (
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/store"
)

// How long the kernel may keep what it was told. Scratch changes only through
// the kernel itself.
const (
	scratchTTL = time.Hour
	// indexedTTL is for objects behind an index: changes elsewhere are sent
	// after the kernel when the index hears of them.
	indexedTTL     = time.Hour
	indexedAttrTTL = time.Minute
	// askedTTL is for names that the remote is asked for one by one.
	askedTTL = time.Second
	// virtualTTL is for folders that exist by what is below them, where nobody
	// tells when that goes.
	virtualTTL = time.Second

	indexedNegativeTTL = 5 * time.Second
)

func fillAttr(a *fuse.Attr, e *store.Entry) {
	a.Mode, a.Size, a.Nlink = e.Mode, uint64(e.Size), e.Nlink
	a.Uid, a.Gid, a.Rdev = e.UID, e.GID, uint32(e.Rdev)
	a.Blocks, a.Blksize = uint64(e.Blocks), 4096
	a.Atime, a.Atimensec = uint64(e.Atime.Unix()), uint32(e.Atime.Nanosecond())
	a.Mtime, a.Mtimensec = uint64(e.Mtime.Unix()), uint32(e.Mtime.Nanosecond())
	a.Ctime, a.Ctimensec = uint64(e.Ctime.Unix()), uint32(e.Ctime.Nanosecond())
}

// ttl is how long name and attributes of an entry may be kept.
func (st *state) ttl(e *store.Entry) (entry, attr time.Duration) {
	switch {
	case e.Object && st.indexed:
		return indexedTTL, indexedAttrTTL
	case e.Object:
		return askedTTL, askedTTL
	case e.Virtual && st.indexed:
		return indexedTTL, indexedTTL // its attributes never change, see send for its end
	case e.Virtual:
		return virtualTTL, virtualTTL
	case e.Unsettled:
		return scratchTTL, virtualTTL
	}
	return scratchTTL, scratchTTL
}

func (st *state) fillEntry(out *fuse.EntryOut, e *store.Entry) {
	fillAttr(&out.Attr, e)
	entry, attr := st.ttl(e)
	out.SetEntryTimeout(entry)
	out.SetAttrTimeout(attr)
}

func (st *state) fillAttrOut(out *fuse.AttrOut, e *store.Entry, n *fs.Inode) {
	fillAttr(&out.Attr, e)
	out.Ino = n.StableAttr().Ino
	_, attr := st.ttl(e)
	out.SetTimeout(attr)
}

// wanted translates what SETATTR asks for.
func wanted(in *fuse.SetAttrIn) store.Attr {
	var a store.Attr
	if m, ok := in.GetMode(); ok {
		a.Mode = &m
	}
	if u, ok := in.GetUID(); ok {
		a.UID = &u
	}
	if g, ok := in.GetGID(); ok {
		a.GID = &g
	}
	if s, ok := in.GetSize(); ok {
		n := int64(s)
		a.Size = &n
	}
	if t, ok := in.GetATime(); ok {
		a.Times.Atime = &t
	}
	if t, ok := in.GetMTime(); ok {
		a.Times.Mtime = &t
	}
	a.Times.Now = in.Valid&fuse.FATTR_MTIME_NOW != 0
	return a
}
