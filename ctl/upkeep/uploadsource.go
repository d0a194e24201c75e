package upkeep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// What is wrong with an object of the source.
var (
	errChanged = errors.New("changed while it was sent")
	errBroken  = errors.New("not sent")
)

// smallObject is what is read at once, so that it needs one request of a
// remote and can be judged before it is sent: every siginfo, half of all
// archives.
const smallObject = 256 << 10

// A source is what is sent. fault is what went wrong at the origin.
type source interface {
	remote.Source
	fault() error
}

// load prepares an object for sending. What is broken is not sent: a siginfo
// or small object is read first, of a larger one the first bytes are looked at
// on their way, and Verify reads it to its end before that.
func (u *uploading) load(ctx context.Context, key string, n sstate.Name, size int64) (source, error) {
	if size <= smallObject {
		return u.loadSmall(ctx, key, n, size)
	}
	src := &streamed{ctx: ctx, from: u.from, key: remote.Key(key), name: n, size: size}
	if !u.o.Verify {
		return src, nil
	}
	body, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	err = sstate.Check(body, n)
	if fault := src.fault(); fault != nil {
		return nil, fault
	}
	return src, asBroken(err)
}

func (u *uploading) loadSmall(ctx context.Context, key string, n sstate.Name, size int64) (source, error) {
	body, info, err := u.from.Get(ctx, remote.Key(key), 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	if info.Size != size {
		return nil, fmt.Errorf("%s: %w", key, errChanged)
	}
	content, err := io.ReadAll(io.LimitReader(body, size+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) != size {
		return nil, fmt.Errorf("%s: %w", key, errChanged)
	}
	return loaded(content), u.judge(content, n)
}

// judge says whether a small object is worth sending. A siginfo costs
// microseconds to decode.
func (u *uploading) judge(content []byte, n sstate.Name) error {
	switch {
	case u.o.Verify || n.Side == sstate.SideSiginfo:
		return asBroken(sstate.Check(bytes.NewReader(content), n))
	case !sstate.Recognised(content[:min(headSize, len(content))], n):
		return fmt.Errorf("%w: %w: does not begin like %s", errBroken, sstate.ErrCorrupt, n.Ext)
	}
	return nil
}

// headSize is what sstate.Recognised looks at.
const headSize = 4

// asBroken marks a verdict; an error that is none means nothing of the kind.
func asBroken(err error) error {
	for _, verdict := range []error{sstate.ErrEmpty, sstate.ErrTruncated, sstate.ErrCorrupt} {
		if errors.Is(err, verdict) {
			return fmt.Errorf("%w: %w", errBroken, err)
		}
	}
	return err
}

// loaded is an object in memory.
type loaded []byte

func (l loaded) Size() int64                  { return int64(len(l)) }
func (l loaded) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(l)), nil }
func (l loaded) fault() error                 { return nil }

// streamed is an object that is read from its origin while it is sent.
type streamed struct {
	ctx  context.Context // of the sending, which Open has no other way to know
	from Origin
	key  remote.Key
	name sstate.Name
	size int64

	mu  sync.Mutex
	err error // the first of the origin
}

func (s *streamed) Size() int64 { return s.size }

func (s *streamed) Open() (io.ReadCloser, error) {
	body, info, err := s.from.Get(s.ctx, s.key, 0)
	if err != nil {
		return nil, s.blame(err)
	}
	if info.Size != s.size {
		body.Close()
		return nil, s.blame(fmt.Errorf("%s: %w", s.key, errChanged))
	}
	return &streamedBody{streamed: s, body: body}, nil
}

func (s *streamed) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *streamed) blame(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	return err
}

// streamedBody looks at the first bytes that it gives, and at how many they
// are.
type streamedBody struct {
	*streamed
	body io.ReadCloser
	head []byte // until there are headSize
	read int64
}

func (b *streamedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if more := headSize - len(b.head); more > 0 && n > 0 {
		b.head = append(b.head, p[:min(n, more)]...)
		if len(b.head) == headSize && !sstate.Recognised(b.head, b.name) {
			return 0, b.blame(fmt.Errorf("%w: %w: does not begin like %s", errBroken, sstate.ErrCorrupt, b.name.Ext))
		}
	}
	b.read += int64(n)
	switch {
	case b.read > b.size, err == io.EOF && b.read < b.size: //nolint:errorlint // what wraps it is a connection that broke
		return n, b.blame(fmt.Errorf("%s: %w", b.key, errChanged))
	case err != nil && err != io.EOF: //nolint:errorlint // as above
		return n, b.blame(err)
	}
	return n, err
}

func (b *streamedBody) Close() error { return b.body.Close() }

// sameBytes reads both to the first difference.
func sameBytes(a, b io.Reader) (bool, error) {
	const size = 64 << 10
	bufA, bufB := make([]byte, size), make([]byte, size)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF { //nolint:errorlint // what wraps them is a connection that broke
				return false, err
			}
		}
		switch {
		case !bytes.Equal(bufA[:n], bufB[:m]):
			return false, nil
		case errA != nil || errB != nil:
			return true, nil
		}
	}
}
