package store

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// published tells apart the names that are objects now from all others.
func (s *Store) published(path string) bool { return isObject(path) && !s.names.isOdd(path) }

// Link makes to a second name of the file at from. Between scratch and scratch
// it is link(2); a new name that is an object's publishes, and links of objects
// are the same inode, fetched first.
func (s *Store) Link(ctx context.Context, from, to string) (Entry, error) {
	src, release, err := s.content(ctx, from)
	if err != nil {
		return Entry{}, err
	}
	defer release()
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
	err = s.withParent(to, func(p spot) error {
		return s.withRoomFor(func() error { return p.linkTo(src) })
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
	if statFrom(src, &st) == nil && st.Nlink > 0 {
		return s.objectEntry(key, &st, remote.Info{}), nil
	}
	return s.lookupObject(ctx, key)
}

// content is the local file behind a path, until release is called; an object is
// fetched first, and stays that long. Scratch is what it is now: another file
// may get its name while this one is published.
func (s *Store) content(ctx context.Context, path string) (src string, release func(), err error) {
	if !s.published(path) {
		f, err := s.hold(path)
		if err != nil {
			return "", nil, err
		}
		return fdPath(f), func() { f.Close() }, nil
	}
	s.fetches.use(path, 1)
	release = func() { s.fetches.use(path, -1) }
	f, err := s.openLocal(ctx, path)
	if err != nil {
		release()
		if errors.Is(err, errNoRoom) {
			err = syscall.ENOSPC
		}
		return "", nil, err
	}
	f.Close()
	return s.layout.object(path), release, nil
}

// regular reports whether a local file is one in which content is.
func regular(path string) bool {
	var st unix.Statx_t
	return statFrom(path, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
}

// typeOf is the type of what is at a path in scratch, as in st_mode; 0 if nothing
// is.
func (s *Store) typeOf(path string) uint16 {
	var st unix.Statx_t
	if s.statScratch(path, &st) != nil {
		return 0
	}
	return st.Mode & unix.S_IFMT
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
	case toObject && s.typeOf(from) == unix.S_IFREG:
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
	if s.names.isOdd(to) && s.typeOf(to) == unix.S_IFDIR {
		return syscall.EISDIR
	}
	e, err := s.publishAndUnlink(ctx, from, to, flags)
	if err == nil {
		failpoint.Pass("rename.unlinked")
		s.await(ctx, e)
	}
	return err
}

// publishAndUnlink is renameToObject without the waiting. What cannot be published
// is put beside the name, or dropped, where a failing rename would fail the build.
func (s *Store) publishAndUnlink(ctx context.Context, from, to string, flags uint32) (*entry, error) {
	p, err := s.at(from)
	if err != nil {
		return nil, err
	}
	defer p.close()
	fd, err := p.open(unix.O_PATH, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, _ := sstate.ParsePath(to)
	src := fdName(fd)
	if !regular(src) {
		return nil, syscall.EPERM // it was, a moment ago
	}
	e, err := s.publish(ctx, publishing{from: src, key: to, name: n, force: flags&unix.RENAME_NOREPLACE == 0})
	switch {
	case errors.Is(err, syscall.EIO), isFull(err) && !n.IsArchive():
		defer s.changed(to)
		return nil, s.toPartial(p, to)
	case errors.Is(err, errRefused) && !n.IsArchive():
		// --unlink=refuse, and another build published this signature since ours
		// looked: theirs counts.
		defer s.changed(to)
		return nil, p.unlink()
	case err != nil:
		return nil, err
	}
	failpoint.Pass("rename.published")
	return e, p.unlink()
}

// renameObject takes an object away from its name and keeps it under another.
func (s *Store) renameObject(ctx context.Context, from, to string, flags uint32) error {
	if flags&unix.RENAME_EXCHANGE != 0 {
		return syscall.EINVAL
	}
	if s.opt.Unlink == UnlinkRefuse {
		return syscall.EPERM
	}
	src, release, err := s.content(ctx, from)
	if err != nil {
		return err
	}
	defer release()
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
	if flags&unix.RENAME_NOREPLACE != 0 {
		return s.withParent(to, func(p spot) error {
			return s.withRoomFor(func() error { return p.linkTo(src) })
		})
	}
	if s.isVirtual(ctx, to) {
		return syscall.EISDIR
	}
	tmp := s.temporary()
	if err := s.withRoomFor(func() error { return link(src, tmp) }); err != nil {
		return err
	}
	defer os.Remove(tmp)
	return s.withParent(to, func(p spot) error {
		return s.withRoomFor(func() error { return cacheSpot(tmp).rename(p, 0) })
	})
}

// renameScratch is renameat2 between names that are no objects. Folders that
// hold objects, or would make some, cannot move in one step: EXDEV makes mv(1)
// copy.
func (s *Store) renameScratch(ctx context.Context, from, to string, flags uint32) error {
	exchange := flags&unix.RENAME_EXCHANGE != 0
	if s.hasObjects(ctx, from) || exchange && s.hasObjects(ctx, to) {
		return syscall.EXDEV // also where scratch has no such folder
	}
	src, err := s.at(from)
	if err != nil {
		return err
	}
	defer src.close()
	if wouldPublish(src, to) {
		return syscall.EXDEV
	}
	if err := s.targetAllows(ctx, src, to); err != nil {
		return err
	}
	err = s.withParent(to, func(dst spot) error {
		if exchange && wouldPublish(dst, from) {
			return syscall.EXDEV
		}
		return src.rename(dst, flags)
	})
	if err != nil {
		return err
	}
	if !exchange {
		s.names.moveOdd(from, to)
		if isObject(to) {
			s.names.setOdd(to, true)
		}
	}
	return nil
}

// wouldPublish reports whether moving scratch would give regular files the names
// of objects.
func wouldPublish(p spot, to string) bool {
	if isObject(to) {
		var st unix.Statx_t
		return strings.HasPrefix(p.name, "sstate:") && p.stat(&st) == nil && st.Mode&unix.S_IFMT == unix.S_IFREG
	}
	if !couldHoldObjects(to) {
		return false
	}
	fd, err := p.open(unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	names, _ := namesOpen(fd)
	for _, n := range names {
		if wouldPublish(spot{dir: fd, name: n.Name}, join(to, n.Name)) {
			return true
		}
	}
	return false
}

// targetAllows refuses targets that exist only on the remote or in the cache:
// rename(2) does not see them.
func (s *Store) targetAllows(ctx context.Context, from spot, to string) error {
	var st unix.Statx_t
	if from.stat(&st) != nil {
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
