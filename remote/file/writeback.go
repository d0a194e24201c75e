package file

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// window is how much is written between two orders to the kernel to send it to
// the disk or server, in bytes. At most two windows are dirty at a time, so
// that the fsync at the end is short: a Guard sees progress only while the
// source is read, and a gigabyte of dirty pages takes longer than its
// StallTimeout on a slow server.
const window = 8 << 20

// writeback writes a file and keeps little of it dirty.
type writeback struct {
	file    *os.File
	written int64
	ordered int64 // up to here the kernel was told to write
	off     bool  // the file system knows no sync_file_range
}

func (w *writeback) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	return n, w.advance(int64(n), err)
}

// ReadFrom lets the kernel copy when r is a file.
func (w *writeback) ReadFrom(r io.Reader) (int64, error) {
	n, err := w.file.ReadFrom(r)
	return n, w.advance(n, err)
}

func (w *writeback) advance(n int64, err error) error {
	w.written += n
	for err == nil && !w.off && w.written-w.ordered >= window {
		err = w.order()
	}
	return err
}

// order starts to write one window and waits for the one before.
func (w *writeback) order() error {
	fd := int(w.file.Fd())
	const wait = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	err := again(func() error { return unix.SyncFileRange(fd, w.ordered, window, unix.SYNC_FILE_RANGE_WRITE) })
	if err == nil && w.ordered >= window {
		err = again(func() error { return unix.SyncFileRange(fd, w.ordered-window, window, wait) })
	}
	w.ordered += window
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		w.off = true
		return nil
	}
	return err
}
