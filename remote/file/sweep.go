package file

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Sweep see remote.Sweeper. Folders are left out as List leaves them out.
// Files of any name are told: BitBake that works on the directory itself leaves
// temporaries of its own.
func (d *Dir) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	if err := beginList(ctx, "sweep", ""); err != nil {
		return err
	}
	root, err := d.openRoot("sweep")
	if err != nil {
		return err
	}
	defer closeFD(root)
	err, own := remote.SweepTree(ctx, folderTree{d, root}, fn)
	if own != nil {
		return own
	}
	if err != nil {
		return d.listFailed(ctx, "sweep", "", err)
	}
	// What went away while it was listed must not look like an empty remote.
	fd, err := d.openRoot("sweep")
	if err == nil {
		closeFD(fd)
	}
	return err
}

// folderTree is a directory as SweepTree lists it.
type folderTree struct {
	d    *Dir
	root int
}

// Children see remote.Tree.
func (t folderTree) Children(ctx context.Context, folder string) (files []remote.Info, folders []string, err error) {
	dir, err := t.d.openForReading(t.root, folder)
	if err != nil {
		return nil, nil, unread(folder, err)
	}
	defer dir.Close()
	w := t.walker()
	err = eachBatch(ctx, dir, func(entries []os.DirEntry) error {
		remote.Progress(ctx)
		infos, err := w.infos(dir, folder, entries)
		files = append(files, infos...)
		for _, e := range entries {
			if e.IsDir() && !isHidden(e.Name()) {
				folders = append(folders, e.Name())
			}
		}
		return err
	})
	return files, folders, err
}

// Below see remote.Tree.
func (t folderTree) Below(ctx context.Context, folder string, hand func(string, []remote.Info)) error {
	dir, err := t.d.openForReading(t.root, folder)
	if err != nil {
		return unread(folder, err)
	}
	w := t.walker()
	w.whole = hand
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(walkers)
	w.group.Go(func() error { return w.walk(dir, folder) })
	return w.group.Wait()
}

func (t folderTree) walker() *walker {
	return &walker{d: t.d, root: t.root, want: func(string) bool { return true }}
}

// unread is nil for a folder that is gone or not for this user. The root is
// neither.
func unread(folder string, err error) error {
	if folder != "" && (isMissing(err) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
		return nil
	}
	return err
}
