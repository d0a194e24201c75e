package sstate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
)

const (
	tarBlock = 512

	// maxPAX is how much of a PAX header is held in memory, as in archive/tar.
	maxPAX = 1 << 20

	noSize = -1
)

// walkTar reads a tar up to its end-of-archive mark, and not beyond. The error
// is ErrTruncated or io.ErrUnexpectedEOF when the mark never comes, ErrCorrupt
// when what comes is no tar.
//
// archive/tar cannot do this: it takes a stream that stops behind an entry for
// a whole archive, and does not tell. It also refuses what BitBake's tar -S may
// write, sparse maps above 1 MiB. Only sizes matter here, so little is parsed.
func walkTar(r io.Reader) error {
	w := tarWalk{r: r, paxSize: noSize}
	for {
		switch err := w.readBlock(); {
		case err == io.EOF:
			return fmt.Errorf("%w: tar without its end-of-archive mark", ErrTruncated)
		case err != nil:
			return err
		}
		if w.block == (block{}) {
			return nil
		}
		if err := w.entry(); err != nil {
			return err
		}
	}
}

type block [tarBlock]byte

type tarWalk struct {
	r       io.Reader
	block   block // the header of the entry
	paxSize int64 // what a PAX header says of the next entry, or noSize
}

func (w *tarWalk) readBlock() error {
	_, err := io.ReadFull(w.r, w.block[:])
	return err
}

// entry passes the entry whose header is in w.block.
func (w *tarWalk) entry() error {
	if !w.block.checksumOK() {
		return fmt.Errorf("%w: tar header has a wrong checksum", ErrCorrupt)
	}
	size, err := parseNumber(w.block[124:136])
	if err != nil {
		return fmt.Errorf("%w: tar size: %w", ErrCorrupt, err)
	}
	switch flag := w.block[156]; flag {
	case 'x':
		return w.paxHeader(size)
	case 'L', 'K': // GNU long name and link: may stand between 'x' and its entry
		return w.skip(size)
	case 'g':
		w.paxSize = noSize
		return w.skip(size)
	default:
		return w.file(flag, size)
	}
}

// file passes an entry that is not about another one.
func (w *tarWalk) file(flag byte, size int64) error {
	if w.paxSize != noSize {
		size, w.paxSize = w.paxSize, noSize
	}
	switch flag {
	case '1', '2', '3', '4', '5', '6':
		return nil // links, devices, folders, pipes: no content, whatever size says
	case 'S':
		if err := w.sparseMap(); err != nil {
			return err
		}
	}
	return w.skip(size)
}

// sparseMap passes the extension blocks of an old GNU sparse header, which is
// what tar -S writes. The size in the header does not count them.
func (w *tarWalk) sparseMap() error {
	more := w.block[482]
	for more != 0 {
		if err := w.readBlock(); err != nil {
			return noEOF(err)
		}
		more = w.block[504]
	}
	return nil
}

// paxHeader reads the records about the next entry, of which only size moves
// anything.
func (w *tarWalk) paxHeader(size int64) error {
	if size > maxPAX {
		return fmt.Errorf("%w: PAX header of %d bytes", ErrCorrupt, size)
	}
	records := make([]byte, size)
	if _, err := io.ReadFull(w.r, records); err != nil {
		return noEOF(err)
	}
	var err error
	if w.paxSize, err = paxSize(records); err != nil {
		return fmt.Errorf("%w: PAX header: %w", ErrCorrupt, err)
	}
	return w.discard(padding(size))
}

// skip passes size bytes of content and the padding behind them.
func (w *tarWalk) skip(size int64) error {
	if err := w.discard(size); err != nil {
		return err
	}
	return w.discard(padding(size))
}

func (w *tarWalk) discard(n int64) error {
	_, err := io.CopyN(io.Discard, w.r, n)
	return noEOF(err)
}

// padding returns how many bytes follow size bytes to fill the last block.
func padding(size int64) int64 { return -size & (tarBlock - 1) }

// noEOF: within an entry the end is never expected.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// checksumOK compares the sum of all bytes, the field itself counted as spaces.
// Some old tars added signed bytes.
func (b *block) checksumOK() bool {
	want, err := parseNumber(b[148:156])
	if err != nil {
		return false
	}
	var unsigned, signed int64
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}

var errNumber = errors.New("not a number")

// parseNumber parses a numeric field: octal digits up to a NUL, or with the top
// bit set GNU's big-endian binary, without which nothing above 8 GiB would fit.
func parseNumber(field []byte) (int64, error) {
	if field[0]&0x80 == 0 {
		digits, _, _ := bytes.Cut(bytes.Trim(field, " \x00"), []byte{0})
		return parseDigits(digits, 8)
	}
	high, low := field[:len(field)-8], binary.BigEndian.Uint64(field[len(field)-8:])
	for i, c := range high {
		if i == 0 {
			c &^= 0x80
		}
		if c != 0 {
			return 0, errNumber // negative, or more than any file has
		}
	}
	if int64(low) < 0 {
		return 0, errNumber
	}
	return int64(low), nil
}

// parseDigits parses an unsigned number; no digits are zero.
func parseDigits(digits []byte, base int) (int64, error) {
	if len(digits) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(string(digits), base, 63)
	if err != nil {
		return 0, errNumber
	}
	return int64(n), nil
}

// paxSize returns the value of the size record, or noSize where it is missing or
// empty. A record is "LENGTH KEY=VALUE\n", LENGTH counting all of it.
func paxSize(records []byte) (int64, error) {
	size := int64(noSize)
	for len(records) > 0 {
		digits, _, _ := bytes.Cut(records, []byte(" "))
		n, err := parseDigits(digits, 10)
		if err != nil || n <= int64(len(digits)) || n > int64(len(records)) {
			return 0, errors.New("malformed record")
		}
		record := records[len(digits):n]
		records = records[n:]
		value, ok := bytes.CutPrefix(bytes.TrimSuffix(record, []byte("\n")), []byte(" size="))
		if !ok {
			continue
		}
		if size, err = parseSize(value); err != nil {
			return 0, err
		}
	}
	return size, nil
}

func parseSize(value []byte) (int64, error) {
	if len(value) == 0 {
		return noSize, nil
	}
	return parseDigits(value, 10)
}
