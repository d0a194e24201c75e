package sstate

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The verdicts on content. Each comes wrapped around what was found.
var (
	ErrEmpty     = errors.New("empty")
	ErrTruncated = errors.New("truncated")
	ErrCorrupt   = errors.New("corrupt")
)

const (
	// maxWindow is the largest window that zstd decodes without being told
	// to (ZSTD_WINDOWLOG_LIMIT_DEFAULT, 27). What needs more is of no use to
	// BitBake either, which runs plain pzstd.
	maxWindow = 128 << 20

	// maxDecoded bounds what one object decodes to, in bytes. A gigabyte of zstd
	// can stand for 32 TiB, which takes hours; no object of a build has a hundredth
	// of this, and this takes a minute.
	maxDecoded = 256 << 30

	// readAhead is small because it bounds how much is decoded between two
	// calls of the caller's reader, where the caller can say stop: zstd makes
	// 128 KiB out of 4 bytes.
	readAhead = 16 << 10
)

// Check reads the object called name from r to its end and reports whether it
// is whole, as [CheckArchive] and [CheckSignature] do. A detached signature is
// whole when it has any byte.
func Check(r io.Reader, name Name) error {
	switch name.Side {
	case SideSiginfo:
		return CheckSignature(r)
	case SideSig:
		return check(r, func(br *bufio.Reader) error { return drain(br) })
	default:
		return CheckArchive(r, name.Ext)
	}
}

// CheckTransfer is [Check] without a look at what is packed: it reads an object
// to its end and returns nil when its compression decodes, checksums included.
func CheckTransfer(r io.Reader, name Name) error {
	if name.Side != "" {
		return Check(r, name)
	}
	return check(r, func(br *bufio.Reader) error {
		content, err := decompress(br, name.Ext, usual())
		if err != nil {
			return err
		}
		defer content.Close()
		return drain(content)
	})
}

// CheckArchive reads an archive from r to its end and returns nil when it is
// whole: all frames decode, the tar in them ends with its mark. ext is ExtZstd
// or ExtGzip.
//
// The error is ErrEmpty, ErrTruncated or ErrCorrupt, or wraps what r returned.
func CheckArchive(r io.Reader, ext string) error {
	return checkArchive(r, ext, usual())
}

// checkArchive is CheckArchive with other bounds.
func checkArchive(r io.Reader, ext string, b bounds) error {
	return check(r, func(br *bufio.Reader) error {
		content, err := decompress(br, ext, b)
		if err != nil {
			return err
		}
		defer content.Close()
		if err := walkTar(content); err != nil {
			return err
		}
		// The checksum of the last frame stands behind the padding.
		return drain(content)
	})
}

// CheckSignature reads a siginfo from r to its end and returns nil when it is
// whole: zstd that decodes to anything (BitBake 1.53 and later), or a pickle
// that ends like one. Errors are those of [CheckArchive].
func CheckSignature(r io.Reader) error {
	return check(r, func(br *bufio.Reader) error {
		head, _ := br.Peek(magicLen) // a failure shows again in the next read
		switch {
		case isZstd(head):
			return checkZstd(br)
		case isPickle(head):
			return checkPickle(br)
		case len(head) < magicLen:
			return fmt.Errorf("%w: %d bytes", ErrTruncated, len(head))
		default:
			return fmt.Errorf("%w: neither zstd nor pickle", ErrCorrupt)
		}
	})
}

// check lets judge read the content of r and sorts the error it returns.
func check(r io.Reader, judge func(*bufio.Reader) error) error {
	src := &source{r: r}
	br := bufio.NewReaderSize(src, readAhead)
	err := ErrEmpty
	if _, end := br.Peek(1); end != io.EOF {
		err = judge(br)
	}
	switch {
	case src.err != nil:
		return fmt.Errorf("read content: %w", src.err)
	case err == nil, isVerdict(err):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: content ends too early", ErrTruncated)
	default:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
}

func isVerdict(err error) bool {
	return errors.Is(err, ErrEmpty) || errors.Is(err, ErrTruncated) || errors.Is(err, ErrCorrupt)
}

// source remembers the reader's own error. Decompressors replace it: one that
// comes at the start of a frame is the end of the stream to them, and
// io.ErrUnexpectedEOF of an HTTP body looks like a truncated object.
type source struct {
	r   io.Reader
	err error
}

// Read drops the bytes that come with an error, so that the error is met at
// once and not behind what they decode to.
func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
		return 0, err
	}
	return n, err
}

// bounds are of what an object may cost, in bytes.
type bounds struct {
	window  uint64 // of zstd
	decoded int64
}

func usual() bounds { return bounds{maxWindow, maxDecoded} }

// decompress returns what br holds in the format of ext.
func decompress(br *bufio.Reader, ext string, b bounds) (io.ReadCloser, error) {
	switch ext {
	case ExtZstd:
		return newZstd(br, b)
	case ExtGzip:
		content, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		return &unpacked{content, b.decoded}, nil
	default:
		return nil, fmt.Errorf("%w: %q is no archive format", ErrCorrupt, ext)
	}
}

// newZstd returns a decoder without goroutines: a check that is abandoned
// leaves nothing behind.
func newZstd(r io.Reader, b bounds) (io.ReadCloser, error) {
	d, err := zstd.NewReader(r,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(b.window)) // of a stream: its window
	if err != nil {
		return nil, err
	}
	return &unpacked{d.IOReadCloser(), b.decoded}, nil
}

// unpacked is the content of an object, which may not be without end.
type unpacked struct {
	io.ReadCloser
	left int64 // bytes
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, fmt.Errorf("%w: it decodes to more than any object of a build", ErrCorrupt)
	}
	return n, err
}

// checkZstd accepts any content but none: frames without content are what a
// cut behind pzstd's leading skippable frame leaves.
func checkZstd(r io.Reader) error {
	content, err := newZstd(r, usual())
	if err != nil {
		return err
	}
	defer content.Close()
	n, err := io.Copy(io.Discard, content)
	if err == nil && n == 0 {
		return fmt.Errorf("%w: no content in the frames", ErrTruncated)
	}
	return err
}

// checkPickle looks at the last byte only: STOP ends every pickle.
func checkPickle(r io.Reader) error {
	const stop = '.'
	var last lastByte
	if _, err := io.Copy(&last, r); err != nil {
		return err
	}
	if last != stop {
		return fmt.Errorf("%w: pickle without its STOP", ErrTruncated)
	}
	return nil
}

// lastByte is a writer that keeps the last byte written to it.
type lastByte byte

func (l *lastByte) Write(p []byte) (int, error) {
	if len(p) > 0 {
		*l = lastByte(p[len(p)-1])
	}
	return len(p), nil
}

func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}
