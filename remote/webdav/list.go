package webdav

import (
	"context"

	"sstatefs/remote"
)

// List see remote.Remote. Hidden folders are left out, and those that this user
// may not read.
func (d *DAV) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	want := func(e entry) bool { return !e.folder && !isHidden(e.path) && remote.Key(e.path).IsObject() }
	return d.enumerate(ctx, &walk{op: "list", want: want}, prefix, fn)
}

// Leftovers see remote.LeftoverLister. The scratch folder of a trial that was
// killed is one of them, but on nginx, which hides folders with such names.
func (d *DAV) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	want := func(e entry) bool {
		folder, base := remote.Key(e.path).Split()
		return remote.IsTemporary(base) && !isHidden(folder)
	}
	return d.enumerate(ctx, &walk{op: "leftovers", want: want}, "", func(info remote.Info) error {
		info.Size = max(info.Size, 0) // of a folder
		return fn(info)
	})
}

// beginList checks what every listing needs.
func (d *DAV) beginList(ctx context.Context, op, prefix string) error {
	if prefix != "" && !remote.Key(prefix).Valid() {
		return unsupported(op, remote.Key(prefix), "not a valid prefix")
	}
	if ctx.Err() != nil {
		return remote.Ended(ctx, "webdav: "+op, remote.Key(prefix))
	}
	if err := d.ready(ctx, op); err != nil {
		return err
	}
	if d.knows().mirror {
		return unsupported(op, remote.Key(prefix), "a plain mirror has no listing")
	}
	return nil
}

// enumerate calls fn for every wanted entry below prefix.
func (d *DAV) enumerate(ctx context.Context, w *walk, prefix string, fn func(remote.Info) error) error {
	if err := d.beginList(ctx, w.op, prefix); err != nil {
		return err
	}
	w.d = d
	err, own := remote.Gather(ctx, fn, func(ctx context.Context, hand func([]remote.Info) error) error {
		return w.run(ctx, prefix, hand)
	})
	if own != nil {
		return own
	}
	if err != nil {
		return d.fail(ctx, w.op, remote.Key(prefix), err)
	}
	// What went away while it was listed must not look like an empty remote.
	if w.missed.Load() {
		return d.rootThere(ctx, w.op)
	}
	return nil
}
