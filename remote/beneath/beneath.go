// Package beneath opens what is below a folder, and nothing else: no symbolic
// link and no ".." leads a path out of it, also if somebody changes the folders
// meanwhile.
//
// It stands here since backends may not import the store, and both need it.
package beneath

import (
	"errors"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tries bounds how often a lookup is repeated that a rename disturbed.
const tries = 16

// Open opens a path below the folder dir, a descriptor, and follows no symbolic
// link on the way: ELOOP or ENOTDIR if there is one. Flags are those of open(2)
// without O_CREAT. Kernels before 5.6 and some container runtimes have no
// openat2(2); there the folders are opened one by one.
func Open(dir int, path string, flags int) (fd int, err error) {
	fd, err = Openat2(dir, path, flags, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if IsLacking(err) {
		return walkDown(dir, path, flags)
	}
	return fd, err
}

// Openat2 is openat2(2), again when it was disturbed. The path is copied to the
// stack: with unix.Openat2 each call would leave one to the garbage collector.
func Openat2(dir int, path string, flags int, resolve uint64) (fd int, err error) {
	const room = 512 // most paths below a cache have 250 bytes
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	var copied [room]byte
	fits := len(path) < room && strings.IndexByte(path, 0) < 0
	copy(copied[:room-1], path)
	for range tries {
		if fits {
			n, _, no := unix.Syscall6(unix.SYS_OPENAT2, uintptr(dir), uintptr(unsafe.Pointer(&copied[0])),
				uintptr(unsafe.Pointer(&how)), unix.SizeofOpenHow, 0, 0)
			if fd, err = int(n), nil; no != 0 {
				fd, err = -1, no
			}
		} else {
			fd, err = unix.Openat2(dir, path, &how)
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return fd, err
}

// IsLacking tells that the kernel, or the runtime of a container, has no
// openat2. The latter say EPERM, which it hardly ever has for its arguments.
func IsLacking(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM)
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
		fd, err := openIn(at, name, next)
		if at != dir {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, path = fd, rest
	}
}

// openIn opens one component.
func openIn(dir int, name string, flags int) (fd int, err error) {
	if name == ".." {
		return -1, unix.EXDEV // as openat2 says
	}
	for {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
