package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"sstatefs/remote"
)

// A RestFunc asks for a content from offset (bytes) to its end, and makes sure
// that it is still the same.
type RestFunc func(ctx context.Context, offset int64) (io.ReadCloser, error)

// A Range is a content from an offset to its size, both in bytes.
type Range struct{ Offset, Size int64 }

// Resume reads a range from in and asks for the rest of what ended early: a
// server that is shut down ends its answers so, and the object is none the
// worse. That is done at most once without progress, and at most resumeTries
// times in a row with little. What is still cut then is
// io.ErrUnexpectedEOF; an answer that properly ends too early is
// remote.ErrCorrupt. Without rest nothing is asked for again. Errors of in and
// rest are given as they are.
func Resume(ctx context.Context, in io.ReadCloser, r Range, rest RestFunc) io.ReadCloser {
	return &resumed{ctx: ctx, in: in, at: r.Offset, size: r.Size, rest: rest, asked: -1}
}

// Where every answer ends after a few bytes a large object would take a request
// for each of them, and who reads it would wait for hours.
const (
	resumeStep  = 64 << 10 // bytes: less is little
	resumeTries = 16
)

type resumed struct {
	ctx   context.Context // of the call whose body it is
	in    io.ReadCloser
	at    int64
	size  int64
	rest  RestFunc
	asked int64 // where rest was asked for last, -1 if it never was
	short int   // answers in a row that brought little
	early error // how in ended
	err   error // what every further read gives
}

func (r *resumed) Read(b []byte) (int, error) {
	for r.err == nil {
		if r.at == r.size {
			return 0, io.EOF
		}
		if r.early == nil {
			var n int
			n, r.early = r.in.Read(b[:min(int64(len(b)), r.size-r.at)])
			r.at += int64(n)
			if n > 0 || r.early == nil {
				return n, nil
			}
		}
		r.err = r.resume()
	}
	return 0, r.err
}

// resume asks for the rest.
func (r *resumed) resume() error {
	r.short++
	if r.asked >= 0 && r.at-r.asked >= resumeStep {
		r.short = 0
	}
	switch {
	case r.ctx.Err() != nil || !isCut(r.early):
		return r.early
	case r.rest == nil || r.asked == r.at || r.short > resumeTries:
		if r.early == io.EOF { //nolint:errorlint // what wraps it is a connection that broke
			return fmt.Errorf("%w: body ends %d bytes early", remote.ErrCorrupt, r.size-r.at)
		}
		return fmt.Errorf("connection lost %d bytes before the end: %w", r.size-r.at, r.early)
	}
	r.asked = r.at
	in, err := r.rest(r.ctx, r.at)
	if err != nil {
		return err
	}
	r.in.Close()
	r.in, r.early = in, nil
	return nil
}

func (r *resumed) Close() error { return r.in.Close() }

// isCut tells that a body ended too early.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}
