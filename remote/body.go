package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// bodyBuffer is how much of a body is read at a time, in bytes. The buffer is
// the Guard's own, never the caller's: a read that was left behind may still
// write into it.
const bodyBuffer = 256 << 10

var (
	_ Verifier    = (*guardedBody)(nil)
	_ Summer      = (*guardedBody)(nil)
	_ io.WriterTo = (*guardedBody)(nil)
)

// A guardedBody is a body whose reads end in time. Like any body it is for one
// goroutine at a time.
type guardedBody struct {
	g      *Guard
	ctx    context.Context // of Get: a body lives as long as the call it belongs to
	cancel context.CancelFunc
	inner  io.ReadCloser
	op     operation
	left   int64 // bytes still to come from inner
	moved  *progress

	buf    []byte // reused for every read, nil before the first and after Close
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
		b.fill(len(p))
	}
	n := copy(p, b.ready)
	b.ready = b.ready[n:]
	return n, nil
}

// WriteTo see io.WriterTo. It saves a buffer and a copy.
func (b *guardedBody) WriteTo(w io.Writer) (written int64, err error) {
	for {
		switch {
		case len(b.ready) > 0:
			n, err := w.Write(b.ready)
			written += int64(n)
			b.ready = b.ready[n:]
			if err == nil && len(b.ready) > 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return written, err
			}
		case isEnd(b.err):
			return written, nil
		case b.err != nil:
			return written, b.err
		default:
			b.fill(bodyBuffer)
		}
	}
}

// fill reads at least want bytes from inner, as far as there is room for them,
// and checks what came.
func (b *guardedBody) fill(want int) {
	if b.buf == nil {
		b.buf = b.g.buffer()
	}
	room := int(min(bodyBuffer, max(b.left, 0)+1)) // one more, to see the end
	n, err := b.readInner(b.buf[:room], min(want, room))
	b.left -= int64(n)
	b.ready = b.buf[:n]
	switch {
	case b.left < 0:
		b.ready = b.buf[:int64(n)+b.left]
		b.fail(b.corrupt(errors.New("body is longer than announced")))
	case isEnd(err) && b.left > 0:
		b.fail(b.corrupt(fmt.Errorf("body ends %d bytes early", b.left)))
	case isEnd(err):
		b.err = io.EOF
	case err != nil:
		b.fail(err)
	}
}

// Verifies see Verifier.
func (b *guardedBody) Verifies() bool {
	v, ok := b.inner.(Verifier)
	return ok && v.Verifies()
}

// Sum256 see Summer.
func (b *guardedBody) Sum256() (sum [sha256.Size]byte, ok bool) {
	if s, is := b.inner.(Summer); is && isEnd(b.err) {
		return s.Sum256()
	}
	return sum, false
}

// isEnd tells the end of a content from an error that wraps io.EOF, which is a
// connection that broke.
func isEnd(err error) bool { return err == io.EOF } //nolint:errorlint // see above

func (b *guardedBody) fail(err error) { b.err = b.g.judge(b.ctx, b.op, err) }

func (b *guardedBody) corrupt(err error) error {
	return &Error{Op: "remote: read", Key: b.op.key, Kind: ErrCorrupt, Err: err}
}

// A chunk is what came from inner.
type chunk struct {
	n   int
	err error
}

// readInner reads into buf until there are want bytes, in one goroutine for all
// the reads that this takes: a connection gives a few kilobytes at a time. The
// breaker has no say in it: a transfer that still moves is not cut off because
// something else hangs.
func (b *guardedBody) readInner(buf []byte, want int) (int, error) {
	timer := b.g.timer(b.g.o.StallTimeout)
	defer b.g.putTimer(timer)
	inner, moved := b.inner, b.moved
	c := call[chunk]{op: "read", key: b.op.key, limit: b.g.o.StallTimeout, moved: moved,
		do:   func() (chunk, error) { return readChunk(inner, buf, want, moved), nil },
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

// readChunk reads until there are want bytes or an error.
func readChunk(r io.Reader, buf []byte, want int, moved *progress) (c chunk) {
	for c.n < want && c.err == nil {
		var n int
		n, c.err = r.Read(buf[c.n:])
		if c.n += n; n > 0 {
			moved.mark()
		}
	}
	return c
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
	if b.buf != nil {
		b.g.putBuffer(b.buf)
		b.buf = nil
	}
	timer := b.g.timer(b.g.o.OpTimeout)
	defer b.g.putTimer(timer)
	c := call[struct{}]{op: "close", key: b.op.key, limit: b.g.o.OpTimeout,
		do: func() (struct{}, error) { return struct{}{}, b.inner.Close() }}
	r, err := launch(context.Background(), b.g, c, timer)
	if err != nil {
		return b.closeLater(err)
	}
	_, err = land(context.Background(), b.g, c, r, timer)
	return err
}

// closeLater closes inner when there is no slot to wait for it: a file or a
// connection would stay open. busy is why.
func (b *guardedBody) closeLater(busy error) error {
	if b.g.calls.spawn(func() { _ = b.inner.Close() }) {
		return busy
	}
	return b.inner.Close() // the Guard has ended, nobody else will
}

var errBodyClosed = errors.New("remote: read: body is closed")
