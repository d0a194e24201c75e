package store

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// objectsDir is the folder of the layout whose files lookups ask for by path.
const objectsDir = "/objects/"

// statMask is what an Entry is made of.
const statMask = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// lstat is statx(2) without following links.
func lstat(path string, st *unix.Statx_t) error { return statBelow(path, "", "", st) }

// statBelow is lstat of dir + folder + name. The path is put together on the
// stack: with unix.Statx each lookup of an object would leave two copies of its
// path to the garbage collector.
func statBelow(dir, folder, name string, st *unix.Statx_t) error {
	const room = 512 // most keys have 200 bytes, cache directories 100
	var path [room]byte
	if len(dir)+len(folder)+len(name) >= room {
		return unix.Statx(unix.AT_FDCWD, dir+folder+name, statFlags, statMask, st)
	}
	if strings.IndexByte(name, 0) >= 0 || strings.IndexByte(dir, 0) >= 0 {
		return unix.EINVAL
	}
	n := copy(path[:], dir)
	n += copy(path[n:], folder)
	if name == "" && folder != "" {
		n-- // the folder itself
	}
	copy(path[n:room-1], name)
	return statx(unix.AT_FDCWD, &path[0], statFlags, st)
}

// statAt is statx(2) of a name in an open folder, or with AT_EMPTY_PATH and no
// name of the open file itself. It leaves as little behind as statBelow.
func statAt(dir int, name string, flags int, st *unix.Statx_t) error {
	const room = 256 // the longest name, and its end
	if len(name) >= room {
		return unix.ENAMETOOLONG
	}
	if strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	var path [room]byte
	copy(path[:room-1], name)
	return statx(dir, &path[0], flags|unix.AT_STATX_SYNC_AS_STAT, st)
}

func statx(dir int, path *byte, flags int, st *unix.Statx_t) error {
	_, _, no := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(path)),
		uintptr(flags), statMask, uintptr(unsafe.Pointer(st)), 0)
	if no != 0 {
		return no
	}
	return nil
}

const statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_STATX_SYNC_AS_STAT
