package webdav

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"sstatefs/remote"
)

// timeStep is how long a trial waits between two times that must differ: an
// HTTP date has whole seconds.
const timeStep = timeResolution + 50*time.Millisecond

// tidyLimit bounds what is done after the caller's context has ended, in order
// to leave nothing behind.
const tidyLimit = 5 * time.Second

// A trial finds out what a server does by trying it in a scratch folder of its
// own, whose name is that of a temporary: nobody takes it for objects, and
// Leftovers shows it if this process is killed.
//
// It takes about a dozen round trips and timeStep. What is independent is tried at the
// same time; names are those of the things that they are for.
type trial struct {
	d      *DAV
	folder string

	mu  sync.Mutex
	err error // the first failure of the network: nothing is known then
}

// try tries everything. Where the server takes no changes it says so in
// denied.
func (d *DAV) try(ctx context.Context) (known, error) {
	t := &trial{d: d, folder: remote.NewTemporary() + "/"}
	made, err := d.client.call(ctx, request{method: "MKCOL", path: t.folder})
	if ctx.Err() != nil {
		t.remove(ctx) // it may be made nevertheless
	}
	if err != nil {
		return known{}, err
	}
	switch made.code {
	case http.StatusCreated, http.StatusOK, http.StatusNoContent:
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		why := fmt.Sprintf("MKCOL: %v", d.refused(made.code, made.header))
		d.denied.Store(&why)
		deep, err := d.showsAll(ctx)
		return known{deep: deep, touch: touchNever}, err
	default:
		return known{}, fmt.Errorf("trying to write: %w", d.refused(made.code, made.header))
	}
	defer t.remove(ctx)
	k := t.run(ctx)
	if ctx.Err() != nil {
		return known{}, ctx.Err()
	}
	return k, t.err
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

// run does the trial. In the time that it has to wait it looks what others see
// of a PUT that is under way, in a folder of its own: rclone holds the listing
// of a folder with a PUT in it for five seconds.
func (t *trial) run(ctx context.Context) known {
	k := known{asked: true}
	half, breakOff := context.WithCancel(ctx)
	defer breakOff()
	var halves sync.WaitGroup
	halves.Go(func() { t.putHalves(half) })
	t.together(
		func() { t.conditional(ctx, &k) },
		func() { t.exclusive(ctx, &k) },
		func() { t.ifs(ctx, &k) },
		func() { t.nested(ctx, &k) },
		func() { t.prepareTimes(ctx) },
		func() { t.prepareFolders(ctx) },
		func() { k.paths = t.put(ctx, "paths/x", "x") },
	)
	made := time.Now()
	before := t.list(ctx, "")
	pause(ctx, timeStep/4)
	k.whole = t.hidesHalves(ctx)
	breakOff()
	halves.Wait()
	pause(ctx, time.Until(made.Add(timeStep)))
	t.together(
		func() { t.changeTimes(ctx) },
		func() { t.changeFolders(ctx) },
	)
	after := t.list(ctx, "")
	k.whole = k.whole && sparesHalves(t.list(ctx, "halves/"))
	t.judge(&k, before, after)
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

// exclusive tries MOVE Overwrite: F onto a name that is there.
func (t *trial) exclusive(ctx context.Context, k *known) {
	t.together(func() { t.put(ctx, "exclusive", "1") }, func() { t.put(ctx, "exclusive-other", "second") })
	k.exclusive = t.move(ctx, "exclusive-other", "exclusive", map[string]string{"Overwrite": "F"}) == http.StatusPreconditionFailed
}

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
