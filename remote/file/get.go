package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Stat see remote.Remote.
func (d *Dir) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	fd, info, err := d.lookup(ctx, "stat", key, unix.O_PATH)
	if err != nil {
		return remote.Info{}, err
	}
	closeFD(fd)
	return info, nil
}

// lookup opens an object and describes it.
func (d *Dir) lookup(ctx context.Context, op string, key remote.Key, flags int) (int, remote.Info, error) {
	if err := begin(ctx, op, key); err != nil {
		return -1, remote.Info{}, err
	}
	if key.IsTemporary() {
		return -1, remote.Info{}, d.fail(op, key, unix.ENOENT)
	}
	fd, err := d.find(op, key, flags)
	if err != nil {
		return -1, remote.Info{}, err
	}
	st, err := fstat(fd)
	if err == nil && !isRegular(&st) {
		err = unix.ENOENT
	}
	if err != nil {
		closeFD(fd)
		return -1, remote.Info{}, d.fail(op, key, err)
	}
	return fd, infoOf(key, &st), nil
}

func infoOf(key remote.Key, st *unix.Stat_t) remote.Info {
	return remote.Info{Key: key, Size: st.Size, ModTime: time.Unix(st.Mtim.Unix())}
}

// Get see remote.Remote. O_NONBLOCK keeps the open from waiting for the writer
// of a named pipe; files do not care.
func (d *Dir) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	fd, info, err := d.lookup(ctx, "get", key, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, remote.Info{}, err
	}
	switch {
	case offset < 0:
		err = unsupported("get", key, "negative offset")
	case offset > info.Size:
		err = d.fail("get", key, fmt.Errorf("%w: %d bytes, read from %d", remote.ErrCorrupt, info.Size, offset))
	}
	if err != nil {
		closeFD(fd)
		return nil, remote.Info{}, err
	}
	f := os.NewFile(uintptr(fd), string(key))
	return &body{ctx: ctx, d: d, key: key, file: f, at: offset, end: info.Size}, info, nil
}

// A body reads an object up to the size that it had when it was opened.
type body struct {
	ctx     context.Context // of Get, whose call the body belongs to
	d       *Dir
	key     remote.Key
	file    *os.File
	at, end int64
}

func (b *body) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil {
		return 0, remote.Ended(b.ctx, "file: get", b.key)
	}
	if b.at >= b.end {
		return 0, io.EOF
	}
	n, err := b.file.ReadAt(p[:min(int64(len(p)), b.end-b.at)], b.at)
	b.at += int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.at < b.end:
		return n, b.d.fail("get", b.key, fmt.Errorf("%w: ends %d bytes early", remote.ErrCorrupt, b.end-b.at))
	case err != nil && !errors.Is(err, io.EOF):
		return n, b.d.fail("get", b.key, err)
	}
	return n, nil
}

func (b *body) Close() error {
	if err := b.file.Close(); err != nil {
		return b.d.fail("get", b.key, err)
	}
	return nil
}
