package webdav

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"sstatefs/remote"
)

// The depths of a PROPFIND.
const (
	depthSelf     = "0"
	depthChildren = "1"
	depthAll      = "infinity"
)

// wanted are the properties that make an Info; wantedOne is asked of one name
// and has that which makes a version too, which is a tenth of the answer.
const (
	wanted    = wantedBegin + wantedEnd
	wantedOne = wantedBegin + `<getetag/>` + wantedEnd

	wantedBegin = `<?xml version="1.0" encoding="utf-8"?>` +
		`<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/>`
	wantedEnd = `</prop></propfind>`
)

// errEnough ends a PROPFIND of which enough was read.
var errEnough = errors.New("enough")

// propfind calls fn for what the server has at path, or below it, with paths
// relative to the place: a key, or a folder without its slash. Entries of
// other places are left out.
func (d *DAV) propfind(ctx context.Context, path, depth string, fn func(entry) error) error {
	res, err := d.client.do(ctx, propfindRequest(path, depth))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusMultiStatus {
		discard(res)
		return d.refused(res.StatusCode, res.Header)
	}
	defer res.Body.Close()
	below := relative{root: d.client.place.Load().path, asked: path}
	p, ok := d.parsers.Get().(*parser)
	if !ok {
		p = &parser{}
	}
	defer d.parsers.Put(p)
	left := d.answerLimit
	return p.parse(res.Body, func(e entry) error {
		if left--; left < 0 {
			return errEndless
		}
		rel, ok := below.path(e)
		if !ok || e.failed {
			return nil
		}
		e.path = rel
		return fn(e)
	})
}

func propfindRequest(path, depth string) request {
	r := request{method: "PROPFIND", path: path,
		header: map[string]string{"Depth": depth, "Content-Type": "application/xml; charset=utf-8"}}
	if depth == depthSelf {
		return r.text(wantedOne)
	}
	return r.text(wanted)
}

// relative makes the paths of one answer relative to the place.
type relative struct {
	root  string // path of the place, with a slash at its end
	asked string // what the request was for, below root
	begun bool
	alias string // how the server calls root + asked, if not so
}

// path gives the path below the root without a slash at its end; the root
// itself is "". A proxy may show the server's tree under another path: then
// the first entry, which is the folder that was asked for, says how the server
// calls that.
func (r *relative) path(e entry) (string, bool) {
	if !r.begun {
		r.begun = true
		if whole := r.root + r.asked; !strings.HasPrefix(e.path+"/", strings.TrimSuffix(whole, "/")+"/") {
			r.alias = e.path
		}
	}
	path := e.path
	if r.alias != "" {
		rest, ok := strings.CutPrefix(path, strings.TrimSuffix(r.alias, "/"))
		if !ok || rest != "" && rest[0] != '/' {
			return "", false
		}
		path = strings.TrimSuffix(r.root+r.asked, "/") + rest
	}
	if len(path)+1 == len(r.root) && strings.HasPrefix(r.root, path) {
		return "", true
	}
	rel, ok := strings.CutPrefix(path, r.root)
	return strings.TrimSuffix(rel, "/"), ok
}

// look asks for one name. A name that is not there is ok false and no error.
func (d *DAV) look(ctx context.Context, path string) (e entry, ok bool, err error) {
	err = d.propfind(ctx, path, depthSelf, func(found entry) error {
		if !ok {
			e, ok = found, true
		}
		return nil
	})
	if isAbsent(err) {
		return entry{}, false, nil
	}
	return e, ok && err == nil, err
}

// isAbsent tells that an answer says: no such name.
func isAbsent(err error) bool {
	var status *statusError
	return errors.As(err, &status) && absent(status.code)
}

func absent(code int) bool { return code == http.StatusNotFound || code == http.StatusGone }

// rootThere is ErrUnavailable when the root is missing: a folder that is not
// mounted on the server is no empty cache.
func (d *DAV) rootThere(ctx context.Context, op string) error {
	if d.knows().mirror {
		return nil
	}
	e, ok, err := d.look(ctx, "")
	switch {
	case err != nil:
		return d.fail(ctx, op, "", err)
	case !ok:
		return &remote.Error{Op: "webdav: " + op, Kind: remote.ErrUnavailable, Err: d.errNoRoot()}
	case !e.folder:
		return &remote.Error{Op: "webdav: " + op, Kind: remote.ErrUnavailable, Err: errors.New("the root is a file")}
	}
	return nil
}

// Probe see remote.Prober.
func (d *DAV) Probe(ctx context.Context) error {
	if !d.looked.Load() {
		return d.ready(ctx, "probe")
	}
	if !d.knows().mirror {
		return d.rootThere(ctx, "probe")
	}
	return d.mirrorAnswers(ctx, "probe")
}
