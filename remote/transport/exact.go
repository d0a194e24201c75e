package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"sstatefs/remote"
)

// An Exact is a source on its way to a server, of exactly the announced size.
// Its last bytes are held back until the source has ended there and the caller
// still wants it: a server that has them all may publish them.
//
// It remembers what went wrong on our side, since net/http would report a
// broken request, which could be the server's fault.
type Exact struct {
	ctx    context.Context // of the call that sends
	in     io.ReadCloser
	left   int64
	ended  bool
	failed atomic.Pointer[error] // net/http may read on after it has answered
}

// NewExact sends size bytes of in. Other lengths, and errors of in, are
// remote.ErrCorrupt.
func NewExact(ctx context.Context, in io.ReadCloser, size int64) *Exact {
	return &Exact{ctx: ctx, in: in, left: size}
}

func (e *Exact) Read(p []byte) (int, error) {
	switch err := e.Err(); {
	case err != nil:
		return 0, err
	case e.ended:
		return 0, io.EOF
	}
	n, err := 0, error(nil)
	if e.left > 0 {
		n, err = e.in.Read(p[:min(int64(len(p)), e.left)])
	}
	e.left -= int64(n)
	remote.Progress(e.ctx)
	switch {
	case e.left == 0:
		if err := e.end(err); err != nil {
			return 0, err
		}
		if n == 0 {
			return 0, io.EOF
		}
	case errors.Is(err, io.EOF):
		return 0, e.fail(fmt.Errorf("%w: source ends %d bytes early", remote.ErrCorrupt, e.left))
	case err != nil:
		return 0, e.fail(fmt.Errorf("%w: source: %w", remote.ErrCorrupt, err))
	}
	return n, nil
}

// end checks that nothing follows the last bytes, which came with err.
func (e *Exact) end(err error) error {
	for one := make([]byte, 1); err == nil; {
		var n int
		if n, err = e.in.Read(one); n > 0 {
			return e.fail(fmt.Errorf("%w: source is longer than announced", remote.ErrCorrupt))
		}
	}
	switch {
	case e.ctx.Err() != nil:
		return e.fail(e.ctx.Err())
	case !errors.Is(err, io.EOF):
		return e.fail(fmt.Errorf("%w: source: %w", remote.ErrCorrupt, err))
	}
	e.ended = true
	return nil
}

func (e *Exact) fail(err error) error {
	e.failed.Store(&err)
	return err
}

// Err is what went wrong on our side, or nil.
func (e *Exact) Err() error {
	if p := e.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// Close closes the source.
func (e *Exact) Close() error { return e.in.Close() }
