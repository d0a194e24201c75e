package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// An upload is a source on its way, which may be sent several times.
type upload struct {
	ctx    context.Context // of the Put that it belongs to
	source remote.Source
	last   atomic.Pointer[transport.Exact]
	failed atomic.Pointer[error] // of open
}

// open gives the body of a request.
func (u *upload) open() (io.ReadCloser, error) {
	in, err := u.source.Open()
	if err != nil {
		err = fmt.Errorf("%w: source: %w", remote.ErrCorrupt, err)
		u.failed.Store(&err)
		return nil, err
	}
	body := transport.NewExact(u.ctx, in, u.source.Size())
	u.last.Store(body)
	return body, nil
}

// checkEmpty reads a source that must be empty: of such no request reads.
func (u *upload) checkEmpty() error {
	body, err := u.open()
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// err is what went wrong on our side, or nil.
func (u *upload) err() error {
	if p := u.failed.Load(); p != nil {
		return *p
	}
	if last := u.last.Load(); last != nil {
		return last.Err()
	}
	return nil
}
