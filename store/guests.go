package store

import (
	"context"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/sstate"
)

// What the users of a shared mount may do to one another. The folders of objects
// are open to all, as if they were sticky: a build that has made one, and a
// temporary in it, must find both where they were, or it fails, and must not find
// somebody else's, or it publishes that.

// isGuest reports whether the rules are for this user.
func (s *Store) isGuest(who Caller) bool { return s.opt.SharedMount && who.UID != 0 }

// MayTake reports whether a user may take the name of what is at path, by
// unlink, rmdir or rename: EPERM for temporaries and folders that others have made
// where objects go. A folder that holds objects is not empty, and a folder of ours
// was made for one that rm -r empties.
func (s *Store) MayTake(ctx context.Context, path string, who Caller) error {
	var st unix.Statx_t
	if !s.isGuest(who) || !sstate.IsTemporary(path) && !isPlace(path) || s.statScratch(path, &st) != nil {
		return nil
	}
	if st.Uid == who.UID || isPlace(path) && (st.Uid == s.uid || s.hasObjects(ctx, path)) {
		return nil
	}
	return syscall.EPERM
}

// MayRename reports whether a user may rename what is at from to the name to, with
// the flags of renameat2: EPERM for what MayTake forbids, for folders in which
// objects could be, and for what others have made beside those. Of a folder that
// holds some, Rename itself says why not.
func (s *Store) MayRename(ctx context.Context, from, to string, flags uint32, who Caller) error {
	if !s.isGuest(who) {
		return nil
	}
	for _, path := range []string{from, to} {
		if err := s.MayTake(ctx, path, who); err != nil {
			return err
		}
		if (isPlace(path) || s.leadsToObjects(ctx, path)) && !s.hasObjects(ctx, path) {
			return syscall.EPERM
		}
	}
	if err := s.mayMove(ctx, from, to, who); err != nil || flags&unix.RENAME_EXCHANGE == 0 {
		return err
	}
	return s.mayMove(ctx, to, from, who)
}

// mayMove is EPERM for a name that what is at from may not get, and for what
// others have made in a folder that is open to all: put where a file of the
// caller's was, a chmod of his that is under way would be done to it.
func (s *Store) mayMove(ctx context.Context, from, to string, who Caller) error {
	var st unix.Statx_t
	if s.statScratch(from, &st) != nil {
		return nil
	}
	open := parent(from) == "" || isPlace(parent(from))
	if open && st.Uid != who.UID && !s.hasObjects(ctx, from) {
		return syscall.EPERM
	}
	return mayCarry(st.Mode&unix.S_IFMT, to)
}

// mayCarry is EPERM for folders, pipes and the like under an object's name, which
// a build that publishes it would meet: whoever knows the hash could make it fail.
// BitBake itself makes links there, to what a mirror has. kind is as in st_mode.
func mayCarry(kind uint16, path string) error {
	switch kind {
	case unix.S_IFREG, unix.S_IFLNK:
		return nil
	}
	if isObject(path) {
		return syscall.EPERM
	}
	return nil
}

// MayMake reports whether a user may make something of a kind, as in st_mode, at a
// path: EPERM for what is no folder where a folder of objects goes. Others could
// not publish there, or would follow his link. And see mayCarry.
func (s *Store) MayMake(path string, kind uint32, who Caller) error {
	kind &= unix.S_IFMT
	if !s.isGuest(who) {
		return nil
	}
	if kind != unix.S_IFDIR && isPlace(path) {
		return syscall.EPERM
	}
	return mayCarry(uint16(kind), path)
}

// isPlace reports whether a folder with objects is looked for under this name.
func isPlace(path string) bool {
	return sstate.IsFolder(path) || parent(path) == "" && looksNative(path)
}
