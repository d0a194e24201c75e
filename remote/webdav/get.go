package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"sstatefs/remote"
)

// Get see remote.Remote.
func (d *DAV) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if err := d.begin(ctx, "get", key); err != nil {
		return nil, remote.Info{}, err
	}
	switch {
	case offset < 0:
		return nil, remote.Info{}, unsupported("get", key, "negative offset")
	case key.IsTemporary():
		return nil, remote.Info{}, d.missing(ctx, "get", key)
	}
	content, v, err := d.read(ctx, key, part{from: offset})
	if err != nil {
		return nil, remote.Info{}, err
	}
	return d.whole(ctx, v, offset, content), v.Info, nil
}

// A part is the piece of an object that a request is for.
type part struct {
	from int64
	to   int64  // exclusive; 0 is the end of the object
	etag string // of the object, if it must be that; weak ones prove nothing
}

func (p part) header() map[string]string {
	h := plain()
	switch {
	case p.to > 0:
		h["Range"] = fmt.Sprintf("bytes=%d-%d", p.from, p.to-1)
	case p.from > 0:
		h["Range"] = fmt.Sprintf("bytes=%d-", p.from)
	}
	if isStrong(p.etag) {
		h["If-Match"] = p.etag
	}
	return h
}

func isStrong(etag string) bool { return strings.HasPrefix(etag, `"`) }

// read opens a part of an object.
func (d *DAV) read(ctx context.Context, key remote.Key, p part) (io.ReadCloser, version, error) {
	res, err := d.fetch(ctx, request{method: http.MethodGet, path: string(key), header: p.header()})
	if err != nil {
		return nil, version{}, d.fail(ctx, "get", key, err)
	}
	switch r := replyOf(res); {
	case r.code == http.StatusPartialContent:
		v, err := partOf(key, r, p)
		if err == nil {
			return res.Body, v, nil
		}
		discard(res)
		return nil, v, d.fail(ctx, "get", key, err)
	case r.code == http.StatusRequestedRangeNotSatisfiable:
		discard(res)
		return d.readBeyond(ctx, key, p)
	case r.code == http.StatusOK && r.size >= 0 && !isPage(r.header) && r.header.Get("Last-Modified") != "":
		return d.readWhole(ctx, res, versionOf(key, r), p)
	case r.code == http.StatusPreconditionFailed && p.etag != "":
		discard(res)
		return nil, version{}, d.fail(ctx, "get", key, errReplaced)
	default:
		v, err := d.doubtful(ctx, "get", key, r)
		if err == nil && r.code != http.StatusOK {
			err = d.fail(ctx, "get", key, d.refused(r.code, r.header))
		}
		if err != nil {
			discard(res)
			return nil, v, err
		}
		return d.readWhole(ctx, res, v, p)
	}
}

// errReplaced is of the kind to try again: what is there now may be all right.
var errReplaced = errors.New("replaced while it was read")

// partOf checks that a 206 is the part that was asked for.
func partOf(key remote.Key, r reply, p part) (version, error) {
	v := versionOf(key, r)
	var from, last int64
	n, err := fmt.Sscanf(r.header.Get("Content-Range"), "bytes %d-%d/%d", &from, &last, &v.Size)
	to := p.to
	if to == 0 {
		to = v.Size
	}
	v.ranges = true
	if err == nil && to > v.Size {
		return v, errReplaced // it was longer
	}
	if err != nil || n != 3 || from != p.from || last != to-1 || r.size >= 0 && r.size != to-from {
		return v, fmt.Errorf("%w: asked for bytes %d-, got %q of length %d",
			remote.ErrCorrupt, p.from, r.header.Get("Content-Range"), r.size)
	}
	return v, nil
}

// readBeyond is for an offset that no byte has: the size itself, or an object
// that is shorter than the caller's.
func (d *DAV) readBeyond(ctx context.Context, key remote.Key, p part) (io.ReadCloser, version, error) {
	v, err := d.head(ctx, "get", key)
	if err == nil && p.from != v.Size {
		err = d.fail(ctx, "get", key, fmt.Errorf("%w: %d bytes, read from %d", remote.ErrCorrupt, v.Size, p.from))
	}
	return http.NoBody, v, err
}

// readWhole is for a server that gives all of an object. What comes before the
// part is dropped.
func (d *DAV) readWhole(ctx context.Context, res *http.Response, v version, p part) (io.ReadCloser, version, error) {
	if p.from == 0 && p.to == 0 {
		return res.Body, v, nil
	}
	var err error
	switch {
	case p.to > 0 || p.from > v.Size:
		err = fmt.Errorf("%w: the server gives %d bytes instead of those from %d", remote.ErrCorrupt, v.Size, p.from)
	case isStrong(p.etag) && v.etag != p.etag:
		err = errReplaced
	default:
		for left := p.from; left > 0 && err == nil; left -= dropStep {
			_, err = io.CopyN(io.Discard, res.Body, min(left, dropStep))
			remote.Progress(ctx)
		}
	}
	if err != nil {
		_ = res.Body.Close()
		return nil, v, d.fail(ctx, "get", v.Key, err)
	}
	return res.Body, v, nil
}

// dropStep is how much is dropped between two signs of progress, in bytes.
const dropStep = 1 << 20
