package webdav

import (
	"context"

	"sstatefs/remote"
)

var _ remote.Sweeper = (*DAV)(nil)

// Sweep see remote.Sweeper. Folders are left out as List leaves them out. The
// scratch folder of a trial that was killed is told as a file, as by Leftovers.
func (d *DAV) Sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	const op = "sweep"
	if err := d.beginList(ctx, op, ""); err != nil {
		return err
	}
	t := &sweepTree{d: d, op: op}
	err, own := remote.SweepTree(ctx, t, fn)
	if own != nil {
		return own
	}
	if err != nil {
		return d.fail(ctx, op, "", err)
	}
	// What went away while it was listed must not look like an empty remote.
	if t.missed {
		return d.rootThere(ctx, op)
	}
	return nil
}

// sweepTree is a folder of a server as SweepTree lists it.
type sweepTree struct {
	d      *DAV
	op     string
	missed bool // a folder was not there
}

// swept tells what a sweep gives: all files, and folders that are temporaries.
func swept(e entry) bool {
	folder, base := remote.Key(e.path).Split()
	return !isHidden(folder) && (!e.folder || remote.IsTemporary(base))
}

// Children see remote.Tree.
func (t *sweepTree) Children(ctx context.Context, folder string) (files []remote.Info, folders []string, err error) {
	w := &walk{d: t.d, op: t.op, want: swept, ctx: ctx}
	w.hand = func(infos []remote.Info) error {
		files = append(files, infos...)
		return ctx.Err()
	}
	one := task{path: folder, top: folder == ""}
	paths, err := w.children(one)
	if err != nil {
		err = w.failed(one, err)
	}
	for _, path := range paths {
		_, name := remote.Key(path).Split()
		folders = append(folders, name)
	}
	t.missed = t.missed || w.missed.Load()
	return withSize(files), folders, err
}

// Below see remote.Tree.
func (t *sweepTree) Below(ctx context.Context, folder string, hand func(string, []remote.Info)) error {
	w := &walk{d: t.d, op: t.op, want: swept, below: true}
	err := w.run(ctx, folder, func(infos []remote.Info) error {
		for _, info := range withSize(infos) {
			at, _ := info.Key.Split()
			hand(at, []remote.Info{info})
		}
		remote.Progress(ctx)
		return ctx.Err()
	})
	t.missed = t.missed || w.missed.Load()
	return err
}

// withSize gives folders a size.
func withSize(infos []remote.Info) []remote.Info {
	for i := range infos {
		infos[i].Size = max(infos[i].Size, 0)
	}
	return infos
}
