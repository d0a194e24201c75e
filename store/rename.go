package store

import (
	"context"
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

func itoa(n uintptr) string { return strconv.FormatUint(uint64(n), 10) }

// published tells apart the names that are objects now from all others.
func (s *Store) published(path string) bool { return isObject(path) && !s.names.isOdd(path) }

// Link makes to a second name of the file at from. Between scratch and scratch
// it is link(2); a new name that is an object's publishes, and links of objects
// are the same inode, fetched first.
func (s *Store) Link(ctx context.Context, from, to string) (Entry, error) {
	src, err := s.content(ctx, from)
	defer s.release(from)
	if err != nil {
		return Entry{}, err
	}
	if n, ok := sstate.ParsePath(to); ok {
		if s.names.isOdd(to) {
			return Entry{}, errExist
		}
		if !regular(src) {
			return Entry{}, syscall.EPERM
		}
		e, err := s.publish(ctx, publishing{from: src, key: to, name: n})
		if err != nil {
			return Entry{}, err
		}
		s.await(ctx, e)
		return s.justPublished(ctx, to, src)
	}
	if s.isVirtual(ctx, to) {
		return Entry{}, errExist
	}
	err = s.withParent(to, func() error {
		return s.withRoomFor(func() error { return os.Link(src, s.layout.scratch(to)) })
	})
	if err != nil {
		return Entry{}, err
	}
	return s.lookupScratch(ctx, to)
}

// justPublished is the entry of what was published from src. It is ours even
// when another host was quicker: the caller's descriptor is on this inode.
func (s *Store) justPublished(ctx context.Context, key, src string) (Entry, error) {
	var st unix.Statx_t
	if lstat(src, &st) == nil {
		return s.objectEntry(key, &st, remote.Info{}), nil
	}
	return s.lookupObject(ctx, key)
}

// content is the local file behind a path; an object is fetched first.
func (s *Store) content(ctx context.Context, path string) (string, error) {
	if !s.published(path) {
		return s.layout.scratch(path), nil
	}
	s.fetches.use(path, 1) // the caller gives it back, and until then it stays
	f, err := s.openLocal(ctx, path)
	if err != nil {
		if errors.Is(err, errNoRoom) {
			err = syscall.ENOSPC
		}
		return "", err
	}
	return s.layout.object(path), f.Close()
}

// release ends the use of what content gave.
func (s *Store) release(path string) {
	if isObject(path) {
		s.fetches.use(path, -1)
	}
}

func regular(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// Rename gives the file at from the name to. flags are those of renameat2.
func (s *Store) Rename(ctx context.Context, from, to string, flags uint32) error {
	if from == to {
		return nil
	}
	toObject := isObject(to)
	switch {
	case s.published(from):
		return s.renameObject(ctx, from, to, flags)
	case toObject && regular(s.layout.scratch(from)):
		return s.renameToObject(ctx, from, to, flags)
	default:
		return s.renameScratch(ctx, from, to, flags)
	}
}

// renameToObject publishes a scratch file under its final name.
func (s *Store) renameToObject(ctx context.Context, from, to string, flags uint32) error {
	if flags&unix.RENAME_EXCHANGE != 0 {
		return syscall.EINVAL
	}
	n, _ := sstate.ParsePath(to)
	src := s.layout.scratch(from)
	var st unix.Stat_t
	if s.names.isOdd(to) && unix.Lstat(s.layout.scratch(to), &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return syscall.EISDIR
	}
	e, err := s.publish(ctx, publishing{from: src, key: to, name: n, force: flags&unix.RENAME_NOREPLACE == 0})
	if errors.Is(err, syscall.EIO) || isFull(err) && !n.IsArchive() {
		defer s.changed(to)
		return s.toPartial(src, to) // a failing rename would fail the build
	}
	if errors.Is(err, errRefused) && !n.IsArchive() {
		// --unlink=refuse, and another build published this signature since ours
		// looked: theirs counts, and a failing rename would fail the build.
		defer s.changed(to)
		return unix.Unlink(src)
	}
	if err != nil {
		return err
	}
	failpoint.Pass("rename.published")
	if err := unix.Unlink(src); err != nil {
		return err
	}
	failpoint.Pass("rename.unlinked")
	s.await(ctx, e)
	return nil
}

// renameObject takes an object away from its name and keeps it under another.
func (s *Store) renameObject(ctx context.Context, from, to string, flags uint32) error {
	if flags&unix.RENAME_EXCHANGE != 0 {
		return syscall.EINVAL
	}
	if s.opt.Unlink == UnlinkRefuse {
		return syscall.EPERM
	}
	src, err := s.content(ctx, from)
	defer s.release(from)
	if err != nil {
		return err
	}
	if n, ok := sstate.ParsePath(to); ok {
		e, err := s.publish(ctx, publishing{from: src, key: to, name: n, force: flags&unix.RENAME_NOREPLACE == 0})
		if err != nil {
			return err
		}
		defer s.await(ctx, e)
	} else if err := s.keepAs(ctx, src, to, flags); err != nil {
		return err
	}
	e, err := s.removeObject(ctx, from)
	if err == nil {
		s.await(ctx, e)
	}
	return err
}

// keepAs gives an object's file a scratch name.
func (s *Store) keepAs(ctx context.Context, src, to string, flags uint32) error {
	dst := s.layout.scratch(to)
	if flags&unix.RENAME_NOREPLACE != 0 {
		return s.withParent(to, func() error {
			return s.withRoomFor(func() error { return os.Link(src, dst) })
		})
	}
	if s.isVirtual(ctx, to) {
		return syscall.EISDIR
	}
	tmp := s.temporary()
	if err := s.withRoomFor(func() error { return os.Link(src, tmp) }); err != nil {
		return err
	}
	defer os.Remove(tmp)
	return s.withParent(to, func() error {
		return s.withRoomFor(func() error { return unix.Rename(tmp, dst) })
	})
}

// renameScratch is renameat2 between names that are no objects. Folders that
// hold objects, or would make some, cannot move in one step: EXDEV makes mv(1)
// copy.
func (s *Store) renameScratch(ctx context.Context, from, to string, flags uint32) error {
	if s.hasObjects(ctx, from) || s.wouldPublish(from, to) {
		return syscall.EXDEV
	}
	if flags&unix.RENAME_EXCHANGE != 0 && (s.hasObjects(ctx, to) || s.wouldPublish(to, from)) {
		return syscall.EXDEV
	}
	if err := s.targetAllows(ctx, from, to); err != nil {
		return err
	}
	err := s.withParent(to, func() error {
		return unix.Renameat2(unix.AT_FDCWD, s.layout.scratch(from), unix.AT_FDCWD, s.layout.scratch(to), uint(flags))
	})
	if err != nil {
		return err
	}
	if flags&unix.RENAME_EXCHANGE == 0 {
		s.names.moveOdd(from, to)
		if isObject(to) {
			s.names.setOdd(to, true)
		}
	}
	return nil
}

// targetAllows refuses targets that exist only on the remote or in the cache:
// rename(2) does not see them.
func (s *Store) targetAllows(ctx context.Context, from, to string) error {
	var st unix.Stat_t
	if unix.Lstat(s.layout.scratch(from), &st) != nil {
		return nil // rename says it
	}
	isDir := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case isObject(to) && !s.names.isOdd(to) && s.isVisible(ctx, to):
		if isDir {
			return syscall.ENOTDIR
		}
		return syscall.EPERM // a link or device over an object
	case !isObject(to) && s.hasObjects(ctx, to):
		if isDir {
			return syscall.ENOTEMPTY
		}
		return syscall.EISDIR
	}
	return nil
}
