package webdav

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

const (
	// walkers is how many folders are asked for at a time. Of 45,000 folders at
	// 20 ms round trip most of the time is the way there and back: 64 make it
	// 15 s. Apache serves 150 connections by default, and prefork, which
	// keeps a process for each of them, does so for several hosts still.
	walkers = 64
	// cutTries bounds how often a listing is asked for again that the server
	// gave up.
	cutTries = 10
	// failTries bounds how often a folder of a listing is asked for that the
	// server fails to tell: one answer of 45,000 must not cost the others. The
	// first folder is asked for once, see remote.Guard.
	failTries = 3
	failPause = 200 * time.Millisecond
)

// Bounds of a listing, which a server that answers anything would never end.
const (
	pathLimit   = 4 << 10     // bytes of a name: PATH_MAX
	depthLimit  = 32          // folders in each other: those of objects are three
	askedLimit  = 4 << 20     // folders that are asked for: hex pairs in 64 trees
	answerLimit = 100_000_000 // names in one answer
	widthLimit  = 1 << 16     // folders in one folder
)

// errEndless is a listing that goes on and on.
var errEndless = errors.New("the listing does not end: more folders or names than any cache has")

// isName tells whether a path of an answer can be one of a cache.
func isName(path string) bool {
	return len(path) <= pathLimit && strings.Count(path, "/") < depthLimit && remote.Key(path).Valid()
}

// A walk is one listing.
type walk struct {
	d      *DAV
	op     string
	want   func(entry) bool
	ctx    context.Context // of the one listing that it is for
	group  *errgroup.Group
	hand   func([]remote.Info) error
	missed atomic.Bool // a folder was not there
	asked  atomic.Int64
	kept   atomic.Int64 // of its seen
	below  bool         // the folder asked for was found in another, and may be left out like any
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
	seen *seen // what was listed of it, or of the tree that it is in
}

// top asks for the first folder. Where a server shows whole trees each folder
// of the root is one request, so that they run side by side and each is short.
func (w *walk) top(prefix string) error {
	return w.list(task{path: prefix, top: !w.below, tree: w.d.knows().deep && prefix != ""})
}

// list does one task.
func (w *walk) list(t task) error {
	if w.asked.Add(1) > w.d.askedLimit {
		return errEndless
	}
	if t.tree {
		return w.listTree(t)
	}
	folders, err := w.children(t)
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

// children lists one folder and gives the folders in it.
func (w *walk) children(t task) (folders []string, err error) {
	if t.seen == nil {
		t.seen = &seen{kept: &w.kept}
		defer t.seen.forget()
	}
	for n := 1; ; n++ {
		c := collector{w: w, task: t}
		err = w.d.propfind(w.ctx, folderPath(t.path), depthChildren, c.take)
		switch {
		case err == nil:
			return c.folders, c.finish()
		case errors.Is(err, errCut) && n < cutTries:
		case n < failTries && w.mayPass(t, err):
			pause(w.ctx, failPause)
		default:
			return c.folders, err
		}
	}
}

// mayPass tells a failure that is worth another request for this folder alone.
func (w *walk) mayPass(t task, err error) bool {
	return !t.top && w.ctx.Err() == nil && kindOf(err) == remote.ErrUnavailable
}

// listTree asks for a whole tree and hands on what comes while it comes. What a
// server gives up or fails to tell, or has forbidden since, is listed folder by
// folder.
func (w *walk) listTree(t task) error {
	t.seen = &seen{kept: &w.kept}
	c := collector{w: w, task: t}
	err := w.d.propfind(w.ctx, folderPath(t.path), depthAll, c.take)
	if err == nil {
		defer t.seen.forget()
		return c.finish()
	}
	var status *statusError
	if errors.Is(err, errCut) || w.mayPass(t, err) || errors.As(err, &status) && status.code == http.StatusForbidden {
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
