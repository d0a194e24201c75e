package file

import (
	"context"
	"errors"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

const (
	// walkers is how many folders are read at a time. NFS gains from it.
	walkers = 8
	// batch is how many names of a folder are in memory at a time, besides
	// the names alone to tell repetitions.
	batch = 1024
)

// List see remote.Remote. Folders that this user may not read are left out, as
// are hidden ones: lost+found, the 0700 folders in which BitBake signs, the
// snapshots of a file server.
func (d *Dir) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return d.enumerate(ctx, "list", prefix, isObject, fn)
}

// Leftovers see remote.LeftoverLister.
func (d *Dir) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	return d.enumerate(ctx, "leftovers", "", remote.IsTemporary, fn)
}

func isObject(base string) bool { return remote.Key(base).IsObject() }

// isHidden tells that a folder holds no objects of this remote.
func isHidden(name string) bool { return strings.HasPrefix(name, ".") }

// enumerate calls fn for every file below prefix whose base name is wanted.
func (d *Dir) enumerate(ctx context.Context, op, prefix string, want func(string) bool, fn func(remote.Info) error) error {
	if err := beginList(ctx, op, prefix); err != nil {
		return err
	}
	root, err := d.openRoot(op)
	if err != nil {
		return err
	}
	defer closeFD(root)
	top, err := d.openForReading(root, prefix)
	if isMissing(err) {
		return nil
	}
	if err == nil {
		var own error
		err, own = remote.Gather(ctx, fn, func(ctx context.Context, hand func([]remote.Info) error) error {
			w := &walker{d: d, root: root, want: want, hand: hand}
			w.group, w.ctx = errgroup.WithContext(ctx)
			w.group.SetLimit(walkers)
			w.group.Go(func() error { return w.walk(top, prefix) })
			return w.group.Wait()
		})
		if own != nil {
			return own
		}
	}
	if err != nil {
		return d.listFailed(ctx, op, prefix, err)
	}
	// What went away while it was listed must not look like an empty remote.
	fd, err := d.openRoot(op)
	if err == nil {
		closeFD(fd)
	}
	return err
}

// isMissing tells that there is no such folder.
func isMissing(err error) bool { return errors.Is(err, unix.ENOENT) || isImpossible(err) }

// An ownError is what a caller's fn said.
type ownError struct{ error }

// listFailed gives the error of a listing as the caller shall see it.
func (d *Dir) listFailed(ctx context.Context, op, prefix string, err error) error {
	var own ownError
	switch {
	case errors.As(err, &own):
		return own.error
	case ctx.Err() != nil:
		return remote.Ended(ctx, "file: "+op, remote.Key(prefix))
	}
	return d.fail(op, remote.Key(prefix), err)
}

// beginList checks what every listing needs.
func beginList(ctx context.Context, op, prefix string) error {
	if prefix == "" {
		return remote.Ended(ctx, "file: "+op, "")
	}
	return begin(ctx, op, remote.Key(prefix))
}

// openForReading opens a folder for its names. The file carries its path,
// which ReadDir needs on file systems whose entries have no type.
func (d *Dir) openForReading(root int, path string) (*os.File, error) {
	fd, err := folder(root, path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path+"/"+path), nil
}
