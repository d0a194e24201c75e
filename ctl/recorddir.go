package ctl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// recordDir is an open folder with the records of one user. All goes through its
// descriptor: root looks into folders whose owners can put a symlink in their
// place at any moment.
type recordDir struct{ *os.File }

// openRecordDir opens a folder of a user that nobody else may write to.
func openRecordDir(path string, uid int) (*recordDir, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	fi, err := f.Stat()
	if err == nil && !isOwn(fi, uid) {
		err = fmt.Errorf("%s is not a folder of user %d", path, uid)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &recordDir{f}, nil
}

// records are those of living daemons. What a dead one left behind is removed.
func (d *recordDir) records() []MountInfo {
	names, _ := d.Readdirnames(-1)
	slices.Sort(names)
	var all []MountInfo
	for _, name := range names {
		if info, alive := d.look(name); alive {
			all = append(all, info)
		}
	}
	return all
}

// look reads one file. What is no record of a mount stays as it is.
func (d *recordDir) look(name string) (info MountInfo, alive bool) {
	base, ok := strings.CutSuffix(name, ".json")
	if !ok {
		return info, false
	}
	f, err := d.open(name)
	if err != nil {
		return info, false
	}
	defer f.Close()
	info, err = readRecord(f)
	if err != nil || !filepath.IsAbs(info.Mountpoint) || base != placeName(info.Mountpoint) {
		return info, false
	}
	// Nobody holds the lock of a daemon that is gone. A pid would prove less,
	// another process may have it by now.
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || !d.has(name, f) {
		return info, true
	}
	// The socket at the usual place only: as root, another user's record is not
	// believed when it names one elsewhere.
	for _, left := range []string{base + ".sock", name} {
		_ = unix.Unlinkat(int(d.Fd()), left, 0) // somebody else may have been quicker
	}
	return info, false
}

// open opens what may be another user's file: it follows no symlink and waits for
// no FIFO.
func (d *recordDir) open(name string) (*os.File, error) {
	fd, err := unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// has tells whether a name still leads to f.
func (d *recordDir) has(name string, f *os.File) bool {
	var a, b unix.Stat_t
	err := unix.Fstat(int(f.Fd()), &a)
	if err == nil {
		err = unix.Fstatat(int(d.Fd()), name, &b, unix.AT_SYMLINK_NOFOLLOW)
	}
	return err == nil && a.Dev == b.Dev && a.Ino == b.Ino
}
