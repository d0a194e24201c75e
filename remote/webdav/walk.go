package webdav

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

const (
	// walkers is how many folders are asked for at a time: what hides a round
	// trip without being a load.
	walkers = 16
	// cutTries bounds how often a listing is asked for again that the server
	// gave up.
	cutTries = 10
)

// A walk is one listing.
type walk struct {
	d      *DAV
	op     string
	want   func(entry) bool
	ctx    context.Context // of the one listing that it is for
	group  *errgroup.Group
	hand   func([]remote.Info) error
	missed atomic.Bool // a folder was not there
}

// run lists what is below prefix and gives it to hand.
func (w *walk) run(ctx context.Context, prefix string, hand func([]remote.Info) error) error {
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(walkers)
	w.hand = hand
	w.group.Go(func() error { return w.top(prefix) })
	return w.group.Wait()
}

// A task is one folder that is still to be listed.
type task struct {
	path string
	tree bool  // with all that is below it, by one request
	top  bool  // it is what the caller asked for
	seen *seen // what was listed of the tree that it is in, nil outside of such
}

// top asks for the first folder. Where a server shows whole trees each folder
// of the root is one request, so that they run side by side and each is short.
func (w *walk) top(prefix string) error {
	return w.list(task{path: prefix, top: true, tree: w.d.knows().deep && prefix != ""})
}

// list does one task.
func (w *walk) list(t task) error {
	if t.tree {
		return w.listTree(t)
	}
	var folders []string
	err := error(errCut)
	for n := 0; n < cutTries && errors.Is(err, errCut); n++ {
		c := collector{w: w, task: t}
		if err = w.d.propfind(w.ctx, folderPath(t.path), depthChildren, c.take); err == nil {
			err = c.hand()
		}
		folders = c.folders
	}
	if err != nil {
		return w.failed(t, err)
	}
	for _, path := range folders {
		sub := task{path: path, seen: t.seen, tree: w.d.knows().deep && t.path == ""}
		if w.group.TryGo(func() error { return w.list(sub) }) {
			continue
		}
		if err := w.list(sub); err != nil {
			return err
		}
	}
	return nil
}

// listTree asks for a whole tree and hands on what comes while it comes. What a
// server gives up, or has forbidden since, is listed folder by folder.
func (w *walk) listTree(t task) error {
	t.seen = &seen{}
	c := collector{w: w, task: t}
	err := w.d.propfind(w.ctx, folderPath(t.path), depthAll, c.take)
	if err == nil {
		return c.hand()
	}
	var status *statusError
	if errors.Is(err, errCut) || errors.As(err, &status) && status.code == http.StatusForbidden {
		t.tree = false
		return errors.Join(c.hand(), w.list(t))
	}
	return w.failed(t, err)
}

// failed decides whether a folder can be left out.
func (w *walk) failed(t task, err error) error {
	var status *statusError
	if !errors.As(err, &status) {
		return err
	}
	switch {
	case absent(status.code), status.code == http.StatusBadRequest && t.path != "":
		w.missed.Store(true) // 400 is Apache's word for a folder that is a file
		return nil
	case status.code == http.StatusForbidden && !t.top:
		return nil
	}
	return err
}
