package siginfo

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// ErrBroken is content that is no signature, or not a whole one. It comes
// wrapped around what was found.
var ErrBroken = errors.New("not a signature")

const (
	// maxContent bounds a file, what it decodes to, and the text in it, in
	// bytes. The largest signatures, those of images, have a megabyte or two.
	maxContent = 16 << 20

	// maxValues bounds the values in a file: texts, lists, sets, objects.
	// They cost up to 400 bytes of memory each beside their text.
	maxValues = 1 << 19
)

// Read reads a signature from r to its end, whatever its format. The error is
// ErrBroken when the bytes are no signature; otherwise it is the reader's.
func Read(r io.Reader) (*Signature, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err != nil {
		return nil, fmt.Errorf("read signature: %w", err)
	}
	s, err := parse(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return s, nil
}

// parse is Read of what is in memory.
func parse(content []byte) (*Signature, error) {
	root, err := decode(content)
	if err != nil {
		return nil, err
	}
	return signatureOf(root)
}

// decode decodes any of the formats to what decodeJSON returns.
func decode(content []byte) (any, error) {
	switch {
	case len(content) == 0:
		return nil, errors.New("empty")
	case len(content) > maxContent:
		return nil, errTooLarge
	case isZstd(content):
		text, err := inflate(content)
		if err != nil {
			return nil, err
		}
		return decodeJSON(text)
	case content[0] == opProto, content[0] == opMark, content[0] == opEmptyDict:
		return decodePickle(content) // protocols 0 and 1 have no mark of their own
	case isJSON(content):
		return decodeJSON(content)
	default:
		return nil, errors.New("neither zstd nor pickle nor JSON")
	}
}

var errTooLarge = fmt.Errorf("more than %d MiB", maxContent>>20)

// isZstd reports whether content begins a frame (RFC 8878, 3.1.1) or a
// skippable frame (3.1.2).
func isZstd(content []byte) bool {
	if len(content) < 4 {
		return false
	}
	return bytes.HasPrefix(content, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		content[0]&0xf0 == 0x50 && bytes.HasPrefix(content[1:], []byte{0x2a, 0x4d, 0x18})
}

func isJSON(content []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(content, " \t\r\n"), []byte("{"))
}

// inflate decodes zstd: all of it, or an error.
func inflate(content []byte) ([]byte, error) {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxContent))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.DecodeAll(content, nil)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("truncated")
	case errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return nil, errTooLarge
	case err != nil:
		return nil, fmt.Errorf("zstd: %w", err)
	case len(text) == 0:
		return nil, errors.New("truncated: no content in the frames")
	}
	return text, nil
}
