package markup

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// decode appends the text that raw stands for.
func decode(text, raw []byte) ([]byte, error) {
	for len(raw) > 0 {
		i := bytes.IndexAny(raw, "&<\r")
		if i < 0 {
			break
		}
		text = append(text, raw[:i]...)
		raw = raw[i:]
		var err error
		switch raw[0] {
		case '&':
			text, raw, err = decodeReference(text, raw)
		case '\r': // ends of lines are \n, XML 1.0 section 2.11
			text = append(text, '\n')
			raw = bytes.TrimPrefix(raw[1:], []byte("\n"))
		default:
			text, raw = decodeSection(text, raw)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(text, raw...), nil
}

// decodeSection takes what the Scanner has found to be no tag.
func decodeSection(text, raw []byte) (more, rest []byte) {
	if plain, ok := bytes.CutPrefix(raw, []byte(cdataBegin)); ok {
		plain, rest, _ = bytes.Cut(plain, []byte(cdataEnd))
		for len(plain) > 0 {
			line, after, ends := bytes.Cut(plain, []byte("\r"))
			text = append(text, line...)
			if ends {
				text = append(text, '\n')
				after = bytes.TrimPrefix(after, []byte("\n"))
			}
			plain = after
		}
		return text, rest
	}
	end := targetEnd
	if bytes.HasPrefix(raw, []byte(commentBegin)) {
		raw, end = raw[len(commentBegin):], commentEnd
	} else {
		raw = raw[len(targetBegin):]
	}
	_, rest, _ = bytes.Cut(raw, []byte(end))
	return text, rest
}

// decodeReference takes one reference.
func decodeReference(text, raw []byte) (more, rest []byte, err error) {
	name, rest, ok := bytes.Cut(raw[1:], []byte(";"))
	c, known := character(name)
	if !ok || !known {
		return nil, nil, fmt.Errorf("%w: &%.20q is no reference", ErrSyntax, name)
	}
	return utf8.AppendRune(text, c), rest, nil
}

// character gives what a reference stands for. Unlike XML 1.0 it takes control
// characters, which AWS writes so.
func character(name []byte) (rune, bool) {
	switch string(name) {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := bytes.CutPrefix(name, []byte("#"))
	base := 10
	if hex, isHex := bytes.CutPrefix(digits, []byte("x")); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 31)
	return rune(n), ok && err == nil && n <= utf8.MaxRune
}
