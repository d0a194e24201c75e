package webdav

import (
	"context"
	"errors"

	"sstatefs/remote"
)

// Explore see remote.Explorer. What is left is what times tell: the way of
// touches, whether the times of folders can be trusted, and whether a PUT is
// seen before it is whole. Until then no time of a folder is told, and a PUT
// goes to a temporary.
func (d *DAV) Explore(ctx context.Context) error {
	if err := d.ready(ctx, "explore"); err != nil {
		return err
	}
	if d.Traits().ReadOnly {
		return nil
	}
	_, err := d.explored(ctx, "explore")
	return err
}

// explored gives what is known, and finds out before what Open has left.
func (d *DAV) explored(ctx context.Context, op string) (known, error) {
	if k := d.knows(); k.touch != touchLater {
		return k, nil
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return known{}, remote.Ended(ctx, "webdav: "+op, "")
	}
	k := d.knows()
	if k.touch != touchLater {
		return k, nil
	}
	k, denied, err := d.inScratch(ctx, func(t *trial, ctx context.Context) known { return t.watch(ctx, k) })
	if err = errors.Join(denied, err); err != nil {
		return known{}, d.fail(ctx, op, "", err)
	}
	t := d.Traits()
	t.Touch = k.touchWay()
	d.traits.Store(&t)
	d.known.Store(&k)
	return k, nil
}

// exploreForTimes lets the second listing of all know the times of folders: the
// first is what a build waits for.
func (d *DAV) exploreForTimes(ctx context.Context, prefix string) {
	if prefix != "" || d.listings.Add(1) < 2 || d.Traits().ReadOnly {
		return
	}
	_, _ = d.explored(ctx, "folders") // without it no time is told
}
