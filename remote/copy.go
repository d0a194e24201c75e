package remote

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// copyChunk is how much is copied between two looks at the context, in bytes.
// It also is what must move within a Guard's StallTimeout.
const copyChunk = 1 << 20

// errSource marks a failure of the side that is read.
var errSource = errors.New("source")

// Copy copies a Source's body to dst, exactly size bytes. A body that fails or
// is shorter or longer matches ErrCorrupt, an error of dst is returned as it
// is, the end of ctx as the context's error. When both sides are files and dst
// has ReadFrom the kernel copies (or shares) the blocks.
func Copy(ctx context.Context, dst io.Writer, src io.Reader, size int64) error {
	next := chunker(dst, src, size)
	var done int64
	for done < size {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := next(min(copyChunk, size-done))
		done += n
		Progress(ctx)
		switch {
		case errors.Is(err, errSource):
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		case err != nil:
			return err
		case n == 0:
			return fmt.Errorf("%w: source ends after %d of %d bytes", ErrCorrupt, done, size)
		}
	}
	return atEnd(src, size)
}

// chunker gives the function that copies up to n bytes. It returns 0, nil at
// the end of src.
func chunker(dst io.Writer, src io.Reader, size int64) func(n int64) (int64, error) {
	if file := fileOf(src); file != nil {
		if to, ok := dst.(io.ReaderFrom); ok {
			return func(n int64) (int64, error) { return to.ReadFrom(io.LimitReader(file, n)) }
		}
	}
	buf := make([]byte, min(copyChunk, size))
	return func(n int64) (int64, error) {
		got, err := io.ReadFull(src, buf[:n])
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, fmt.Errorf("%w: %w", errSource, err)
		}
		put, err := dst.Write(buf[:got])
		return int64(put), err
	}
}

// atEnd checks that nothing follows.
func atEnd(src io.Reader, size int64) error {
	var one [1]byte
	switch n, err := io.ReadFull(src, one[:]); {
	case n > 0:
		return fmt.Errorf("%w: source is longer than %d bytes", ErrCorrupt, size)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %w: %w", ErrCorrupt, errSource, err)
	}
	return nil
}

// fileOf gives the open file behind a body, also when a Guard counts it.
func fileOf(src io.Reader) *os.File {
	switch r := src.(type) {
	case *os.File:
		return r
	case *countedBody:
		return fileOf(r.ReadCloser)
	}
	return nil
}

// A countedSource marks progress whenever its content is read.
type countedSource struct {
	Source
	moved *progress
}

func (s countedSource) Open() (io.ReadCloser, error) {
	body, err := s.Source.Open()
	if err != nil {
		return nil, err
	}
	return &countedBody{body, s.moved}, nil
}

var _ Hasher = (*countedBody)(nil)

type countedBody struct {
	io.ReadCloser
	moved *progress
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.moved.mark()
	}
	return n, err
}

// Hashes see Hasher.
func (b *countedBody) Hashes() bool {
	h, ok := b.ReadCloser.(Hasher)
	return ok && h.Hashes()
}

// Sum256 see Summer.
func (b *countedBody) Sum256() (sum [sha256.Size]byte, ok bool) {
	if s, is := b.ReadCloser.(Summer); is {
		return s.Sum256()
	}
	return sum, false
}
