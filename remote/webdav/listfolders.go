package webdav

import (
	"context"
	"errors"
	"time"

	"sstatefs/remote"
)

// Folders see remote.FolderLister.
func (d *DAV) Folders(ctx context.Context, prefix string, fn func(remote.Folder) error) error {
	if err := d.beginList(ctx, "folders", prefix); err != nil {
		return err
	}
	d.exploreForTimes(ctx, prefix)
	trusted := d.knows().folderTimes
	var told seen
	var own error
	err := error(errCut)
	for n := 0; n < cutTries && errors.Is(err, errCut) && own == nil; n++ {
		err = d.propfind(ctx, folderPath(prefix), depthChildren, func(e entry) error {
			folder, base := remote.Key(e.path).Split()
			if !e.folder || e.path == prefix || folder != prefix || isHidden(base) || !isName(e.path) || !told.isNew(base) {
				return nil
			}
			d.folders.add(e.path)
			if !trusted {
				e.time = time.Time{}
			}
			own = fn(remote.Folder{Name: base, ModTime: e.time})
			return own
		})
	}
	switch {
	case own != nil:
		return own
	case err == nil && (prefix == "" || told.hashes != nil):
		d.folders.listed(prefix)
		return nil
	case isAbsent(err):
		return d.rootThere(ctx, "folders")
	case err != nil:
		return d.fail(ctx, "folders", remote.Key(prefix), err)
	}
	return nil
}
