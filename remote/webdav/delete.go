package webdav

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// deleters is how many objects are removed at a time.
const deleters = 16

// Delete see remote.Remote. Folders stay: to remove one removes what was put
// into it a moment ago.
func (d *DAV) Delete(ctx context.Context, keys ...remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "webdav: delete", "")
	}
	if err := d.ready(ctx, "delete"); err != nil {
		return err
	}
	if err := d.changeable("delete", ""); err != nil {
		return err
	}
	var mu sync.Mutex
	var errs []error
	var missing atomic.Bool
	var group errgroup.Group
	group.SetLimit(deleters)
	for _, key := range keys {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			there, err := d.deleteOne(ctx, key)
			if !there {
				missing.Store(true)
			}
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
			remote.Progress(ctx)
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() != nil {
		return remote.Ended(ctx, "webdav: delete", "")
	}
	if missing.Load() {
		errs = append(errs, d.rootThere(ctx, "delete"))
	}
	return errors.Join(errs...)
}

// deleteOne removes one object, and tells whether it was there.
func (d *DAV) deleteOne(ctx context.Context, key remote.Key) (there bool, err error) {
	if !key.Valid() {
		return true, unsupported("delete", key, "not a valid key")
	}
	unlock, err := d.locks.Alone(ctx, key)
	if err != nil {
		return true, d.fail(ctx, "delete", key, err)
	}
	defer unlock()
	if !d.knows().fileDelete && !key.IsTemporary() {
		e, ok, err := d.look(ctx, string(key))
		if err != nil {
			return true, d.fail(ctx, "delete", key, err)
		}
		if !ok || e.folder {
			return ok, nil
		}
	}
	r, err := d.unlocked(ctx, deleteRequest(string(key)))
	switch {
	case err != nil:
		return true, d.fail(ctx, "delete", key, err)
	case r.code/100 == 2:
		return true, nil
	case absent(r.code):
		return false, nil
	}
	return true, d.deleteFolder(ctx, key, r)
}

// deleteFolder is for a name whose removal the server has refused. The scratch
// folder of a trial that was killed goes with what is in it. Any other folder
// is no object, and there is nothing to remove.
func (d *DAV) deleteFolder(ctx context.Context, key remote.Key, r reply) error {
	e, ok, err := d.look(ctx, string(key))
	if err == nil && ok && !e.folder {
		err = d.refused(r.code, r.header)
	}
	if err == nil && ok && key.IsTemporary() {
		r, err = d.client.call(ctx, request{method: http.MethodDelete, path: folderPath(string(key))})
		if err == nil && r.code/100 != 2 && !absent(r.code) {
			err = d.refused(r.code, r.header)
		}
	}
	if err != nil {
		return d.fail(ctx, "delete", key, err)
	}
	return nil
}
