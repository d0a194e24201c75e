package markup

import (
	"bytes"
	"fmt"
)

// What is no tag: how it begins and how it ends.
const (
	commentBegin, commentEnd = "<!--", "-->"
	cdataBegin, cdataEnd     = "<![CDATA[", "]]>"
	targetBegin, targetEnd   = "<?", "?>"
)

// skip goes past what begins at s.at and is no tag, so that the search for the
// next one goes on behind it.
func (s *Scanner) skip() error {
	for _, kind := range [...]struct{ begin, end string }{
		{targetBegin, targetEnd}, {commentBegin, commentEnd}, {cdataBegin, cdataEnd},
	} {
		is, err := s.beginsWith(kind.begin)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		if err := s.find(kind.end, s.at+len(kind.begin)); err != nil {
			return cut(err)
		}
		if kind.begin == targetBegin {
			err = checkEncoding(s.buf[s.at+len(targetBegin) : s.next-len(targetEnd)])
		}
		s.at = s.next
		return err
	}
	return fmt.Errorf("%w: a document type or the like, which no listing has", ErrSyntax)
}

// beginsWith tells whether what begins at s.at does so with prefix. It reads
// no further than it must.
func (s *Scanner) beginsWith(prefix string) (bool, error) {
	for n := 1; n <= len(prefix); n++ {
		if err := s.have(s.at + n); err != nil {
			return false, cut(err)
		}
		if s.buf[s.at+n-1] != prefix[n-1] {
			return false, nil
		}
	}
	return true, nil
}

// checkEncoding refuses an XML declaration with an encoding that we do not read.
func checkEncoding(target []byte) error {
	rest, ok := bytes.CutPrefix(target, []byte("xml"))
	if !ok || len(rest) == 0 || !bytes.ContainsRune([]byte(space), rune(rest[0])) {
		return nil
	}
	_, rest, ok = bytes.Cut(rest, []byte("encoding"))
	if !ok {
		return nil
	}
	rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, space), []byte("="))
	rest = bytes.TrimLeft(rest, space)
	if !ok || len(rest) == 0 {
		return nil
	}
	name, _, _ := bytes.Cut(rest[1:], rest[:1])
	if !bytes.EqualFold(name, []byte("utf-8")) {
		return fmt.Errorf("%w: its encoding is %.20q, not UTF-8", ErrSyntax, name)
	}
	return nil
}
