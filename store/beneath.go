package store

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote/beneath"
)

// Users can rename their folders and put links in their places while a call of
// theirs is under way: the kernel locks the folder in which a name changes, not
// those above it. Therefore no path of scratch is given to a system call as a
// whole. A name is resolved below a descriptor of scratch/, where no link is
// followed; what is done then is done to what was found.

// rootSpot is scratch/ itself, as a name in it.
const rootSpot = "."

// spot is a name in a folder of scratch, or of the cache, that is held.
type spot struct {
	dir  int // a descriptor, or AT_FDCWD for a name that is a path in the cache
	name string
	held bool // dir belongs to the spot
}

// cacheSpot is a file of the cache outside scratch, which users cannot rename.
func cacheSpot(path string) spot { return spot{dir: unix.AT_FDCWD, name: path} }

// at finds the folder of a path in scratch. The caller closes the spot.
func (s *Store) at(path string) (spot, error) {
	root := int(s.scratch.Fd())
	i := strings.LastIndexByte(path, '/')
	switch {
	case path == "":
		return spot{dir: root, name: rootSpot}, nil
	case i < 0:
		return spot{dir: root, name: path}, nil
	}
	dir, err := beneath.Open(root, path[:i], unix.O_PATH|unix.O_DIRECTORY)
	return spot{dir: dir, name: path[i+1:], held: err == nil}, err
}

func (p spot) close() {
	if p.held {
		unix.Close(p.dir)
	}
}

func (p spot) stat(st *unix.Statx_t) error {
	return statAt(p.dir, p.name, unix.AT_SYMLINK_NOFOLLOW, st)
}

func (p spot) open(flags int, mode uint32) (int, error) {
	return unix.Openat(p.dir, p.name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
}

func (p spot) mkdir(mode uint32) error     { return unix.Mkdirat(p.dir, p.name, mode) }
func (p spot) unlink() error               { return unix.Unlinkat(p.dir, p.name, 0) }
func (p spot) rmdir() error                { return unix.Unlinkat(p.dir, p.name, unix.AT_REMOVEDIR) }
func (p spot) symlink(target string) error { return unix.Symlinkat(target, p.dir, p.name) }

// linkTo gives the spot to a local file, as link does.
func (p spot) linkTo(from string) error {
	return unix.Linkat(unix.AT_FDCWD, from, p.dir, p.name, follow(from))
}

func (p spot) rename(to spot, flags uint32) error {
	return unix.Renameat2(p.dir, p.name, to.dir, to.name, uint(flags))
}

func (p spot) chown(uid, gid int) error {
	return unix.Fchownat(p.dir, p.name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// chmod is fchmodat2(2), which is as old as Linux 6.6.
func (p spot) chmod(mode uint32) error {
	if unix.Fchmodat(p.dir, p.name, mode, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return nil
	}
	fd, err := p.open(unix.O_PATH, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return chmodHeld(fd, mode)
}

// hold holds on to what is at a path in scratch without opening it (O_PATH).
func (s *Store) hold(path string) (*os.File, error) {
	fd, err := s.openBeneath(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openBeneath opens what is at a path in scratch.
func (s *Store) openBeneath(path string, flags int) (int, error) {
	if path == "" {
		path = rootSpot
	}
	return beneath.Open(int(s.scratch.Fd()), path, flags)
}

// statScratch is lstat(2) of a path in scratch.
func (s *Store) statScratch(path string, st *unix.Statx_t) error {
	if path == "" || strings.IndexByte(path, '/') < 0 {
		p, _ := s.at(path) // the root needs no look
		return p.stat(st)
	}
	fd, err := s.openBeneath(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return statAt(fd, "", unix.AT_EMPTY_PATH, st)
}

// readScratch lists a folder of scratch.
func (s *Store) readScratch(path string) ([]DirEntry, error) {
	fd, err := s.openBeneath(path, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return namesOpen(fd)
}

// withParent runs op at a path in scratch, where it makes a name. A folder above
// that is not here exists by its objects, since the kernel came through it, and
// is made for real. The remote is not asked whether it does: a failing mkdir
// would fail the build when the remote has just gone.
func (s *Store) withParent(path string, op func(p spot) error) error {
	try := func() error {
		p, err := s.at(path)
		if err != nil {
			return err
		}
		defer p.close()
		return op(p)
	}
	err := try()
	dir := parent(path)
	if !errors.Is(err, os.ErrNotExist) || dir == "" || !couldHoldObjects(dir) {
		return err
	}
	if err := s.makeFolders(dir); err != nil {
		return err
	}
	return try()
}

// makeFolders makes a folder of scratch and those above it that are not there.
func (s *Store) makeFolders(path string) error {
	p, err := s.at(path)
	if errors.Is(err, os.ErrNotExist) {
		if err = s.makeFolders(parent(path)); err == nil {
			p, err = s.at(path)
		}
	}
	if err != nil {
		return err
	}
	defer p.close()
	err = s.withRoomFor(func() error { return p.mkdir(0o775) })
	var st unix.Statx_t
	switch {
	case !errors.Is(err, os.ErrExist):
		return err
	case p.stat(&st) == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return syscall.ENOTDIR
	}
	return nil
}

// unlinkScratch is unlink(2) of a path in scratch.
func (s *Store) unlinkScratch(path string) error {
	p, err := s.at(path)
	if err != nil {
		return err
	}
	defer p.close()
	return p.unlink()
}

// removeScratch removes what is at a path in scratch, with what is below it.
func (s *Store) removeScratch(path string) error {
	p, err := s.at(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer p.close()
	return os.RemoveAll(fdName(p.dir) + "/" + p.name)
}

// procDir is where open files have paths.
const procDir = "/proc/self/fd/"

// fdPath names an open file, also one that has no other name any more.
func fdPath(f *os.File) string { return fdName(int(f.Fd())) }

func fdName(fd int) string { return procDir + strconv.Itoa(fd) }

// follow is how a local file is linked: one that is named by its descriptor is
// what that leads to.
func follow(path string) int {
	if strings.HasPrefix(path, procDir) {
		return unix.AT_SYMLINK_FOLLOW
	}
	return 0
}

// link makes a second name for a local file in the cache.
func link(from, to string) error { return cacheSpot(to).linkTo(from) }

// statFrom is lstat of a local file that may be named by its descriptor.
func statFrom(path string, st *unix.Statx_t) error {
	if follow(path) == 0 {
		return lstat(path, st)
	}
	return unix.Statx(unix.AT_FDCWD, path, 0, statMask, st)
}
