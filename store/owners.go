package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// parts are the names that a cache directory has.
func (l layout) parts() []string {
	return []string{
		"format", "learned", "lock", "running", "synced", "objects", "queue", "queue/held", "pinned", "removed",
		"scratch", "fetch", "misses", "broken", "sums", "index", "feed", "usage", "log",
	}
}

// checkOwners refuses a cache in which another user than uid and root could put
// names of his: the daemon would follow his links, as root perhaps.
func (l layout) checkOwners(uid uint32) error {
	if err := l.checkPart(l.dir, nil); err != nil {
		return err
	}
	for _, part := range l.parts() {
		if err := l.checkPart(l.path(part), &uid); err != nil {
			return err
		}
	}
	return nil
}

// checkPart checks one name, whose owner counts unless uid is nil: the directory
// itself may be one that an administrator has given.
func (l layout) checkPart(path string, uid *uint32) error {
	look := os.Lstat
	if uid == nil {
		look = os.Stat
	}
	fi, err := look(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case fi.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("cache %s: %s is a symbolic link: remove it, or give another --cache-dir", l.dir, path)
	case !fi.IsDir() && !fi.Mode().IsRegular():
		return fmt.Errorf("cache %s: %s is neither a file nor a folder: remove it, or give another --cache-dir", l.dir, path)
	case fi.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("cache %s: every user can write to %s: chmod o-w it, or give another --cache-dir", l.dir, path)
	case ok && uid != nil && st.Uid != *uid && st.Uid != 0:
		return fmt.Errorf("cache %s: %s belongs to user %d: chown it, or give another --cache-dir", l.dir, path, st.Uid)
	}
	return nil
}

// seclude keeps other users out of the cache of a mount that they may use. Their
// scratch is theirs there too: whoever reached it could put a link in the place
// of a folder, behind the mount, and the daemon would follow it as root.
func (s *Store) seclude() error {
	if !s.opt.SharedMount {
		return nil
	}
	if err := os.Chmod(s.opt.Dir, 0o700); err != nil {
		return fmt.Errorf("cache %s: %w", s.opt.Dir, err)
	}
	return nil
}
