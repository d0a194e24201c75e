package store

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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

// SetAttr changes a scratch file: f if it is not nil, else the one at path. A
// folder that is not there for real becomes so.
func (s *Store) SetAttr(ctx context.Context, path string, f *os.File, a Attr) (Entry, error) {
	if f != nil {
		if err := s.setAttr(f, 0, a); err != nil {
			return Entry{}, err
		}
		return s.statFile(path, f)
	}
	f, err := s.hold(path)
	if errors.Is(err, os.ErrNotExist) && s.isVirtual(ctx, path) {
		if err = s.makeFolders(path); err == nil {
			f, err = s.hold(path)
		}
	}
	if err != nil {
		return Entry{}, err
	}
	defer f.Close()
	if err := s.setAttr(f, 1, a); err != nil {
		return Entry{}, err
	}
	e, err := s.statFile(path, f)
	e.Nlink = max(1, e.Nlink)
	if e.IsDir() {
		s.folderLooks(ctx, &e)
	}
	return e, err
}

// setAttr changes a file that has so many scratch names at least, in the order
// that leaves times as asked for. It may be held only: its path below /proc leads
// to itself, also if it is a symbolic link.
func (s *Store) setAttr(f *os.File, names uint64, a Attr) error {
	p := fdPath(f)
	if a.Size != nil && s.isSealed(p, names) {
		return syscall.EPERM
	}
	if a.UID != nil || a.GID != nil {
		if err := unix.Fchownat(int(f.Fd()), "", idOr(a.UID), idOr(a.GID), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if a.Mode != nil {
		if err := chmodHeld(int(f.Fd()), *a.Mode&0o7777); err != nil {
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
	return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{timespec(a.Times.Atime), timespec(a.Times.Mtime)}, 0)
}

// chmodHeld is fchmod(2), which does not take a descriptor that only holds. Links
// have no mode: EOPNOTSUPP, as for fchmodat(2).
func chmodHeld(fd int, mode uint32) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return unix.Chmod(fdName(fd), mode)
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
