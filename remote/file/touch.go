package file

import (
	"context"
	"errors"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Touch see remote.Remote. The zero time is left to the kernel, on NFS to the
// server: it needs only the right to write, and no clock of this host.
//
// Any other time may be set by the owner of the file alone. In a directory
// that several users share a use is then recorded as "now" instead of the
// given, older time, which keeps the object no shorter than asked for.
func (d *Dir) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	if err := d.changeable("touch", key); err != nil {
		return err
	}
	fd, info, err := d.lookup(ctx, "touch", key, unix.O_PATH)
	if err != nil {
		return err
	}
	defer closeFD(fd)
	if !d.rootUnchanged() {
		root, err := d.openRoot("touch")
		if err != nil {
			return err
		}
		closeFD(root)
	}
	err = setTimes(fd, t)
	if errors.Is(err, unix.EPERM) && t.After(info.ModTime) {
		err = setTimes(fd, time.Time{})
	}
	if err != nil {
		return d.fail("touch", key, err)
	}
	return nil
}

// setTimes sets the times of the file behind an O_PATH descriptor, so it never
// makes one.
func setTimes(fd int, t time.Time) error {
	now := unix.Timespec{Nsec: unix.UTIME_NOW}
	times := []unix.Timespec{now, now}
	if !t.IsZero() {
		stamp, err := unix.TimeToTimespec(t)
		if err != nil {
			return err
		}
		times = []unix.Timespec{stamp, stamp}
	}
	err := again(func() error { return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH) })
	if errors.Is(err, unix.EINVAL) { // before Linux 5.8
		path := "/proc/self/fd/" + strconv.Itoa(fd)
		err = again(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, times, 0) })
	}
	return err
}
