package file

import (
	"errors"

	"golang.org/x/sys/unix"
)

// again repeats a system call that a signal interrupted. FUSE and some network
// file systems let the Go runtime's own signals do that.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func open(dir int, path string, flags int) (fd int, err error) {
	err = again(func() error {
		fd, err = unix.Openat(dir, path, flags|unix.O_CLOEXEC, 0)
		return err
	})
	return fd, err
}

func closeFD(fd int) { _ = unix.Close(fd) }

func fstat(fd int) (st unix.Stat_t, err error) {
	err = again(func() error { return unix.Fstat(fd, &st) })
	return st, err
}

func fstatfs(fd int) (st unix.Statfs_t, err error) {
	err = again(func() error { return unix.Fstatfs(fd, &st) })
	return st, err
}

// lstatAt does not follow a link.
func lstatAt(dir int, name string) (st unix.Stat_t, err error) {
	err = again(func() error { return unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// deviceOf is st_dev, which is narrower on some architectures.
func deviceOf(st *unix.Stat_t) uint64 { return uint64(st.Dev) }

func isRegular(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFREG }

func isLink(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFLNK }

// syncFolder makes names durable. File systems without such a thing say
// EINVAL or that it is not supported.
func syncFolder(fd int) error {
	err := again(func() error { return unix.Fsync(fd) })
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return nil
	}
	return err
}
