package integration

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// immutable is FS_IMMUTABLE_FL of linux/fs.h: what has it cannot be changed, not
// by root either.
const immutable = 0x10

// refuse has the directory that is the remote take no new names and let go of
// none, as one that belongs to somebody else. root is refused only what the file
// system itself does not allow.
func (l *lane) refuse() {
	l.t.Helper()
	l.must(l.setImmutable(true))
}

// admit ends refuse.
func (l *lane) admit() {
	l.t.Helper()
	if l.isServed() {
		return
	}
	l.must(l.setImmutable(false))
}

func (l *lane) setImmutable(on bool) error {
	return filepath.WalkDir(l.s.remote, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		was := flags
		if flags &^= immutable; on {
			flags |= immutable
		}
		if flags == was {
			return nil
		}
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
	})
}
