package file

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Delete see remote.Remote. Folders that become empty go with their last
// object.
func (d *Dir) Delete(ctx context.Context, keys ...remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "file: delete", "")
	}
	if err := d.changeable("delete", ""); err != nil {
		return err
	}
	root, err := d.openRoot("delete")
	if err != nil {
		return err
	}
	defer closeFD(root)
	var errs []error
	folders := make(map[string]struct{})
	for _, key := range keys {
		if ctx.Err() != nil {
			errs = append(errs, remote.Ended(ctx, "file: delete", key))
			break
		}
		remote.Progress(ctx)
		if err := d.unlink(ctx, root, key); err != nil {
			errs = append(errs, err)
			continue
		}
		dir, _ := key.Split()
		folders[dir] = struct{}{}
	}
	for dir := range folders {
		prune(root, dir)
	}
	return errors.Join(errs...)
}

// unlink removes one name. Where no object can be there is none to remove.
func (d *Dir) unlink(ctx context.Context, root int, key remote.Key) error {
	if err := begin(ctx, "delete", key); err != nil {
		return err
	}
	dir, base := key.Split()
	parent, err := folder(root, dir, unix.O_PATH)
	if err == nil {
		defer closeFD(parent)
		err = again(func() error { return unix.Unlinkat(parent, base, 0) })
	}
	if err == nil {
		return nil
	}
	if err := d.fail("delete", key, err); !errors.Is(err, remote.ErrNotExist) {
		return err
	}
	return nil
}

// prune removes a folder and those above it as long as they are empty. It is
// tidiness: its errors do not matter. A Put that has just made the folder makes
// it once more.
func prune(root int, dir string) {
	for dir != "" {
		above, name := remote.Key(dir).Split()
		parent, err := folder(root, above, unix.O_PATH)
		if err == nil {
			err = again(func() error { return unix.Unlinkat(parent, name, unix.AT_REMOVEDIR) })
			closeFD(parent)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return
		}
		dir = above
	}
}
