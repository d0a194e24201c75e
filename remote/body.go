package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// bodyBuffer is how much of a body is read at a time, in bytes. It is the
// Guard's own, never the caller's: a read that was left behind may still write
// into it.
const bodyBuffer = 256 << 10

var _ Verifier = (*guardedBody)(nil)

// A guardedBody is a body whose reads end in time. Like any body it is for one
// goroutine at a time.
type guardedBody struct {
	g      *Guard
	ctx    context.Context // of Get: a body lives as long as the call it belongs to
	cancel context.CancelFunc
	inner  io.ReadCloser
	op     operation
	left   int64 // bytes still to come from inner

	buf    []byte // reused for every read, nil before the first
	ready  []byte // the part of buf that the caller did not take yet
	err    error  // what follows ready
	behind bool   // a read was left behind: its goroutine closes inner
	closed bool
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.ready) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.fill()
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// fill reads once from inner and checks what came.
func (b *guardedBody) fill() {
	if b.buf == nil {
		b.buf = make([]byte, min(bodyBuffer, max(b.left, 0)+1)) // one more, to see the end
	}
	n, err := b.readInner()
	b.left -= int64(n)
	b.ready = b.buf[:n]
	switch {
	case b.left < 0:
		b.ready = b.buf[:int64(n)+b.left]
		b.fail(b.corrupt(errors.New("body is longer than announced")))
	case errors.Is(err, io.EOF) && b.left > 0:
		b.fail(b.corrupt(fmt.Errorf("body ends %d bytes early", b.left)))
	case errors.Is(err, io.EOF):
		b.err = io.EOF
	case err != nil:
		b.fail(err)
	}
}

// Verified see Verifier.
func (b *guardedBody) Verified() bool {
	v, ok := b.inner.(Verifier)
	return ok && errors.Is(b.err, io.EOF) && v.Verified()
}

func (b *guardedBody) fail(err error) { b.err = b.g.judge(b.ctx, b.op, err) }

func (b *guardedBody) corrupt(err error) error {
	return &Error{Op: "remote: read", Key: b.op.key, Kind: ErrCorrupt, Err: err}
}

// A chunk is what one read of inner gave.
type chunk struct {
	n   int
	err error
}

// readInner reads into buf. The breaker has no say in it: a transfer that
// still moves is not cut off because something else hangs.
func (b *guardedBody) readInner() (int, error) {
	timer := b.g.timer(b.g.o.StallTimeout)
	defer b.g.putTimer(timer)
	buf, inner := b.buf, b.inner
	c := call[chunk]{op: "read", key: b.op.key, limit: b.g.o.StallTimeout, moved: newProgress(),
		do: func() (chunk, error) {
			n, err := inner.Read(buf)
			return chunk{n, err}, nil
		},
		drop: func(chunk) { _ = inner.Close() }}
	r, err := launch(b.ctx, b.g, c, timer)
	if err != nil {
		return 0, err
	}
	got, err := land(b.ctx, b.g, c, r, timer)
	if err != nil {
		b.behind = true
		return 0, err
	}
	return got.n, got.err
}

// Close closes the inner body, which may hang as well: on NFS it is a request
// to the server.
func (b *guardedBody) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.ready, b.err = nil, errBodyClosed
	defer b.cancel()
	if b.behind {
		return nil
	}
	_, err := run(context.Background(), b.g, call[struct{}]{op: "close", key: b.op.key, limit: b.g.o.OpTimeout,
		do: func() (struct{}, error) { return struct{}{}, b.inner.Close() }})
	if errors.Is(err, errClosed) {
		return b.inner.Close() // the Guard has ended, nobody else will
	}
	return err
}

var errBodyClosed = errors.New("remote: read: body is closed")
