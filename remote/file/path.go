package file

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// How openat2(2) resolves a path.
const (
	noLinks = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS
	beneath = unix.RESOLVE_BENEATH // links are followed, but not out of dir
)

// openat2Tries bounds how often a lookup is repeated that a rename disturbed.
const openat2Tries = 16

// resolve opens a path below dir. Kernels before 5.6 and some container
// runtimes have no openat2; there no link is followed.
func resolve(dir int, path string, flags int, how uint64) (int, error) {
	fd, err := openat2(dir, path, flags, how)
	if lacksOpenat2(err) {
		return walkDown(dir, path, flags)
	}
	return fd, err
}

func openat2(dir int, path string, flags int, how uint64) (fd int, err error) {
	args := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: how}
	for range openat2Tries {
		fd, err = unix.Openat2(dir, path, &args)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return fd, err
}

// walkDown opens component by component.
func walkDown(dir int, path string, flags int) (int, error) {
	at := dir
	for {
		name, rest, more := strings.Cut(path, "/")
		next := flags
		if more {
			next = unix.O_PATH | unix.O_DIRECTORY
		}
		fd, err := open(at, name, next|unix.O_NOFOLLOW)
		if at != dir {
			closeFD(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// folder opens a folder below the root, "" for the root itself.
func folder(root int, path string, flags int) (int, error) {
	if path == "" {
		return open(root, ".", flags|unix.O_DIRECTORY)
	}
	return resolve(root, path, flags|unix.O_DIRECTORY, noLinks)
}

// find opens an object. The short way is a single open for what is there and
// one more system call for what is not; everything unusual takes the long one.
// The short way is exact: a path without links that ends at the object leads
// through the root.
func (d *Dir) find(op string, key remote.Key, flags int) (int, error) {
	if seen := d.seen.Load(); seen != nil && seen.plain {
		fd, err := openat2(unix.AT_FDCWD, d.path+"/"+string(key), flags, unix.RESOLVE_NO_SYMLINKS)
		if err == nil {
			return fd, nil
		}
		if errors.Is(err, unix.ENOENT) && d.rootUnchanged() {
			return -1, d.fail(op, key, err)
		}
	}
	root, err := d.openRoot(op)
	if err != nil {
		return -1, err
	}
	defer closeFD(root)
	fd, err := findBelow(root, key, flags)
	if err != nil {
		return -1, d.fail(op, key, err)
	}
	return fd, nil
}

// findBelow opens an object, or what a link under its name leads to.
func findBelow(root int, key remote.Key, flags int) (int, error) {
	fd, err := resolve(root, string(key), flags, noLinks)
	if !errors.Is(err, unix.ELOOP) {
		return fd, err
	}
	dir, _ := key.Split()
	parent, err := folder(root, dir, unix.O_PATH)
	if err != nil {
		return -1, err // the link is in the folders
	}
	closeFD(parent)
	fd, err = openat2(root, string(key), flags, beneath)
	if lacksOpenat2(err) {
		err = unix.ELOOP
	}
	return fd, err
}

// lacksOpenat2 tells that the kernel, or the runtime of a container, has no
// openat2. The latter say EPERM, which it never has for its arguments.
func lacksOpenat2(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM)
}
