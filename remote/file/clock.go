package file

import (
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Offset see remote.Clock. The kernel of this host stamps files on a local
// disk. Elsewhere the clock is a server's, and is known once Probe has measured
// it, which needs the right to write.
func (d *Dir) Offset() (time.Duration, bool) {
	if ahead := d.ahead.Load(); ahead != nil {
		return *ahead, true
	}
	seen := d.seen.Load()
	return 0, seen != nil && seen.dev != 0 && isLocal(seen.fsType)
}

// measureClock finds out how far the clock is ahead that stamps files below
// root, unless that is known or nothing may be written. It is no matter of
// whether the root answers: its errors only leave the clock unknown.
func (d *Dir) measureClock(root int) {
	if _, known := d.Offset(); known || d.Traits().ReadOnly {
		return
	}
	name := remote.NewTemporary()
	before := time.Now()
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(root, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
		return err
	})
	if err != nil {
		return
	}
	st, err := fstat(fd)
	closeFD(fd)
	after := time.Now()
	_ = again(func() error { return unix.Unlinkat(root, name, 0) }) // a leftover goes with the next clean
	if err == nil {
		ahead := time.Unix(st.Mtim.Unix()).Sub(before.Add(after.Sub(before) / 2))
		d.ahead.Store(&ahead)
	}
}
