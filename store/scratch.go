package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/sstate"
)

// Caller is who makes a file: it becomes its owner where the daemon may give
// files away.
type Caller struct{ UID, GID uint32 }

// openFlags are those of open(2) that mean something on the local file. The
// kernel has dealt with the others; O_APPEND would defeat the offsets it gives.
const openFlags = unix.O_ACCMODE | unix.O_TRUNC | unix.O_SYNC | unix.O_DSYNC | unix.O_NOATIME

// withParent runs op, which makes a name at path. A folder above that is not
// here exists by its objects, since the kernel came through it, and is made for
// real. The remote is not asked whether it does: a failing mkdir would fail the
// build when the remote has just gone.
func (s *Store) withParent(path string, op func() error) error {
	err := op()
	dir := parent(path)
	if !errors.Is(err, os.ErrNotExist) || dir == "" || !couldHoldObjects(dir) {
		return err
	}
	if err := s.withRoomFor(func() error { return os.MkdirAll(s.layout.scratch(dir), 0o775) }); err != nil {
		return err
	}
	return op()
}

// CreateFile makes a scratch file and opens it. EEXIST if flags has O_EXCL and
// the name is taken.
func (s *Store) CreateFile(ctx context.Context, path string, flags int, mode uint32, who Caller) (*os.File, Entry, error) {
	var fd int
	err := s.withParent(path, func() error {
		return s.withRoomFor(func() (err error) {
			fd, err = unix.Open(s.layout.scratch(path), flags&(openFlags|unix.O_EXCL)|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode&0o7777)
			return err
		})
	})
	if err != nil {
		return nil, Entry{}, err
	}
	f := os.NewFile(uintptr(fd), path)
	s.own(path, mode, who)
	e, err := s.statFile(path, f)
	if err != nil {
		f.Close()
	}
	return f, e, err
}

// own gives a new name its mode, whatever the daemon's umask, and its owner. A
// folder that hands its group down has done so already.
func (s *Store) own(path string, mode uint32, who Caller) {
	p := s.layout.scratch(path)
	var st unix.Stat_t
	if s.uid == 0 && (who.UID != 0 || who.GID != 0) && unix.Lstat(p, &st) == nil {
		gid := int(who.GID)
		var dir unix.Stat_t
		if unix.Stat(filepath.Dir(p), &dir) == nil && dir.Mode&unix.S_ISGID != 0 {
			gid = -1
		}
		if err := os.Lchown(p, int(who.UID), gid); err != nil {
			s.quiet.warn("owner of scratch file not set", "error", err)
		}
	}
	if mode&unix.S_IFMT != unix.S_IFLNK && mode&0o7777 != 0 && unix.Lstat(p, &st) == nil {
		want := mode & 0o7777
		if st.Mode&unix.S_IFMT == unix.S_IFDIR {
			want |= st.Mode & unix.S_ISGID
		}
		if st.Mode&0o7777 != want {
			if err := unix.Chmod(p, want); err != nil {
				s.quiet.warn("mode of scratch file not set", "error", err)
			}
		}
	}
}

// statFile is the entry of an open scratch file, which may have lost its name.
func (s *Store) statFile(path string, f *os.File) (Entry, error) {
	var st unix.Statx_t
	ask := func(st *unix.Statx_t) error {
		return unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, st)
	}
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
func (s *Store) OpenFile(path string, flags int) (*os.File, error) {
	if wantsToWrite(flags) && s.isSealed(s.layout.scratch(path), 1) {
		return nil, syscall.EPERM
	}
	fd, err := unix.Open(s.layout.scratch(path), flags&openFlags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenPath holds on to a scratch file, link or device, or to a cached object,
// without opening it (O_PATH): what it returns is good for StatFile, SetAttr and
// Reopen.
func (s *Store) OpenPath(path string) (*os.File, error) {
	file := s.layout.scratch(path)
	if s.published(path) {
		file = s.layout.object(path)
	}
	fd, err := unix.Open(file, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
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
	odd := isObject(path)
	if odd && s.isVisible(ctx, path) || !odd && s.isVirtual(ctx, path) {
		return Entry{}, errExist
	}
	err := s.withParent(path, func() error {
		return s.withRoomFor(func() error { return unix.Mkdir(s.layout.scratch(path), mode&0o7777) })
	})
	if err != nil {
		return Entry{}, err
	}
	return s.made(ctx, path, mode, who, odd)
}

// made finishes a new scratch name.
func (s *Store) made(ctx context.Context, path string, mode uint32, who Caller, odd bool) (Entry, error) {
	s.own(path, mode, who)
	if odd {
		s.names.setOdd(path, true)
	}
	return s.lookupScratch(ctx, path)
}

// SyncDir brings the scratch names of a folder to disk.
func (s *Store) SyncDir(path string) error {
	d, err := os.Open(s.layout.scratch(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has none
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Rmdir removes a folder that has nothing below it.
func (s *Store) Rmdir(ctx context.Context, path string) error {
	if s.hasObjects(ctx, path) {
		return syscall.ENOTEMPTY
	}
	err := unix.Rmdir(s.layout.scratch(path))
	if err == nil {
		s.names.setOdd(path, false)
	}
	return err
}

// Symlink makes a symbolic link, which is scratch whatever its name.
func (s *Store) Symlink(ctx context.Context, target, path string, who Caller) (Entry, error) {
	return s.special(ctx, path, unix.S_IFLNK, who, func() error { return unix.Symlink(target, s.layout.scratch(path)) })
}

// Mknod makes a fifo, socket or device. Regular files under an object's name
// are published when they are closed, which needs Create.
func (s *Store) Mknod(ctx context.Context, path string, mode uint32, dev uint32, who Caller) (Entry, error) {
	if mode&unix.S_IFMT == unix.S_IFREG && isObject(path) {
		return Entry{}, syscall.EPERM
	}
	return s.special(ctx, path, mode, who, func() error { return unix.Mknod(s.layout.scratch(path), mode, int(dev)) })
}

func (s *Store) special(ctx context.Context, path string, mode uint32, who Caller, make func() error) (Entry, error) {
	odd := isObject(path)
	if odd && s.isVisible(ctx, path) || !odd && s.isVirtual(ctx, path) {
		return Entry{}, errExist
	}
	if err := s.withParent(path, func() error { return s.withRoomFor(make) }); err != nil {
		return Entry{}, err
	}
	return s.made(ctx, path, mode, who, odd)
}

// Readlink reads a symbolic link.
func (s *Store) Readlink(path string) (string, error) { return os.Readlink(s.layout.scratch(path)) }

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
	err := unix.Unlink(s.layout.scratch(path))
	if errors.Is(err, os.ErrNotExist) && s.isVirtual(ctx, path) {
		return syscall.EISDIR
	}
	if err == nil {
		s.names.setOdd(path, false)
	}
	return err
}

// Attr are the attributes that chmod, chown, truncate and utimensat set on a
// scratch file. Nil stays as it is.
type Attr struct {
	Mode, UID, GID *uint32
	Size           *int64
	Times          Times
}

// OnlyTimes reports whether nothing but times is asked for.
func (a Attr) OnlyTimes() bool {
	return a.Mode == nil && a.UID == nil && a.GID == nil && a.Size == nil
}

// SetAttr changes a scratch file: f if it is not nil, else the one at path.
func (s *Store) SetAttr(ctx context.Context, path string, f *os.File, a Attr) (Entry, error) {
	p, names := s.layout.scratch(path), uint64(1)
	if f != nil {
		p, names = fdPath(f), 0
	}
	if a.Size != nil && s.isSealed(p, names) {
		return Entry{}, syscall.EPERM
	}
	if err := setAttr(p, f == nil, a); err != nil {
		if f == nil && errors.Is(err, os.ErrNotExist) {
			return s.setVirtual(ctx, path, a)
		}
		return Entry{}, err
	}
	if f != nil {
		return s.statFile(path, f)
	}
	return s.lookupScratch(ctx, path)
}

// setVirtual makes a folder real whose attributes are set.
func (s *Store) setVirtual(ctx context.Context, path string, a Attr) (Entry, error) {
	if !s.isVirtual(ctx, path) {
		return Entry{}, errNotExist
	}
	if err := os.MkdirAll(s.layout.scratch(path), 0o775); err != nil {
		return Entry{}, err
	}
	if err := setAttr(s.layout.scratch(path), true, a); err != nil {
		return Entry{}, err
	}
	return s.lookupScratch(ctx, path)
}

// setAttr applies in the order that leaves times as asked for. Links are
// followed only through /proc/self/fd.
func setAttr(p string, nofollow bool, a Attr) error {
	if a.UID != nil || a.GID != nil {
		chown := os.Chown
		if nofollow {
			chown = os.Lchown
		}
		if err := chown(p, idOr(a.UID), idOr(a.GID)); err != nil {
			return err
		}
	}
	if a.Mode != nil {
		if err := unix.Chmod(p, *a.Mode&0o7777); err != nil {
			return err
		}
	}
	if a.Size != nil {
		if err := unix.Truncate(p, *a.Size); err != nil {
			return err
		}
	}
	if a.Times.Atime == nil && a.Times.Mtime == nil {
		return nil
	}
	flags := 0
	if nofollow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{timespec(a.Times.Atime), timespec(a.Times.Mtime)}, flags)
}

func idOr(id *uint32) int {
	if id == nil {
		return -1
	}
	return int(*id)
}

func timespec(t *time.Time) unix.Timespec {
	if t == nil {
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// fdPath names an open file, also one that has no other name any more.
func fdPath(f *os.File) string { return "/proc/self/fd/" + itoa(f.Fd()) }

// wouldPublish reports whether moving a scratch folder would give regular
// files in it the names of objects.
func (s *Store) wouldPublish(from, to string) bool {
	root := s.layout.scratch(from)
	found := false
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasPrefix(d.Name(), "sstate:") || !d.Type().IsRegular() {
			return nil
		}
		if _, ok := sstate.ParsePath(to + strings.TrimPrefix(path, root)); ok {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// Statfs describes the file system of the cache.
func (s *Store) Statfs() (st unix.Statfs_t, err error) {
	err = unix.Statfs(s.layout.dir, &st)
	return st, err
}
