package webdav

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// tidyLimit bounds what is done after the caller's context has ended, in order
// to leave nothing behind.
const tidyLimit = 5 * time.Second

// A trial finds out what a server does by trying it in a scratch folder of its
// own, whose name is that of a temporary: nobody takes it for objects, and
// Leftovers shows it if this process is killed.
//
// What is independent is tried at the same time; names are those of the things
// that they are for. Open tries what takes no longer than its round trips, some
// eight. What times tell needs a second to pass, and is left to explore.
type trial struct {
	d      *DAV
	folder string

	mu  sync.Mutex
	err error // the first failure of the network: nothing is known then
}

// try tries what takes no time. Where the server takes no changes it says so in
// denied.
func (d *DAV) try(ctx context.Context) (known, error) {
	k, denied, err := d.inScratch(ctx, (*trial).run)
	if denied != nil {
		why := fmt.Sprintf("MKCOL: %v", denied)
		d.denied.Store(&why)
		deep, err := d.showsAll(ctx)
		return known{deep: deep, touch: touchNever}, err
	}
	return k, err
}

// inScratch makes a scratch folder, has something tried in it and removes it.
// denied is why the server takes no changes.
func (d *DAV) inScratch(ctx context.Context, run func(*trial, context.Context) known) (k known, denied, err error) {
	t := &trial{d: d, folder: remote.NewTemporary() + "/"}
	made, err := d.client.call(ctx, request{method: "MKCOL", path: t.folder})
	if ctx.Err() != nil {
		t.remove(ctx) // it may be made nevertheless
	}
	if err != nil {
		return known{}, nil, err
	}
	switch made.code {
	case http.StatusCreated, http.StatusOK, http.StatusNoContent:
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return known{}, d.refused(made.code, made.header), nil
	default:
		return known{}, nil, fmt.Errorf("trying to write: %w", d.refused(made.code, made.header))
	}
	defer t.remove(ctx)
	k = run(t, ctx)
	if ctx.Err() != nil {
		return known{}, nil, ctx.Err()
	}
	return k, nil, t.err
}

// remove removes the scratch folder with all that is in it. Of a trial that was
// interrupted some requests may still be on their way, and make it again or
// keep it from being removed: it must be gone twice.
func (t *trial) remove(ctx context.Context) {
	interrupted := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyLimit)
	defer cancel()
	for missing := 0; missing < 2 && ctx.Err() == nil; pause(ctx, tidyPause) {
		r, err := t.d.unlocked(ctx, request{method: http.MethodDelete, path: t.folder})
		switch {
		case err == nil && absent(r.code):
			missing++
		case err == nil && r.code/100 == 2 && !interrupted:
			return
		}
	}
}

// run is the trial of Open.
func (t *trial) run(ctx context.Context) known {
	k := known{asked: true, touch: touchLater}
	t.together(
		func() { t.conditional(ctx, &k) },
		func() { t.exclusive(ctx, &k) },
		func() { t.spares(ctx, &k) },
		func() { t.ifs(ctx, &k) },
		func() { t.nested(ctx, &k) },
		func() { t.putIf(ctx, "header", "x", timeHeader(longAgo())) },
		func() {
			t.call(ctx, request{method: "MKCOL", path: t.folder + "spared/"})
			t.call(ctx, deleteRequest(t.folder+"spared"))
		},
		func() { k.paths = t.put(ctx, "paths/x", "x") },
	)
	after := t.list(ctx, "")
	k.conditional = k.conditional && after["conditional"].size == 1
	k.exclusive = k.exclusive && after["exclusive"].size == 1
	_, stump := after["broken"]
	k.spares = k.spares && !stump
	k.fileDelete = after["spared"].folder
	k.timeHeader = after["header"].time.Equal(longAgo())
	return k
}

// together runs all and waits for them.
func (t *trial) together(steps ...func()) {
	var wg sync.WaitGroup
	for _, step := range steps {
		wg.Go(step)
	}
	wg.Wait()
}

// conditional tries PUT If-None-Match: *. That it refuses an existing name
// says something only where it takes a new one, and a plain PUT works.
func (t *trial) conditional(ctx context.Context, k *known) {
	onlyNew := map[string]string{"If-None-Match": "*"}
	var fresh int
	var plain bool
	t.together(
		func() { plain = t.put(ctx, "conditional", "1") },
		func() { fresh = t.putIf(ctx, "conditional-new", "1", onlyNew) },
	)
	k.conditional = plain && fresh/100 == 2 &&
		t.putIf(ctx, "conditional", "second", onlyNew) == http.StatusPreconditionFailed
}

// exclusive tries MOVE Overwrite: F onto a name that is there, behind the PUT of
// what it moves. What is learned here is kept for long, so a connection that is
// lost is no answer; if the second gets none either, MOVE is tried alone.
func (t *trial) exclusive(ctx context.Context, k *known) {
	if !t.put(ctx, "exclusive", "1") {
		return
	}
	other, there := t.folder+"exclusive-other", t.folder+"exclusive"
	put := request{method: http.MethodPut, path: other}
	move := t.d.moveRequest("MOVE", other, there, map[string]string{"Overwrite": "F"})
	for range 2 {
		first, second, err := t.d.client.pair(ctx, t.d.client.pairOf(ctx, put.text("second"), move))
		if err == nil && first.code/100 == 2 && second.code == http.StatusPreconditionFailed {
			k.exclusive, k.pairs = true, true
			return
		}
		if err == nil && second.code != 0 || errors.Is(err, transport.ErrNoPairs) {
			break
		}
	}
	t.put(ctx, "exclusive-other", "second")
	k.exclusive = t.call(ctx, move).code == http.StatusPreconditionFailed
}

// breakWait bounds the wait for a server to give up a PUT that is cut short.
const breakWait = 2 * time.Second

// spares tries a PUT that ends early. The server tells when it has given that up;
// one in front of it may be the first to do so.
func (t *trial) spares(ctx context.Context, k *known) {
	limited, cancel := context.WithTimeout(ctx, breakWait)
	defer cancel()
	answer, err := t.d.client.breakOff(limited, request{method: http.MethodPut, path: t.folder + "broken", size: 2 * brokenSize,
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(make([]byte, brokenSize))), nil }})
	if err != nil || answer == http.StatusUnauthorized || answer == http.StatusForbidden || answer/100 == 3 {
		return
	}
	k.spares = true
	pause(ctx, tidyPause)
}

// brokenSize is how much is sent of that PUT, in bytes.
const brokenSize = 16 << 10

// ifs tries MOVE with the etag of its destination, a wrong one and the right
// one.
func (t *trial) ifs(ctx context.Context, k *known) {
	t.together(func() { t.put(ctx, "ifs", "1") }, func() { t.put(ctx, "ifs-other", "second") })
	head := t.call(ctx, request{method: http.MethodHead, path: t.folder + "ifs"})
	etag := head.header.Get("ETag")
	if etag == "" {
		return
	}
	k.ifs = t.move(ctx, "ifs-other", "ifs", t.d.onlyIf(t.folder+"ifs", `"sstatefs"`)) == http.StatusPreconditionFailed &&
		t.move(ctx, "ifs-other", "ifs", t.d.onlyIf(t.folder+"ifs", etag))/100 == 2
}

// nested tries Depth: infinity, which may be refused or cut to one level, in a
// folder where nothing else goes on: rclone ends an answer when a folder goes
// away meanwhile.
func (t *trial) nested(ctx context.Context, k *known) {
	t.call(ctx, request{method: "MKCOL", path: t.folder + "deep/"})
	t.call(ctx, request{method: "MKCOL", path: t.folder + "deep/nested/"})
	if !t.put(ctx, "deep/nested/file", "x") {
		return
	}
	err := t.d.propfind(ctx, t.folder+"deep/", depthAll, func(e entry) error {
		k.deep = k.deep || e.path == t.folder+"deep/nested/file"
		return nil
	})
	k.deep = k.deep && err == nil
}

// put tells whether a plain PUT succeeds.
func (t *trial) put(ctx context.Context, name, content string) bool {
	return t.putIf(ctx, name, content, nil)/100 == 2
}

func (t *trial) putIf(ctx context.Context, name, content string, header map[string]string) int {
	r := request{method: http.MethodPut, path: t.folder + name, header: header}
	return t.call(ctx, r.text(content)).code
}

func (t *trial) move(ctx context.Context, from, to string, header map[string]string) int {
	return t.call(ctx, t.d.moveRequest("MOVE", t.folder+from, t.folder+to, header)).code
}

// call gives an empty reply when there was no answer.
func (t *trial) call(ctx context.Context, r request) reply {
	answer, err := t.d.client.call(ctx, r)
	if err != nil && ctx.Err() == nil {
		t.note(err)
	}
	return answer
}

// note keeps the first failure.
func (t *trial) note(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}
