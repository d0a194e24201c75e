package siginfo

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What protocols 0 and 1 write as lines of text, and numbers that do not fit
// into 32 bits.

// maxDigits bounds a number: reading one costs the square of its length.
const maxDigits = 400

var errNumber = errors.New("a number that is none")

// number pushes an int or a float.
func (u *unpickler) number(code byte) error {
	switch code {
	case opBinInt, opBinInt1, opBinInt2:
		return u.smallInt(code)
	case opLong1:
		return u.longInt()
	case opBinFloat:
		b, err := u.take(8)
		if err != nil {
			return err
		}
		return u.push(json.Number(pythonFloat(math.Float64frombits(binary.BigEndian.Uint64(b)))))
	}
	text, err := u.line()
	if err != nil {
		return err
	}
	return u.textNumber(code, text)
}

func (u *unpickler) smallInt(code byte) error {
	width := map[byte]int{opBinInt: 4, opBinInt1: 1, opBinInt2: 2}[code]
	n, err := u.uint(width)
	if err != nil {
		return err
	}
	if code == opBinInt {
		return u.push(json.Number(strconv.Itoa(int(int32(n)))))
	}
	return u.push(json.Number(strconv.FormatUint(n, 10)))
}

// longInt is an int of up to 255 bytes, little-endian, in two's complement.
func (u *unpickler) longInt() error {
	size, err := u.uint(1)
	if err != nil {
		return err
	}
	b, err := u.take(size)
	if err != nil {
		return err
	}
	n := new(big.Int)
	for i := len(b) - 1; i >= 0; i-- {
		n.Or(n.Lsh(n, 8), big.NewInt(int64(b[i])))
	}
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return u.push(json.Number(n.String()))
}

// textNumber is a number written as text. 00 and 01 are bools.
func (u *unpickler) textNumber(code byte, text string) error {
	if len(text) > maxDigits {
		return errNumber
	}
	if code == opFloat {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return errNumber
		}
		return u.push(json.Number(pythonFloat(f)))
	}
	if code == opInt && (text == "00" || text == "01") {
		return u.push(text == "01")
	}
	n, ok := new(big.Int).SetString(strings.TrimSuffix(text, "L"), 10)
	if !ok {
		return errNumber
	}
	return u.push(json.Number(n.String()))
}

// textLine pushes a text of protocol 0: a line in Latin-1, other characters
// escaped (codec raw-unicode-escape).
func (u *unpickler) textLine() error {
	line, err := u.line()
	if err != nil {
		return err
	}
	var b strings.Builder
	for i := 0; i < len(line); {
		r, size := rune(line[i]), 1
		if line[i] == '\\' && i+1 < len(line) {
			r, size = escapedRune(line[i:])
		}
		b.WriteRune(r)
		i += size
	}
	return u.push(b.String())
}

// escapedRune is the character that begins a text with a backslash: the one
// that is escaped, or the backslash.
func escapedRune(text string) (r rune, size int) {
	digits := map[byte]int{'u': 4, 'U': 8}[text[1]]
	if digits == 0 || len(text) < 2+digits {
		return '\\', 1
	}
	n, err := strconv.ParseUint(text[2:2+digits], 16, 32)
	switch {
	case err != nil:
		return '\\', 1
	case n > utf8.MaxRune:
		return utf8.RuneError, 2 + digits
	}
	return rune(n), 2 + digits
}
