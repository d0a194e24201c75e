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

// MayMove reports whether a user may rename what is at path, or something to it:
// EPERM for folders in which objects could be. Of one that holds some, Rename
// itself says why not.
func (s *Store) MayMove(ctx context.Context, path string, who Caller) error {
	if s.isGuest(who) && (isPlace(path) || s.leadsToObjects(ctx, path)) && !s.hasObjects(ctx, path) {
		return syscall.EPERM
	}
	return nil
}

// MayMake reports whether a user may give something that is no folder the name
// path: EPERM where a folder of objects goes. Others could not publish there, or
// would follow his link.
func (s *Store) MayMake(path string, who Caller) error {
	if s.isGuest(who) && isPlace(path) {
		return syscall.EPERM
	}
	return nil
}

// isPlace reports whether a folder with objects is looked for under this name.
func isPlace(path string) bool {
	return sstate.IsFolder(path) || parent(path) == "" && looksNative(path)
}
