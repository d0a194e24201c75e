package file

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Names see remote.NameLister.
func (d *Dir) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	return d.readFolder(ctx, "names", prefix, func(root int, _ *os.File, e os.DirEntry) error {
		name := e.Name()
		switch {
		case e.IsDir() && !isHidden(name):
			return own(fn(name, true))
		case !isObject(name):
			return nil
		case e.Type()&os.ModeSymlink != 0:
			if !isThere(root, remote.Join(prefix, name)) {
				return nil
			}
		case !e.Type().IsRegular():
			return nil
		}
		return own(fn(name, false))
	})
}

// Folders see remote.FolderLister. A prefix that does not exist has none.
func (d *Dir) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	var mine error
	err := d.readFolder(ctx, "folders", prefix, func(_ int, dir *os.File, e os.DirEntry) error {
		if !e.IsDir() || isHidden(e.Name()) {
			return nil
		}
		st, err := lstatAt(int(dir.Fd()), e.Name())
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return err
		}
		mine = fn(remote.Folder{Name: e.Name(), ModTime: time.Unix(st.Mtim.Unix())})
		return own(mine)
	})
	if mine == nil && errors.Is(err, remote.ErrNotExist) {
		return nil
	}
	return err
}

// own marks an error of a caller's function.
func own(err error) error {
	if err == nil {
		return nil
	}
	return ownError{err}
}

// readFolder calls fn for every entry of one folder.
func (d *Dir) readFolder(ctx context.Context, op, prefix string, fn func(root int, dir *os.File, e os.DirEntry) error) error {
	if err := beginList(ctx, op, prefix); err != nil {
		return err
	}
	root, err := d.openRoot(op)
	if err != nil {
		return err
	}
	defer closeFD(root)
	dir, err := d.openForReading(root, prefix)
	if err == nil {
		defer dir.Close()
		err = eachBatch(ctx, dir, func(entries []os.DirEntry) error {
			remote.Progress(ctx)
			for _, e := range entries {
				if err := fn(root, dir, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return d.listFailed(ctx, op, prefix, err)
	}
	return nil
}
