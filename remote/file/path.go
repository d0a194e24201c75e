package file

import (
	"errors"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/beneath"
)

// folder opens a folder below the root, "" for the root itself.
func folder(root int, path string, flags int) (int, error) {
	if path == "" {
		return open(root, ".", flags|unix.O_DIRECTORY)
	}
	return beneath.Open(root, path, flags|unix.O_DIRECTORY)
}

// find opens an object. The short way is a single open for what is there and
// one more system call for what is not; everything unusual takes the long one.
// The short way is exact: a path without links that ends at the object leads
// through the root.
func (d *Dir) find(op string, key remote.Key, flags int) (int, error) {
	if seen := d.seen.Load(); seen != nil && seen.plain {
		fd, err := beneath.Openat2(unix.AT_FDCWD, d.path+"/"+string(key), flags, unix.RESOLVE_NO_SYMLINKS)
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
	fd, err := beneath.Open(root, string(key), flags)
	if !errors.Is(err, unix.ELOOP) {
		return fd, err
	}
	dir, _ := key.Split()
	parent, err := folder(root, dir, unix.O_PATH)
	if err != nil {
		return -1, err // the link is in the folders
	}
	closeFD(parent)
	fd, err = beneath.Openat2(root, string(key), flags, unix.RESOLVE_BENEATH) // links are followed, but not out of root
	if beneath.IsLacking(err) {
		err = unix.ELOOP
	}
	return fd, err
}
