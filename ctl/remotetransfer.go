package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"sstatefs/remote"
)

// The bodies of a mountRemote.

// Get see remote.Remote.
func (r *mountRemote) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	query := about(key)
	query.Set("offset", strconv.FormatInt(offset, 10))
	a, err := r.send(ctx, ask{method: "GET", verb: verbGet, key: key, query: query, stream: true})
	if err != nil {
		return nil, remote.Info{}, err
	}
	body := &mountBody{a: a}
	info, err := body.head()
	if err != nil {
		a.Close()
		return nil, remote.Info{}, err
	}
	body.left = info.Size - offset
	return body, info, nil
}

// A mountBody is the body of an object, in pieces. Like any body it is for one
// goroutine at a time.
type mountBody struct {
	a        *reply
	left     int64 // bytes of the body still to come
	piece    int64 // bytes of this piece still to come
	verifies bool
	err      error // what follows the last byte
}

var _ remote.Verifier = (*mountBody)(nil)

// head reads what comes before the body.
func (b *mountBody) head() (remote.Info, error) {
	text, err := b.a.next()
	if err != nil {
		return remote.Info{}, err
	}
	info, err := parseInfo(string(text))
	if err != nil {
		return info, b.a.fail(errGarbled)
	}
	text, err = b.a.next()
	b.verifies = string(text) == "1"
	return info, err
}

// Verifies see remote.Verifier.
func (b *mountBody) Verifies() bool { return b.verifies }

func (b *mountBody) Read(p []byte) (int, error) {
	if b.err == nil {
		b.err = remote.Ended(b.a.caller, b.a.ask.op(), b.a.ask.key)
	}
	for b.err == nil && b.piece == 0 {
		b.err = b.nextPiece()
	}
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	n, err := b.a.in.Read(p[:min(int64(len(p)), b.piece)])
	b.piece -= int64(n)
	b.left -= int64(n)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // the last line is missing
		}
		b.err = b.a.fail(err)
	}
	return n, nil
}

// nextPiece reads how long the next piece is. It is io.EOF after the last one.
func (b *mountBody) nextPiece() error {
	text, err := b.a.next()
	switch {
	case err != nil:
		return err
	case text == nil && b.left != 0:
		return b.a.fail(fmt.Errorf("%w: %d bytes are missing", errGarbled, b.left))
	case text == nil:
		return io.EOF
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || n <= 0 || n > b.left {
		return b.a.fail(errGarbled)
	}
	b.piece = n
	return nil
}

// Close ends the reading.
func (b *mountBody) Close() error {
	b.err = errBodyClosed
	b.a.Close()
	return nil
}

var errBodyClosed = errors.New("mount: read: body is closed")

// Put see remote.Remote.
func (r *mountRemote) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	query := about(key)
	query.Set("size", strconv.FormatInt(src.Size(), 10))
	query.Set("time", string(appendTime(nil, opt.ModTime)))
	query.Set("create", string(flagByte(opt.Create)))
	query.Set("refresh", string(flagByte(opt.Refresh)))
	var sent *sending
	q := ask{method: "POST", verb: verbPut, key: key, query: query, slow: true, body: func(w *watch) io.ReadCloser {
		sent = &sending{ctx: ctx, src: src, watch: w}
		return sent
	}}
	err := r.call(ctx, q, nil)
	if sent == nil || err == nil {
		return err
	}
	if bad := sent.failure(); bad != nil && ctx.Err() == nil {
		return &remote.Error{Op: q.op(), Key: key, Kind: remote.ErrCorrupt, Err: bad}
	}
	return err
}

// A sending is the content of a Put on its way to the mount.
type sending struct {
	ctx   context.Context // of the Put that it belongs to
	src   remote.Source
	watch *watch

	mu   sync.Mutex // guards what follows: the transport closes whenever it likes
	in   io.ReadCloser
	left int64
	bad  error // of the source
	end  bool
}

// Read gives the content and its end only if it is as long as announced.
func (s *sending) Read(p []byte) (int, error) {
	s.watch.pause()
	defer s.watch.begin()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		if s.bad != nil || s.end {
			return 0, errBodyClosed
		}
		in, err := s.src.Open()
		if err != nil {
			return 0, s.fail(err)
		}
		s.in, s.left = in, s.src.Size()
	}
	if s.left == 0 {
		return 0, s.finish()
	}
	n, err := s.in.Read(p[:min(int64(len(p)), s.left)])
	s.left -= int64(n)
	switch {
	case n > 0 || err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		return 0, s.fail(fmt.Errorf("source ends %d bytes early", s.left))
	}
	return 0, s.fail(err)
}

// finish is io.EOF if nothing follows. A Put that was ended must not look
// whole.
func (s *sending) finish() error {
	var one [1]byte
	n, err := io.ReadFull(s.in, one[:])
	switch {
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case n > 0:
		return s.fail(fmt.Errorf("source is longer than %d bytes", s.src.Size()))
	case !errors.Is(err, io.EOF):
		return s.fail(err)
	}
	return io.EOF
}

// fail notes what is wrong with the source. Called with mu held.
func (s *sending) fail(err error) error {
	s.bad = err
	return err
}

// failure is what was wrong with the source, nil if nothing was.
func (s *sending) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad
}

// Close closes the source.
func (s *sending) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = true
	if s.in != nil {
		s.in.Close()
		s.in = nil
	}
	return nil
}
