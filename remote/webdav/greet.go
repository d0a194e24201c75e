package webdav

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"time"

	"sstatefs/remote"
)

// greet asks for the root. Where the server sends us on to a folder of WebDAV,
// that is the place from then on, for writes too, which are not sent on. It is
// never on another host: that would be a login page, or a host that must not
// see the password.
func (d *DAV) greet(ctx context.Context) (reply, error) {
	at := d.client.place.Load()
	target := at.url
	for range maxRedirects {
		r := propfindRequest("", depthSelf)
		res, err := d.client.send(ctx, r, target)
		if err != nil {
			return reply{}, err
		}
		discard(res)
		answer := replyOf(res)
		to, err := res.Location()
		if answer.code/100 != 3 || err != nil || !at.trusts(to) {
			if answer.code == http.StatusMultiStatus {
				d.client.place.Store(newPlace(target))
			}
			return answer, nil
		}
		target = to
	}
	return reply{}, errRedirects
}

// withoutFolder decides what a server is that does not show the root as a
// folder of WebDAV: one that lacks this folder, or a plain mirror, or no use.
func (d *DAV) withoutFolder(ctx context.Context, answer reply) (known, error) {
	switch answer.code {
	case http.StatusNotFound, http.StatusGone:
		return d.withoutRoot(ctx, answer)
	case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return d.mirror(ctx, answer)
	}
	return known{}, d.refused(answer.code, answer.header)
}

// withoutRoot is for a root that is not there. The root of a mirror need not
// be, and a wrong address looks the same: who wants to write has mistyped it.
func (d *DAV) withoutRoot(ctx context.Context, answer reply) (known, error) {
	options, err := d.client.call(ctx, request{method: http.MethodOptions})
	if err != nil {
		return known{}, err
	}
	switch speaks := options.header.Get("DAV") != ""; {
	case d.o.Create && !d.o.ReadOnly:
		return d.withNewRoot(ctx)
	case speaks:
		return known{}, &remote.Error{Op: "webdav: open", Kind: remote.ErrUnavailable, Err: d.errNoRoot()}
	}
	return d.mirror(ctx, answer)
}

// withNewRoot makes the root and goes on as if it had been there.
func (d *DAV) withNewRoot(ctx context.Context) (known, error) {
	if err := d.makeRoot(ctx, d.client.place.Load().url); err != nil {
		return known{}, err
	}
	answer, err := d.greet(ctx)
	if err == nil && answer.code != http.StatusMultiStatus {
		err = d.refused(answer.code, answer.header)
	}
	if err != nil {
		return known{}, err
	}
	return d.ask(ctx, answer.header)
}

// errNoRoot says what to do about a missing root.
func (d *DAV) errNoRoot() error {
	return fmt.Errorf("%s: no such folder on the server; is it mounted there?"+
		" (a new one is made on the server, mount makes none)", d)
}

// makeRoot makes the root and what is missing above it.
func (d *DAV) makeRoot(ctx context.Context, u *url.URL) error {
	r, err := d.client.call(ctx, request{method: "MKCOL", at: u})
	if err != nil || isMade(r.code) {
		return err
	}
	if above := path.Dir(path.Clean(u.EscapedPath())); r.code == http.StatusConflict && above != "/" {
		if err := d.makeRoot(ctx, placeAt(u, above).url); err != nil {
			return err
		}
		if r, err = d.client.call(ctx, request{method: "MKCOL", at: u}); err != nil || isMade(r.code) {
			return err
		}
	}
	return fmt.Errorf("making the folder: %w", d.refused(r.code, r.header))
}

// showsAllLimit bounds the wait for an answer to Depth: infinity, which a
// server may build whole before it sends it.
const showsAllLimit = 3 * time.Second

// showsAll tells whether PROPFIND with Depth: infinity shows what is below
// folders, where nothing may be written to find out: of a root without such it
// is not known, and false.
func (d *DAV) showsAll(ctx context.Context) (bool, error) {
	limited, cancel := context.WithTimeout(ctx, showsAllLimit)
	defer cancel()
	err := d.propfind(limited, "", depthAll, func(e entry) error {
		if folder, _ := remote.Key(e.path).Split(); folder != "" {
			return errEnough
		}
		return nil
	})
	var status *statusError
	switch {
	case errors.Is(err, errEnough):
		return true, nil
	case err == nil, errors.As(err, &status), errors.Is(err, errForeign), errors.Is(err, errCut), limited.Err() != nil && ctx.Err() == nil:
		return false, nil
	}
	return false, err
}
