package upkeep

import (
	"context"
	"errors"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// emptyFolders are the folders that held nothing when they were listed, by the
// folder that they are in. Only a directory has such.
type emptyFolders map[string]map[string]struct{}

// note takes a folder, if its name is one that objects or temporaries are in:
// any other is somebody's own.
func (e *emptyFolders) note(folder string) {
	if !sstate.IsFolder(folder) && !sstate.IsTemporary(folder) {
		return
	}
	above, name := remote.Key(folder).Split()
	if *e == nil {
		*e = make(emptyFolders)
	}
	if (*e)[above] == nil {
		(*e)[above] = make(map[string]struct{})
	}
	(*e)[above][name] = struct{}{}
}

// removeEmpty removes the empty folders that nobody has used for a day: a
// build that has just made one is about to put something into it.
func (c *cleaner) removeEmpty(ctx context.Context) error {
	lister, ok := c.t.Remote.(remote.FolderLister)
	if !ok {
		return nil
	}
	for above, names := range c.empty {
		// Delete removes with an object the folders that are empty then. This
		// one is not there, and its folder is.
		var keys []remote.Key
		err := lister.Folders(ctx, above, func(f remote.Folder) error {
			if _, empty := names[f.Name]; empty && !f.ModTime.IsZero() && c.judge.unused(f.ModTime, leftoverAge) {
				keys = append(keys, remote.Join(string(remote.Join(above, f.Name)), remote.NewTemporary()))
			}
			return nil
		})
		if err == nil && len(keys) > 0 && !c.o.DryRun {
			err = c.t.Delete(ctx, keys...)
		}
		switch {
		case err == nil:
			c.result.EmptyFolders += int64(len(keys))
		case ctx.Err() != nil, errors.Is(err, remote.ErrUnavailable):
			return err
		}
	}
	return nil
}
