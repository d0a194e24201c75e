package markup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Limit bounds one tag or text, in bytes, with the comments in it: the longest
// of interest is a name of 1,024 bytes of which each is escaped to six.
const Limit = 64 << 10

const (
	// firstRoom is the room of a new Scanner, in bytes: the answer for a small
	// folder.
	firstRoom = 8 << 10
	// maxDepth bounds how deep elements are nested; those of listings are five.
	maxDepth = 64
	// maxPauses bounds reads that give nothing in a row.
	maxPauses = 100
)

// ErrSyntax is a text that is not XML, or of a kind that no listing is.
var ErrSyntax = errors.New("bad XML")

// A Kind is what Next has found.
type Kind byte

// An empty element gives both.
const (
	Begin Kind = iota // of an element
	End               // of the innermost element
)

// A Scanner walks over the tags of one text.
type Scanner struct {
	in     io.Reader
	buf    []byte
	begin  int // buf[begin:at] is the text before the tag that Next gave
	at     int
	next   int // the first byte after the tag
	filled int

	marked bool   // there is a section or comment in that text
	plain  []byte // Text where it had to be decoded
	name   []byte // of the tag, with its prefix

	open  []byte // names of the elements around, one behind the other
	ends  []int  // where each of them ends
	empty bool   // the end of an empty element is still to be told
	begun bool   // the encoding is known
}

// Reset makes s read from in, with the memory that it has.
func (s *Scanner) Reset(in io.Reader) {
	buf := s.buf
	if buf == nil {
		buf = make([]byte, firstRoom)
	}
	*s = Scanner{in: in, buf: buf, plain: s.plain[:0], open: s.open[:0], ends: s.ends[:0]}
}

// Next goes to the next tag. At the end of the text it is io.EOF, and Text is
// what stands behind the last tag.
func (s *Scanner) Next() (Kind, error) {
	if s.empty {
		s.empty = false
		s.begin = s.at
		s.pop()
		return End, nil
	}
	if !s.begun {
		if err := s.start(); err != nil {
			return 0, err
		}
	}
	s.begin, s.at, s.marked = s.next, s.next, false
	for {
		if err := s.find("<", s.at); err != nil {
			return 0, s.ended(err)
		}
		s.at = s.next - 1
		if err := s.have(s.at + 2); err != nil {
			return 0, cut(err)
		}
		if c := s.buf[s.at+1]; c != '!' && c != '?' {
			break
		}
		if err := s.skip(); err != nil {
			return 0, err
		}
		s.marked = true
	}
	if err := s.closing(); err != nil {
		return 0, err
	}
	return s.tag(s.buf[s.at+1 : s.next-1])
}

// Name is the name of the tag without its prefix, until the next call of Next.
func (s *Scanner) Name() []byte {
	i := bytes.IndexByte(s.name, ':')
	if i <= 0 || i == len(s.name)-1 {
		return s.name
	}
	return s.name[i+1:]
}

// Text is what stands between the tag and the one before it, until the next
// call of Next.
func (s *Scanner) Text() ([]byte, error) {
	raw := s.buf[s.begin:s.at]
	if !s.marked && bytes.IndexByte(raw, '&') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return raw, nil
	}
	var err error
	s.plain, err = decode(s.plain[:0], raw)
	return s.plain, err
}

// Depth is how many elements are open.
func (s *Scanner) Depth() int { return len(s.ends) }

// tag takes what is between < and >.
func (s *Scanner) tag(tag []byte) (Kind, error) {
	if tag[0] == '/' {
		return End, s.end(trimmed(tag[1:]))
	}
	if last := len(tag) - 1; tag[last] == '/' {
		tag, s.empty = tag[:last], true
	}
	for i, c := range tag {
		if isSpace(c) {
			tag = tag[:i]
			break
		}
	}
	if len(tag) == 0 || len(s.ends) == maxDepth {
		return 0, fmt.Errorf("%w: a tag without a name, or elements too deep in each other", ErrSyntax)
	}
	s.name = tag
	s.open = append(s.open, tag...)
	s.ends = append(s.ends, len(s.open))
	return Begin, nil
}

const space = " \t\r\n"

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// trimmed is a name without the blanks behind it.
func trimmed(name []byte) []byte {
	for len(name) > 0 && isSpace(name[len(name)-1]) {
		name = name[:len(name)-1]
	}
	return name
}

// end closes the innermost element.
func (s *Scanner) end(name []byte) error {
	last := len(s.ends) - 1
	if last < 0 || !bytes.Equal(name, s.open[s.nameAt(last):]) {
		return fmt.Errorf("%w: </%.40q> ends nothing", ErrSyntax, name)
	}
	s.name = name
	s.pop()
	return nil
}

// nameAt is where the name of an open element begins.
func (s *Scanner) nameAt(i int) int {
	if i == 0 {
		return 0
	}
	return s.ends[i-1]
}

func (s *Scanner) pop() {
	last := len(s.ends) - 1
	s.open, s.ends = s.open[:s.nameAt(last)], s.ends[:last]
}
