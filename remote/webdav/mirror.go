package webdav

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"sstatefs/remote"
)

var (
	errNoLength   = errors.New("the server does not tell the length")
	errAnswersAll = errors.New("the server answers every name with a page; is there a login in between?")
)

// mirror takes a server without WebDAV for a plain mirror, if it answers GET
// and HEAD. What stands at the root does not matter: a page of links, or
// nothing.
func (d *DAV) mirror(ctx context.Context, answer reply) (known, error) {
	if k, _, ok := parseLearned(d.before); ok && !k.mirror { // it was WebDAV before
		if answer.code == http.StatusForbidden {
			return known{}, &remote.Error{Op: "webdav: open", Kind: remote.ErrUnavailable, Err: d.refused(answer.code, answer.header)}
		}
		return known{}, d.refused(http.StatusOK, nil)
	}
	head, err := d.client.call(ctx, request{method: http.MethodHead})
	if err != nil {
		return known{}, err
	}
	switch {
	case absent(head.code) && !d.o.ReadOnly && !d.o.Known: // a typing error, more likely
		return known{}, &remote.Error{Op: "webdav: open", Kind: remote.ErrUnavailable,
			Err: fmt.Errorf("%s: no folder there (404); a mirror that is only read is mounted with --read-only", d)}
	case head.code/100 == 2, absent(head.code):
	case head.code == http.StatusForbidden && answer.code != http.StatusForbidden:
	default:
		return known{}, d.refused(head.code, head.header)
	}
	mark := fingerprint(d.client.place.Load(), head.header)
	d.server.Store(&mark)
	return known{mirror: true, touch: touchNever}, nil
}

// mirrorSays is doubtful for a mirror. Some have no time, which costs nothing
// where nothing is removed by age. Some answer 403 for what is not there (S3
// to who may not list), and some 200 with a page for any name: what they say
// to a name that nobody has tells.
func (d *DAV) mirrorSays(ctx context.Context, op string, key remote.Key, r reply) (version, error) {
	switch {
	case absent(r.code), r.code/100 == 3 && r.header.Get("Location") != "":
		return version{}, gone(op, key)
	case r.code == http.StatusForbidden || r.code == http.StatusOK && isPage(r.header):
		nobody, err := d.client.call(ctx, request{method: http.MethodHead, path: remote.NewTemporary()})
		switch {
		case err != nil:
			return version{}, d.fail(ctx, op, key, err)
		case r.code == http.StatusForbidden && nobody.code == http.StatusForbidden:
			return version{}, gone(op, key)
		case r.code == http.StatusOK && nobody.code == http.StatusOK:
			return version{}, d.fail(ctx, op, key, errAnswersAll)
		}
	}
	if r.code != http.StatusOK {
		return version{}, d.fail(ctx, op, key, d.refused(r.code, r.header))
	}
	if r.size < 0 {
		return version{}, d.fail(ctx, op, key, errNoLength)
	}
	v := versionOf(key, r)
	if v.ModTime.IsZero() {
		v.ModTime = d.client.clock.Now()
	}
	return v, nil
}

// mirrorAnswers is the probe of a mirror.
func (d *DAV) mirrorAnswers(ctx context.Context, op string) error {
	r, err := d.client.call(ctx, request{method: http.MethodHead})
	if err == nil && (r.code/100 == 2 || absent(r.code) || r.code == http.StatusForbidden) {
		return nil
	}
	if err == nil {
		err = d.refused(r.code, r.header)
	}
	return d.fail(ctx, op, "", err)
}
