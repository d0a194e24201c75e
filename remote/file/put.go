package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// fileMode is the mode of objects, less the umask.
const fileMode = 0o664

// folderTries bounds how often Put makes its folder again after another host
// has removed it because it was empty.
const folderTries = 10

// errFolder is the end of folderTries.
var errFolder = errors.New("its folder vanishes again and again")

// Put see remote.Remote.
func (d *Dir) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if err := begin(ctx, "put", key); err != nil {
		return err
	}
	if key.IsTemporary() {
		return unsupported("put", key, "the name is reserved for temporaries")
	}
	if err := d.changeable("put", key); err != nil {
		return err
	}
	root, err := d.openRoot("put")
	if err != nil {
		return err
	}
	defer closeFD(root)
	if opt.Create && isThere(root, key) { // spares the copy
		return d.fail("put", key, unix.EEXIST)
	}
	if opt.Refresh && sizeOf(root, key) != src.Size() {
		return d.fail("put", key, unix.ENOENT)
	}
	err = d.write(ctx, root, key, src, opt)
	if err == nil {
		return nil
	}
	dir, _ := key.Split()
	prune(root, dir)
	if ctx.Err() != nil {
		return remote.Ended(ctx, "file: put", key)
	}
	return d.fail("put", key, err)
}

// isThere tells whether an object has the key.
func isThere(root int, key remote.Key) bool { return sizeOf(root, key) >= 0 }

// sizeOf is the size of an object in bytes, -1 if there is none.
func sizeOf(root int, key remote.Key) int64 {
	fd, err := findBelow(root, key, unix.O_PATH)
	if err != nil {
		return -1
	}
	defer closeFD(fd)
	st, err := fstat(fd)
	if err != nil || !isRegular(&st) {
		return -1
	}
	return st.Size
}

// write makes a temporary, fills it and gives it its name.
func (d *Dir) write(ctx context.Context, root int, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	t, err := newTemporary(ctx, root, key)
	if err != nil {
		return err
	}
	defer t.close()
	failpoint.Pass("put.made")
	if err := t.fill(ctx, src); err != nil {
		return err
	}
	failpoint.Pass("put.filled")
	if !opt.ModTime.IsZero() {
		t.date(opt.ModTime)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if opt.Create {
		err = d.create(t, root, key)
	} else {
		err = t.replace()
	}
	if err != nil {
		return err
	}
	failpoint.Pass("put.named")
	t.remove()
	return syncFolder(t.folder)
}

// A temporary is an object that has no name yet.
type temporary struct {
	folder int // descriptor of the folder
	name   string
	base   string // the name to be
	file   *os.File
	ino    unix.Stat_t // of the file, known when it is filled
	gone   bool        // the temporary name
}

// newTemporary makes the folders and the file.
func newTemporary(ctx context.Context, root int, key remote.Key) (*temporary, error) {
	dir, base := key.Split()
	for range folderTries {
		t := &temporary{folder: -1, name: remote.NewTemporary(), base: base}
		err := t.make(root, dir)
		if err == nil {
			return t, nil
		}
		t.close()
		if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ESTALE) {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return nil, errFolder
}

func (t *temporary) make(root int, dir string) (err error) {
	t.folder, err = makeFolder(root, dir)
	if err != nil {
		return err
	}
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	var fd int
	err = again(func() error {
		fd, err = unix.Openat(t.folder, t.name, flags, fileMode)
		return err
	})
	if err != nil {
		return err
	}
	t.file = os.NewFile(uintptr(fd), t.name)
	return nil
}

// makeFolder opens a folder and makes what is missing of it. The root itself
// is the descriptor that the caller has.
func makeFolder(root int, dir string) (int, error) {
	fd, err := folder(root, dir, unix.O_RDONLY)
	if dir == "" || !errors.Is(err, unix.ENOENT) {
		return fd, err
	}
	above, name := remote.Key(dir).Split()
	parent, err := makeFolder(root, above)
	if err != nil {
		return -1, err
	}
	defer closeFD(parent)
	err = again(func() error { return unix.Mkdirat(parent, name, folderMode) })
	if err == nil {
		err = syncFolder(parent)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return -1, err
	}
	return folder(root, dir, unix.O_RDONLY)
}

// fill copies the source and makes the content durable.
func (t *temporary) fill(ctx context.Context, src remote.Source) error {
	body, err := src.Open()
	if err != nil {
		return fmt.Errorf("%w: source: %w", remote.ErrCorrupt, err)
	}
	defer body.Close()
	if err := remote.Copy(ctx, &writeback{file: t.file}, body, src.Size()); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	t.ino, err = fstat(int(t.file.Fd()))
	if err != nil {
		return err
	}
	file := t.file
	t.file = nil
	return file.Close() // here NFS reports what it could not write
}

// date gives the file its time, when nothing writes to it any more. A file
// system that refuses that leaves it at now, which keeps the object longer.
func (t *temporary) date(at time.Time) {
	stamp, err := unix.TimeToTimespec(at)
	if err == nil {
		_ = again(func() error {
			return unix.UtimesNanoAt(t.folder, t.name, []unix.Timespec{stamp, stamp}, unix.AT_SYMLINK_NOFOLLOW)
		})
	}
}

// remove removes the temporary name. What cannot be removed is a leftover for
// the cleaner.
func (t *temporary) remove() {
	if !t.gone && t.folder >= 0 {
		t.gone = true
		_ = again(func() error { return unix.Unlinkat(t.folder, t.name, 0) })
	}
}

// close gives everything back. Unless the content has got its name it is gone.
func (t *temporary) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
	t.remove()
	if t.folder >= 0 {
		closeFD(t.folder)
	}
}
