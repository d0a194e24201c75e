package store

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Caller is who makes a file: it becomes its owner where the daemon may give
// files away.
type Caller struct{ UID, GID uint32 }

// openFlags are those of open(2) that mean something on the local file. The
// kernel has dealt with the others; O_APPEND would defeat the offsets it gives.
const openFlags = unix.O_ACCMODE | unix.O_TRUNC | unix.O_SYNC | unix.O_DSYNC | unix.O_NOATIME

// CreateFile makes a scratch file and opens it. EEXIST if the name is taken, also
// without O_EXCL: who may open what is there is for the kernel to say.
func (s *Store) CreateFile(ctx context.Context, path string, flags int, mode uint32, who Caller) (*os.File, Entry, error) {
	var fd int
	err := s.withParent(path, func(p spot) error {
		err := s.withRoomFor(func() (err error) {
			fd, err = p.open(flags&openFlags|unix.O_CREAT|unix.O_EXCL, mode&0o7777)
			return err
		})
		if err == nil {
			s.own(p, mode, who)
		}
		return err
	})
	if err != nil {
		return nil, Entry{}, err
	}
	f := os.NewFile(uintptr(fd), path)
	e, err := s.statFile(path, f)
	if err != nil {
		f.Close()
	}
	return f, e, err
}

// own gives a new name its mode, whatever the daemon's umask, and its owner. A
// folder that hands its group down has done so already.
func (s *Store) own(p spot, mode uint32, who Caller) {
	if s.uid == 0 && (who.UID != 0 || who.GID != 0) {
		gid := int(who.GID)
		var dir unix.Stat_t
		if unix.Fstat(p.dir, &dir) == nil && dir.Mode&unix.S_ISGID != 0 {
			gid = -1
		}
		if err := p.chown(int(who.UID), gid); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.quiet.warn("owner of scratch file not set", "error", err)
		}
	}
	var st unix.Statx_t
	if mode&unix.S_IFMT == unix.S_IFLNK || mode&0o7777 == 0 || p.stat(&st) != nil {
		return
	}
	want := mode & 0o7777
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		want |= uint32(st.Mode) & unix.S_ISGID
	}
	if uint32(st.Mode)&0o7777 != want {
		if err := p.chmod(want); err != nil {
			s.quiet.warn("mode of scratch file not set", "error", err)
		}
	}
}

// statFile is the entry of an open scratch file, which may have lost its name.
func (s *Store) statFile(path string, f *os.File) (Entry, error) {
	var st unix.Statx_t
	ask := func(st *unix.Statx_t) error { return statAt(int(f.Fd()), "", unix.AT_EMPTY_PATH, st) }
	err := ask(&st)
	return s.fileEntry(path, &st, ask), err
}

// UnnamedFile makes an empty file on the disk of the cache that goes when it is
// closed.
func (s *Store) UnnamedFile() (*os.File, error) {
	f, err := os.CreateTemp(s.layout.path("fetch"), "unnamed-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// StatFile is the entry of an open file under the name it had.
func (s *Store) StatFile(path string, f *os.File) (Entry, error) { return s.statFile(path, f) }

// OpenFile opens a scratch file. EPERM for writing to another name of an object.
// What is no file, folder or link is not opened: the kernel does that itself, and
// a pipe in the place of a file would keep us waiting.
func (s *Store) OpenFile(path string, flags int) (*os.File, error) {
	held, err := s.hold(path)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	var st unix.Statx_t
	if err := statAt(int(held.Fd()), "", unix.AT_EMPTY_PATH, &st); err != nil {
		return nil, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
	default:
		return nil, syscall.ENXIO
	}
	if wantsToWrite(flags) && s.isSealed(fdPath(held), 1) {
		return nil, syscall.EPERM
	}
	fd, err := unix.Open(fdPath(held), flags&openFlags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenPath holds on to a scratch file, link or device, or to a cached object,
// without opening it (O_PATH): what it returns is good for StatFile, SetAttr and
// Reopen.
func (s *Store) OpenPath(path string) (*os.File, error) {
	if !s.published(path) {
		return s.hold(path)
	}
	fd, err := unix.Open(s.layout.object(path), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// ReadlinkOpen reads a symbolic link that OpenPath holds.
func ReadlinkOpen(f *os.File) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(f.Fd()), "", buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// WriteAt writes to a scratch file, and makes room in the cache if the disk is
// full.
func (s *Store) WriteAt(f *os.File, p []byte, off int64) (n int, err error) {
	err = s.withRoomFor(func() error {
		n, err = f.WriteAt(p, off)
		return err
	})
	return n, err
}

// Allocate is fallocate(2) of a scratch file, and makes room in the cache if the
// disk is full.
func (s *Store) Allocate(f *os.File, mode uint32, off, size int64) error {
	return s.withRoomFor(func() error { return unix.Fallocate(int(f.Fd()), mode, off, size) })
}

// Mkdir makes a folder. EEXIST also when it exists only by what is below it.
func (s *Store) Mkdir(ctx context.Context, path string, mode uint32, who Caller) (Entry, error) {
	return s.make(ctx, path, mode, who, func(p spot) error { return p.mkdir(mode & 0o7777) })
}

// make makes a scratch name that is no file. The folder is the same until it has
// its owner: another would be somebody else's by then.
func (s *Store) make(ctx context.Context, path string, mode uint32, who Caller, do func(p spot) error) (Entry, error) {
	odd := isObject(path)
	if odd && s.isVisible(ctx, path) || !odd && s.isVirtual(ctx, path) {
		return Entry{}, errExist
	}
	err := s.withParent(path, func(p spot) error {
		err := s.withRoomFor(func() error { return do(p) })
		if err == nil {
			s.own(p, mode, who)
		}
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	if odd {
		s.names.setOdd(path, true)
	}
	return s.lookupScratch(ctx, path)
}

// SyncDir brings the scratch names of a folder to disk.
func (s *Store) SyncDir(path string) error {
	fd, err := s.openBeneath(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has none
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsync(fd)
}

// Rmdir removes a folder that has nothing below it.
func (s *Store) Rmdir(ctx context.Context, path string) error {
	if s.hasObjects(ctx, path) {
		return syscall.ENOTEMPTY
	}
	p, err := s.at(path)
	if err != nil {
		return err
	}
	defer p.close()
	if err = p.rmdir(); err == nil {
		s.names.setOdd(path, false)
	}
	return err
}

// Symlink makes a symbolic link, which is scratch whatever its name.
func (s *Store) Symlink(ctx context.Context, target, path string, who Caller) (Entry, error) {
	return s.make(ctx, path, unix.S_IFLNK, who, func(p spot) error { return p.symlink(target) })
}

// Mknod makes a fifo, socket or device. Regular files under an object's name
// are published when they are closed, which needs Create.
func (s *Store) Mknod(ctx context.Context, path string, mode uint32, dev uint32, who Caller) (Entry, error) {
	if mode&unix.S_IFMT == unix.S_IFREG && isObject(path) {
		return Entry{}, syscall.EPERM
	}
	return s.make(ctx, path, mode, who, func(p spot) error { return unix.Mknodat(p.dir, p.name, mode, int(dev)) })
}

// Readlink reads a symbolic link.
func (s *Store) Readlink(path string) (string, error) {
	held, err := s.hold(path)
	if err != nil {
		return "", err
	}
	defer held.Close()
	return ReadlinkOpen(held)
}

// Unlink removes a file. Removing an object waits for the remote as a publish
// does.
func (s *Store) Unlink(ctx context.Context, path string) error {
	if isObject(path) && !s.names.isOdd(path) {
		e, err := s.removeObject(ctx, path)
		if err != nil {
			return err
		}
		s.await(ctx, e)
		return nil
	}
	err := s.unlinkScratch(path)
	if errors.Is(err, os.ErrNotExist) && s.isVirtual(ctx, path) {
		return syscall.EISDIR
	}
	if err == nil {
		s.names.setOdd(path, false)
	}
	return err
}

// Statfs describes the file system of the cache.
func (s *Store) Statfs() (st unix.Statfs_t, err error) {
	err = unix.Statfs(s.layout.dir, &st)
	return st, err
}
