package webdav

import (
	"context"
	"net/http"
	"strings"

	"sstatefs/remote"
)

// A version is an object as it was at one moment.
type version struct {
	remote.Info
	etag   string // "" if the server has none
	ranges bool   // the server gives parts of it
}

// same compares as far as the server tells. Apache calls the etag of a fresh
// file weak, and a second later the same etag strong.
func (v version) same(w version) bool {
	sameTag := strings.TrimPrefix(v.etag, "W/") == strings.TrimPrefix(w.etag, "W/")
	return v.Size == w.Size && v.ModTime.Equal(w.ModTime) && (sameTag || v.etag == "" || w.etag == "")
}

// Stat see remote.Remote.
func (d *DAV) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	if err := d.begin(ctx, "stat", key); err != nil {
		return remote.Info{}, err
	}
	v, err := d.head(ctx, "stat", key)
	return v.Info, err
}

// head describes an object by HEAD, which every server answers from its file
// system without making XML. What HEAD does not say for sure PROPFIND does. A
// temporary is no object.
func (d *DAV) head(ctx context.Context, op string, key remote.Key) (version, error) {
	if key.IsTemporary() {
		return version{}, d.missing(ctx, op, key)
	}
	res, err := d.fetch(ctx, request{method: http.MethodHead, path: string(key), header: plain()})
	if err != nil {
		return version{}, d.fail(ctx, op, key, err)
	}
	discard(res)
	r := replyOf(res)
	v := versionOf(key, r)
	if r.code == http.StatusOK && v.Size >= 0 && !v.ModTime.IsZero() && !isPage(r.header) {
		return v, nil
	}
	return d.doubtful(ctx, op, key, r)
}

// fetch is do for GET and HEAD. Apache and rclone carry out a MOVE as a removal
// and a rename, so that an object which is touched is 404 for a moment; and
// Apache says 403 of a file that vanishes between its look at it and its
// opening. Both are asked again, once.
func (d *DAV) fetch(ctx context.Context, r request) (*http.Response, error) {
	res, err := d.client.do(ctx, r)
	if err != nil || d.knows().mirror || res.StatusCode != http.StatusForbidden && !absent(res.StatusCode) {
		return res, err
	}
	discard(res)
	return d.client.do(ctx, r)
}

// plain asks for the bytes of the file: some servers would compress them on
// the way, and then do not tell their length.
func plain() map[string]string { return map[string]string{"Accept-Encoding": "identity"} }

func versionOf(key remote.Key, r reply) version {
	v := version{Info: remote.Info{Key: key, Size: r.size}, etag: r.header.Get("ETag"),
		ranges: strings.EqualFold(r.header.Get("Accept-Ranges"), "bytes")}
	if t, err := http.ParseTime(r.header.Get("Last-Modified")); err == nil {
		v.ModTime = t
	}
	return v
}

// isPage tells of a page for people, which objects are not: that of a folder
// (Apache shows one for a name without slash too), or one to log in.
func isPage(header http.Header) bool {
	return strings.HasPrefix(header.Get("Content-Type"), "text/html")
}

// doubtful finds out what an answer to HEAD or GET means that is not simply an
// object.
func (d *DAV) doubtful(ctx context.Context, op string, key remote.Key, r reply) (version, error) {
	if d.knows().mirror {
		return d.mirrorSays(ctx, op, key, r)
	}
	switch {
	case absent(r.code):
		return version{}, d.missing(ctx, op, key)
	case r.code/100 == 2, r.code/100 == 3, r.code == http.StatusMethodNotAllowed:
	default:
		return version{}, d.fail(ctx, op, key, d.refused(r.code, r.header))
	}
	e, ok, err := d.look(ctx, string(key))
	switch {
	case err != nil:
		return version{}, d.fail(ctx, op, key, err)
	case !ok || e.folder:
		return version{}, d.missing(ctx, op, key)
	}
	v := version{Info: infoOf(e), etag: e.etag}
	v.Key = key
	if v.Size < 0 {
		v.Size = r.size
	}
	if v.ModTime.IsZero() {
		v.ModTime = d.client.clock.Now() // as far as anybody knows
	}
	if v.Size < 0 {
		return version{}, d.fail(ctx, op, key, errNoLength)
	}
	return v, nil
}

func infoOf(e entry) remote.Info {
	return remote.Info{Key: remote.Key(e.path), Size: e.size, ModTime: e.time}
}
