package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"testing/iotest"
)

// A source is a content that is got in pieces.
type source struct {
	content []byte
	now     atomic.Int64 // requests under way
	most    atomic.Int64
	opened  atomic.Int64
	spoil   func(offset int64, body io.Reader) (io.Reader, error)
}

func newSource(size int) *source {
	s := &source{content: make([]byte, size)}
	for i := range s.content {
		s.content[i] = byte(i * i >> 3)
	}
	return s
}

type closing struct {
	io.Reader
	s *source
}

func (c closing) Close() error {
	c.s.opened.Add(-1)
	return nil
}

func (s *source) get(_ context.Context, offset, length int64) (io.ReadCloser, error) {
	now := s.now.Add(1)
	defer s.now.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	body := io.Reader(iotest.OneByteReader(bytes.NewReader(s.content[offset : offset+length])))
	if s.spoil != nil {
		var err error
		if body, err = s.spoil(offset, body); err != nil {
			return nil, err
		}
	}
	s.opened.Add(1)
	return closing{body, s}, nil
}

var small = PiecesOptions{Size: 10, Parallel: 3}

func TestPieces(t *testing.T) {
	for _, size := range []int{0, 1, 9, 10, 11, 100, 1005} {
		for _, offset := range []int{0, 1, size / 2, size} {
			s := newSource(size)
			p := NewPieces(t.Context(), int64(size), int64(min(offset, size)), s.get, small)
			got, err := io.ReadAll(p)
			if want := s.content[min(offset, size):]; err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes from %d = %d bytes, %v", size, offset, len(got), err)
			}
			p.Close()
			if s.opened.Load() != 0 || s.most.Load() > 3 {
				t.Errorf("%d bodies are open, %d requests at a time", s.opened.Load(), s.most.Load())
			}
		}
	}
}

// TestPiecesFail: an error comes after the bytes before it.
func TestPiecesFail(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		spoil func(io.Reader) (io.Reader, error)
		want  error
		bytes int
	}{
		"refused": {func(io.Reader) (io.Reader, error) { return nil, broken }, broken, 20},
		"short":   {func(r io.Reader) (io.Reader, error) { return io.LimitReader(r, 4), nil }, io.ErrUnexpectedEOF, 24},
		"broken": {func(r io.Reader) (io.Reader, error) {
			return io.MultiReader(io.LimitReader(r, 5), iotest.ErrReader(broken)), nil
		}, broken, 25},
	} {
		s := newSource(100)
		s.spoil = func(offset int64, r io.Reader) (io.Reader, error) {
			if offset != 20 {
				return r, nil
			}
			return test.spoil(r)
		}
		p := NewPieces(t.Context(), 100, 0, s.get, small)
		got, err := io.ReadAll(p)
		if !errors.Is(err, test.want) || !bytes.Equal(got, s.content[:test.bytes]) {
			t.Errorf("%s: %d bytes, %v, want %d, %v", name, len(got), err, test.bytes, test.want)
		}
		p.Close()
		if _, err := p.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: Read after Close = %v", name, err)
		}
	}
}

// hanging is a body that gives nothing until it is closed or its request ends.
type hanging struct {
	ctx    context.Context
	closed chan struct{}
}

func (h hanging) Read([]byte) (int, error) {
	select {
	case <-h.closed:
		return 0, io.ErrClosedPipe
	case <-h.ctx.Done():
		return 0, h.ctx.Err()
	}
}

func (h hanging) Close() error {
	select {
	case <-h.closed:
	default:
		close(h.closed)
	}
	return nil
}

// TestPiecesHang: requests that hang end with the reader, or with its context.
func TestPiecesHang(t *testing.T) {
	hang := func(ctx context.Context, _, _ int64) (io.ReadCloser, error) {
		return hanging{ctx, make(chan struct{})}, nil
	}
	NewPieces(t.Context(), 1000, 0, hang, small).Close()

	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	p := NewPieces(ctx, 1000, 0, hang, small)
	cancel(why)
	if n, err := p.Read(make([]byte, 1)); n != 0 || !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("Read = %d, %v, want %v", n, err, context.Canceled)
	}
	p.Close()
}

// TestPiecesMemory: a reader that does not read holds no more pieces than it
// may.
func TestPiecesMemory(t *testing.T) {
	var begun atomic.Int64
	full := make(chan struct{})
	s := newSource(1000)
	get := func(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
		if begun.Add(1) == int64(small.Parallel+1) {
			close(full)
		}
		return s.get(ctx, offset, length)
	}
	p := NewPieces(t.Context(), 1000, 0, get, small)
	defer p.Close()
	<-full
	if _, err := io.ReadFull(p, make([]byte, 5)); err != nil { // of the first piece
		t.Fatal(err)
	}
	if n := begun.Load(); n != int64(small.Parallel+1) {
		t.Errorf("%d pieces were begun, want %d", n, small.Parallel+1)
	}
}
