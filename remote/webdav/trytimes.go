package webdav

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// timeStep is how long a trial waits between two times that must differ: an
// HTTP date has whole seconds.
const timeStep = timeResolution + 50*time.Millisecond

// halfSize is how much is sent of a PUT that breaks, in bytes: more than
// clients and servers hold back before they write.
const halfSize = 256 << 10

// watch finds out what times tell, beside what is known. In the time that it has
// to wait it looks what others see of a PUT that is under way, in a folder of its
// own: rclone holds the listing of a folder with a PUT in it for five seconds.
func (t *trial) watch(ctx context.Context, k known) known {
	half, breakOff := context.WithCancel(ctx)
	defer breakOff()
	var halves sync.WaitGroup
	halves.Go(func() { t.putHalves(half) })
	t.together(
		func() { t.prepareTimes(ctx) },
		func() { t.prepareFolders(ctx) },
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
	spared := sparesHalves(t.list(ctx, "halves/"))
	k.whole, k.spares = k.whole && spared, k.spares && spared
	k.judge(before, after)
	return k
}

// putHalves begins a PUT onto a new name and one onto an old one, and breaks
// both off at the end of ctx.
func (t *trial) putHalves(ctx context.Context) {
	t.call(ctx, request{method: "MKCOL", path: t.folder + "halves/"})
	t.together(
		func() { t.putHalf(ctx, "halves/new") },
		func() {
			if t.put(ctx, "halves/old", "old") {
				t.putHalf(ctx, "halves/old")
			}
		},
	)
}

// putHalf sends the first half of a PUT and then waits for the end of ctx,
// which breaks the connection.
func (t *trial) putHalf(ctx context.Context, name string) {
	r := request{method: http.MethodPut, path: t.folder + name, size: 2 * halfSize, once: true,
		open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, halfSize)), waiting{ctx})), nil
		}}
	_, _ = t.d.client.call(ctx, r) // it has no answer; what it leaves shows
}

// hidesHalves tells whether nothing is seen of the PUTs under way. A server
// that holds its answer until they are done does not hide them.
func (t *trial) hidesHalves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, timeStep/2)
	defer cancel()
	now, err := t.entries(ctx, "halves/")
	return err == nil && sparesHalves(now)
}

// sparesHalves tells whether there is the old content and nothing else.
func sparesHalves(now map[string]entry) bool {
	_, seen := now["halves/new"]
	return !seen && now["halves/old"].size == int64(len("old"))
}

// A waiting reader gives nothing until its context ends.
type waiting struct{ ctx context.Context }

func (w waiting) Read([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, w.ctx.Err()
}

// longAgo is a time that no file has by itself.
func longAgo() time.Time { return time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC) }

// prepareTimes makes what the ways to set a time are tried on.
func (t *trial) prepareTimes(ctx context.Context) {
	t.together(
		func() { t.put(ctx, "copied", "x") },
		func() { t.put(ctx, "moved", "x") },
		func() {
			if t.put(ctx, "property", "x") {
				t.call(ctx, propertyRequest(t.folder+"property", longAgo()))
			}
		},
	)
}

// prepareFolders makes folders in which names will come and go.
func (t *trial) prepareFolders(ctx context.Context) {
	t.together(
		func() { t.call(ctx, request{method: "MKCOL", path: t.folder + "grows/"}) },
		func() {
			t.call(ctx, request{method: "MKCOL", path: t.folder + "shrinks/"})
			t.put(ctx, "shrinks/x", "x")
		},
	)
}

// changeTimes tries what moves a time to now.
func (t *trial) changeTimes(ctx context.Context) {
	t.together(
		func() {
			t.call(ctx, t.d.moveRequest("COPY", t.folder+"copied", t.folder+"copied-there", map[string]string{"Overwrite": "F"}))
			t.move(ctx, "copied-there", "copied", map[string]string{"Overwrite": "T"})
		},
		func() {
			t.put(ctx, "moved-there", "x")
			t.move(ctx, "moved-there", "moved", map[string]string{"Overwrite": "T"})
		},
	)
}

func (t *trial) changeFolders(ctx context.Context) {
	t.together(
		func() { t.put(ctx, "grows/x", "x") },
		func() { t.call(ctx, deleteRequest(t.folder+"shrinks/x")) },
	)
}

// list gives the entries of a folder by their names in the scratch folder.
func (t *trial) list(ctx context.Context, folder string) map[string]entry {
	var all map[string]entry
	err := error(errCut) // halves come and go meanwhile
	for n := 0; n < cutTries && errors.Is(err, errCut); n++ {
		all, err = t.entries(ctx, folder)
	}
	if err != nil {
		t.note(err)
	}
	return all
}

func (t *trial) entries(ctx context.Context, folder string) (map[string]entry, error) {
	all := make(map[string]entry)
	return all, t.d.propfind(ctx, t.folder+folder, depthChildren, func(e entry) error {
		if len(e.path) > len(t.folder) {
			all[e.path[len(t.folder):]] = e
		}
		return nil
	})
}

// judge draws the conclusions from two looks at the scratch folder: when all
// was made, and when times had to move.
func (k *known) judge(before, after map[string]entry) {
	later := func(name string) bool { return after[name].time.After(before[name].time) }
	k.folderTimes = later("grows") && later("shrinks")
	switch {
	case before["property"].time.Equal(longAgo()):
		k.touch = touchProperty
	case later("copied") && after["copied"].size == 1:
		k.touch = touchCopy
	case later("moved") && after["moved"].size == 1:
		k.touch = touchPut
	default:
		k.touch = touchNever
	}
}

// timeHeader is how ownCloud's clients tell the time of what they put; others
// than ownCloud know it too.
func timeHeader(t time.Time) map[string]string {
	return map[string]string{"X-OC-Mtime": strconv.FormatInt(t.Unix(), 10)}
}

// propertyRequest sets the time of a file as a property, which most servers
// protect.
func propertyRequest(path string, t time.Time) request {
	r := request{method: "PROPPATCH", path: path, header: map[string]string{"Content-Type": "application/xml; charset=utf-8"}}
	return r.text(`<?xml version="1.0" encoding="utf-8"?><propertyupdate xmlns="DAV:"><set><prop>` +
		`<getlastmodified>` + t.UTC().Format(http.TimeFormat) + `</getlastmodified></prop></set></propertyupdate>`)
}

// deleteRequest removes a file. With Depth: 0 Apache and nginx refuse to remove
// a folder, whose removal is recursive (RFC 4918, section 9.6.1).
func deleteRequest(path string) request {
	return request{method: http.MethodDelete, path: path, header: map[string]string{"Depth": "0"}}
}
