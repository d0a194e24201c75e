package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A piece is one part of a content.
type piece interface {
	// read gives what has come after at, waits for it if need be, and gives
	// the piece's error after the last of it, io.EOF when it is whole.
	read(b []byte, at int) (int, error)

	// done gives back what the piece has. Nothing of it is read any more.
	done()
}

// A stored piece is read ahead.
type stored struct {
	p   *pieces
	buf []byte

	mu     sync.Mutex
	more   sync.Cond
	filled int
	err    error // what follows filled
}

func newStored(p *pieces, buf []byte) *stored {
	one := &stored{p: p, buf: buf}
	one.more.L = &one.mu
	return one
}

// fill does the request.
func (one *stored) fill(ctx context.Context, get PieceFunc, at int64) {
	in, err := newStream(ctx, get, at, int64(len(one.buf)))
	if err != nil {
		one.grow(0, err)
		return
	}
	defer in.close()
	for got := 0; err == nil; {
		var n int
		n, err = in.read(one.buf[got:])
		got += n
		one.grow(n, err)
	}
}

func (one *stored) grow(n int, err error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	one.filled += n
	one.err = err
	one.more.Broadcast()
}

func (one *stored) read(b []byte, at int) (int, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	for one.filled == at && one.err == nil {
		one.more.Wait()
	}
	if one.filled == at {
		return 0, one.err
	}
	return copy(b, one.buf[at:one.filled]), nil
}

func (one *stored) done() {
	one.p.o.Budget.give(one.buf)
	one.p.held.Add(-1)
	select {
	case one.p.freed <- struct{}{}:
	default: // there is a token
	}
}

// A passing piece takes no memory: it is asked for when it is read.
type passing struct {
	p      *pieces
	at     int64
	length int64
	in     *stream       // nil before the first read
	ended  chan struct{} // closed when it is done
}

func (one *passing) read(b []byte, _ int) (n int, err error) {
	if one.in == nil {
		if one.in, err = newStream(one.p.ctx, one.p.get, one.at, one.length); err != nil {
			return 0, err
		}
	}
	for n == 0 && err == nil {
		n, err = one.in.read(b)
	}
	if err != nil && n > 0 && errors.Is(err, io.EOF) {
		return n, nil // it comes again
	}
	return n, err
}

func (one *passing) done() {
	if one.in != nil {
		one.in.close()
	}
	close(one.ended)
}

// A stream is the body of a request for length bytes. It ends with ctx.
type stream struct {
	ctx   context.Context // of the reader whose piece it is
	body  io.ReadCloser
	left  int64
	stop  func() bool // waiting for the end of ctx
	ended func()      // closes body, once
}

func newStream(ctx context.Context, get PieceFunc, at, length int64) (*stream, error) {
	body, err := get(ctx, at, length)
	if err != nil {
		return nil, err
	}
	ended := sync.OnceFunc(func() { body.Close() })
	stop := context.AfterFunc(ctx, ended) // a read may not heed ctx
	return &stream{ctx: ctx, body: body, left: length, stop: stop, ended: ended}, nil
}

// read gives io.EOF with the last byte, and after it.
func (s *stream) read(b []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	n, err := s.body.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	switch {
	case s.left == 0:
		err = io.EOF
	case s.ctx.Err() != nil:
		err = context.Cause(s.ctx)
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("a piece ends %d bytes early: %w", s.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

// close returns when the body is closed.
func (s *stream) close() {
	s.stop()
	s.ended()
}
