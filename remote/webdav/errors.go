package webdav

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"syscall"

	"sstatefs/remote"
)

// A statusError is an answer that says no.
type statusError struct {
	code int
	hint string // what it means here, or empty
}

func (e *statusError) Error() string {
	s := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	if e.hint != "" {
		s += " (" + e.hint + ")"
	}
	return s
}

// Is lets the guard see that a full server stays full for a while.
func (e *statusError) Is(target error) bool {
	full := e.code == http.StatusInsufficientStorage || e.code == http.StatusRequestEntityTooLarge
	return full && target == syscall.ENOSPC
}

// refused gives the error of an answer. Of a redirect that was not followed it
// names the host alone: the rest may hold a session.
func (d *DAV) refused(code int, header http.Header) error {
	e := &statusError{code: code}
	switch {
	case code == http.StatusUnauthorized && d.client.authority == nil:
		e.hint = noPassword
	case code == http.StatusUnauthorized:
		e.hint = d.client.authority.says()
	case code/100 == 3:
		if to, err := url.Parse(header.Get("Location")); err == nil && to.Host != "" {
			e.hint = "to " + to.Host
		}
	case code/100 == 2:
		e.hint = "not an answer of WebDAV; is there a proxy or a login page in between?"
	case code == http.StatusRequestEntityTooLarge:
		e.hint = "the server limits the size of a PUT"
	}
	return e
}

func kindOf(err error) error {
	var status *statusError
	switch {
	case errors.Is(err, remote.ErrCorrupt):
		return remote.ErrCorrupt
	case !errors.As(err, &status):
		return remote.ErrUnavailable
	}
	switch status.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return remote.ErrPermission
	case http.StatusNotFound, http.StatusGone:
		return remote.ErrNotExist
	case http.StatusPreconditionFailed:
		return remote.ErrExist
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented,
		http.StatusRequestURITooLong, http.StatusUnsupportedMediaType:
		return remote.ErrUnsupported
	}
	return remote.ErrUnavailable
}

// fail classifies an error. It is the only place that does, but for
// unsupported and gone.
func (d *DAV) fail(ctx context.Context, op string, key remote.Key, err error) error {
	var done *remote.Error
	if errors.As(err, &done) {
		return err
	}
	if ended := remote.Ended(ctx, "webdav: "+op, key); ended != nil {
		return ended
	}
	return &remote.Error{Op: "webdav: " + op, Key: key, Kind: kindOf(err), Err: err}
}

// unsupported refuses a call for what it asks.
func unsupported(op string, key remote.Key, why string) error {
	return &remote.Error{Op: "webdav: " + op, Key: key, Kind: remote.ErrUnsupported, Err: errors.New(why)}
}

// gone is the answer for what is not there.
func gone(op string, key remote.Key) error {
	return &remote.Error{Op: "webdav: " + op, Key: key, Kind: remote.ErrNotExist}
}

// missing is the error for a name that the server does not have: ErrNotExist,
// unless its root is missing too.
func (d *DAV) missing(ctx context.Context, op string, key remote.Key) error {
	if err := d.rootThere(ctx, op); err != nil {
		return err
	}
	return gone(op, key)
}

// begin checks what every call on one object needs.
func (d *DAV) begin(ctx context.Context, op string, key remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "webdav: "+op, key)
	}
	if !key.Valid() {
		return unsupported(op, key, "not a valid key")
	}
	return d.ready(ctx, op)
}

// changeable refuses changes of a read-only remote.
func (d *DAV) changeable(op string, key remote.Key) error {
	if d.Traits().ReadOnly {
		return unsupported(op, key, "remote is read-only")
	}
	return nil
}
