package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// start looks at the first bytes, which tell encodings of more than a byte.
func (s *Scanner) start() error {
	s.begun = true
	if err := s.have(3); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	first := s.buf[:min(s.filled, 3)]
	switch {
	case bytes.HasPrefix(first, []byte("\xef\xbb\xbf")):
		s.next = len(first)
	case bytes.HasPrefix(first, []byte("\xfe\xff")), bytes.HasPrefix(first, []byte("\xff\xfe")),
		len(first) > 1 && (first[0] == 0 || first[1] == 0):
		return fmt.Errorf("%w: its encoding is UTF-16 or UTF-32, not UTF-8", ErrSyntax)
	}
	return nil
}

// have sees to it that buf holds the bytes before end. Like find it moves what
// is of use to the beginning of buf only through more, which keeps s.at valid;
// end is taken from s.at.
func (s *Scanner) have(end int) error {
	ahead := end - s.at
	for s.filled < s.at+ahead {
		if err := s.more(); err != nil {
			return err
		}
	}
	return nil
}

// find puts next behind the next occurrence of what, from a place on.
func (s *Scanner) find(what string, from int) error {
	ahead := from - s.at
	for {
		if i := index(s.buf[s.at+ahead:s.filled], what); i >= 0 {
			s.next = s.at + ahead + i + len(what)
			return nil
		}
		ahead = max(ahead, s.filled-s.at-len(what)+1)
		if err := s.more(); err != nil {
			return err
		}
	}
}

// index is bytes.Index for a string, which is a single byte most of the time.
func index(text []byte, what string) int {
	if len(what) == 1 {
		return bytes.IndexByte(text, what[0])
	}
	return bytes.Index(text, []byte(what))
}

// more reads on. It keeps what is from begin on.
func (s *Scanner) more() error {
	if s.begin > 0 {
		copy(s.buf, s.buf[s.begin:s.filled])
		s.at, s.filled, s.begin = s.at-s.begin, s.filled-s.begin, 0
	}
	if s.filled == len(s.buf) {
		if len(s.buf) >= Limit {
			return fmt.Errorf("%w: a tag or text of more than %d bytes", ErrSyntax, Limit)
		}
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range maxPauses {
		n, err := s.in.Read(s.buf[s.filled:])
		s.filled += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// cut is the error of a text that ends inside a tag.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ended is the error of a text in which no tag follows.
func (s *Scanner) ended(err error) error {
	if !errors.Is(err, io.EOF) {
		return err
	}
	s.at, s.next = s.filled, s.filled
	if len(s.ends) > 0 {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// closing puts next behind the > of the tag that begins at s.at. Values of
// attributes may hold others.
func (s *Scanner) closing() error {
	from := s.at
	for {
		if err := s.find(">", from); err != nil {
			return cut(err)
		}
		if !inQuotes(s.buf[s.at:s.next]) {
			break
		}
		from = s.next
	}
	if s.next-s.at == len("<>") {
		return fmt.Errorf("%w: an empty tag", ErrSyntax)
	}
	return nil
}

// inQuotes tells whether a value has not ended at the end of tag.
func inQuotes(tag []byte) bool {
	if bytes.IndexByte(tag, '=') < 0 { // most tags have no attributes
		return false
	}
	var quote byte
	for _, c := range tag {
		switch {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
	}
	return quote != 0
}
