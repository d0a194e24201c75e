package s3

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// errXML is an answer that is no listing.
var errXML = errors.New("the answer is no listing")

// parsePage reads the answer to ListObjectsV2: elements without mixed content,
// of which few are of interest. It copies what it keeps.
func parsePage(text []byte) (*page, error) {
	r := pageReader{text: text, page: &page{}}
	if err := r.run(); err != nil {
		return nil, err
	}
	return r.page, nil
}

// A pageReader walks over the tags of an answer.
type pageReader struct {
	text  []byte
	at    int
	path  [][]byte // names of the elements that are open
	start int      // where the content of the innermost begins
	now   entry
	page  *page
}

func (r *pageReader) run() error {
	seen := false
	for {
		i := bytes.IndexByte(r.text[r.at:], '<')
		if i < 0 {
			break
		}
		begin := r.at + i
		done, err := r.skip(begin)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		end := bytes.IndexByte(r.text[begin:], '>')
		if end < 0 {
			return fmt.Errorf("%w: it is cut off", errXML)
		}
		tag := r.text[begin+1 : begin+end]
		r.at = begin + end + 1
		if err := r.tag(tag, begin); err != nil {
			return err
		}
		seen = true
	}
	if !seen || len(r.path) > 0 {
		return fmt.Errorf("%w: it is cut off", errXML)
	}
	return nil
}

// skip goes past what is no tag: declarations, comments and CDATA.
func (r *pageReader) skip(begin int) (bool, error) {
	if next := begin + 1; next >= len(r.text) || r.text[next] != '!' && r.text[next] != '?' {
		return false, nil
	}
	for _, s := range [...]struct{ open, close string }{
		{"<?", "?>"}, {"<!--", "-->"}, {"<![CDATA[", "]]>"}, {"<!", ">"},
	} {
		if !bytes.HasPrefix(r.text[begin:], []byte(s.open)) {
			continue
		}
		end := bytes.Index(r.text[begin:], []byte(s.close))
		if end < 0 {
			return false, fmt.Errorf("%w: it is cut off", errXML)
		}
		r.at = begin + end + len(s.close)
		return true, nil
	}
	return false, nil
}

// tag takes what is between < and >. begin is where the tag begins.
func (r *pageReader) tag(tag []byte, begin int) error {
	if len(tag) > 0 && tag[0] == '/' {
		return r.close(r.text[r.start:begin], elementName(tag[1:]))
	}
	empty := len(tag) > 0 && tag[len(tag)-1] == '/'
	if empty {
		tag = tag[:len(tag)-1]
	}
	name := elementName(tag)
	if len(r.path) == 0 && string(name) != "ListBucketResult" {
		return fmt.Errorf("%w: it begins with %q", errXML, oneLine(string(name)))
	}
	r.path = append(r.path, name)
	r.start = r.at
	if empty {
		return r.close(nil, name)
	}
	return nil
}

// elementName is the name in a tag, without attributes and namespace.
func elementName(tag []byte) []byte {
	for i, c := range tag {
		if c == ' ' || c == '\t' || c == '\r' || c == '\n' {
			tag = tag[:i]
			break
		}
	}
	if i := bytes.IndexByte(tag, ':'); i >= 0 {
		tag = tag[i+1:]
	}
	return tag
}

// close ends the innermost element.
func (r *pageReader) close(content, name []byte) error {
	last := len(r.path) - 1
	if last < 0 || !bytes.Equal(r.path[last], name) {
		return fmt.Errorf("%w: its tags do not match", errXML)
	}
	var err error
	switch {
	case last == 1:
		err = r.outer(string(name), content)
	case last == 2 && string(r.path[1]) == "Contents":
		err = r.object(string(name), content)
	case last == 2 && string(r.path[1]) == "CommonPrefixes" && string(name) == "Prefix":
		var prefix string
		prefix, err = decode(content)
		r.page.prefixes = append(r.page.prefixes, prefix)
	}
	r.path = r.path[:last]
	r.start = r.at
	return err
}

// outer takes an element of the listing itself.
func (r *pageReader) outer(name string, content []byte) (err error) {
	switch name {
	case "Contents":
		r.page.entries = append(r.page.entries, r.now)
		r.now = entry{}
	case "IsTruncated":
		r.page.truncated = string(bytes.TrimSpace(content)) == "true"
	case "NextContinuationToken":
		r.page.next, err = decode(content)
	}
	return err
}

// object takes an element of an object.
func (r *pageReader) object(name string, content []byte) (err error) {
	switch name {
	case "Key":
		r.now.name, err = decode(content)
	case "Size":
		r.now.size, err = strconv.ParseInt(string(bytes.TrimSpace(content)), 10, 64)
	case "LastModified":
		r.now.time, err = parseTime(string(bytes.TrimSpace(content)))
	}
	if err != nil {
		return fmt.Errorf("%w: %s %q", errXML, name, oneLine(string(content)))
	}
	return nil
}

// parseTime reads a time and leaves whole seconds, which is what the head of an
// object has.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.Truncate(time.Second), err
}

// decode takes the text of an element out of its CDATA and its references.
func decode(content []byte) (string, error) {
	if bytes.IndexByte(content, '&') < 0 && bytes.IndexByte(content, '<') < 0 {
		return string(content), nil
	}
	var text strings.Builder
	rest := string(content)
	for rest != "" {
		i := strings.IndexAny(rest, "&<")
		if i < 0 {
			i = len(rest)
		}
		text.WriteString(rest[:i])
		rest = rest[i:]
		switch {
		case rest == "":
		case rest[0] == '&':
			name, after, ok := strings.Cut(rest[1:], ";")
			c, known := reference(name)
			if !ok || !known {
				return "", fmt.Errorf("%w: bad reference", errXML)
			}
			text.WriteRune(c)
			rest = after
		case strings.HasPrefix(rest, "<![CDATA["):
			plain, after, _ := strings.Cut(rest[len("<![CDATA["):], "]]>")
			text.WriteString(plain)
			rest = after
		default:
			_, rest, _ = strings.Cut(rest, ">") // a comment
		}
	}
	return text.String(), nil
}

// reference gives the character of a reference. Unlike XML 1.0 it takes
// control characters, which AWS writes so.
func reference(name string) (rune, bool) {
	switch name {
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
	digits, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, isHex := strings.CutPrefix(digits, "x"); isHex {
		digits, base = hex, 16
	}
	n, err := strconv.ParseInt(digits, base, 32)
	return rune(n), ok && err == nil && utf8.ValidRune(rune(n))
}
