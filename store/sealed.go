package store

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isSealed reports whether a scratch file, which has so many scratch names at
// least, is an object too: its content may not change. A checksum was noted, or
// it is in the queue.
func (s *Store) isSealed(path string, names uint64) bool {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Nlink <= names || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	if s.queue.hiddenNames(st.Ino) > 0 {
		return true
	}
	return isNoted(path)
}

// wantsToWrite reports whether open(2) asks to change content, which
// O_RDONLY|O_TRUNC does.
func wantsToWrite(flags int) bool { return flags&(unix.O_ACCMODE|unix.O_TRUNC) != 0 }

// Reopen opens a file once more that is open, and has lost its name: what names
// it still has may be an object's.
func (s *Store) Reopen(f *os.File, flags int) (*os.File, error) {
	if wantsToWrite(flags) && s.isSealed(fdPath(f), 0) {
		return nil, syscall.EPERM
	}
	fd, err := unix.Open(fdPath(f), flags&openFlags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// Empty truncates an open scratch file, however it was opened: open(2) allows
// O_TRUNC with O_RDONLY.
func (s *Store) Empty(f *os.File) error {
	if s.isSealed(fdPath(f), 1) {
		return syscall.EPERM
	}
	return unix.Truncate(fdPath(f), 0)
}
