package webdav

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An entry is what a multistatus says of one name (RFC 4918, section 14.24).
type entry struct {
	path   string // of its href, decoded
	folder bool
	size   int64 // bytes, -1 if it is not told
	time   time.Time
	etag   string
	failed bool // the answer has a status for it alone, and no properties
}

// textLimit bounds the text of one element, in bytes: an href of a name of 255
// bytes, each escaped, below any sane base.
const textLimit = 16 << 10

var (
	// errForeign marks a body that is no multistatus.
	errForeign = errors.New("the answer is not a multistatus")
	// errCut marks a multistatus that the server gave up in the middle, which
	// net/webdav of Go (rclone) does when a name vanishes while it is read: it
	// closes all elements, as if that were all, and then writes what status it
	// would have given.
	errCut = errors.New("the server gave up its listing")
)

// parseMultistatus calls fn for every response of a multistatus, in order and
// while it arrives. Namespaces are not resolved, which is a third of the work:
// of the properties that we ask for none has the name of another. A property
// that the server does not have comes empty in a propstat of its own.
func parseMultistatus(body io.Reader, fn func(entry) error) error {
	p := parser{decoder: xml.NewDecoder(body), fn: fn}
	for {
		token, err := p.decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return p.end()
		}
		if err == nil {
			err = p.take(token)
		}
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("%w: line %d: %s", errForeign, syntax.Line, syntax.Msg)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) { // Apache's way to give up
			return fmt.Errorf("%w: %w", errCut, err)
		}
		if err != nil {
			return err
		}
	}
}

// A parser is somewhere in a multistatus.
type parser struct {
	decoder *xml.Decoder
	fn      func(entry) error
	open    []string // names of the elements around
	text    strings.Builder
	now     entry
	seen    bool // the root element
}

func (p *parser) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return p.start(t.Name.Local)
	case xml.CharData:
		if p.seen && len(p.open) == 0 && len(bytes.TrimSpace(t)) > 0 {
			return fmt.Errorf("%w: %.40q", errCut, t)
		}
		if p.text.Len()+len(t) > textLimit {
			return fmt.Errorf("%w: an element is too long", errForeign)
		}
		p.text.Write(t)
	case xml.EndElement:
		return p.close(t.Name.Local)
	}
	return nil
}

func (p *parser) start(name string) error {
	switch {
	case !p.seen && name != "multistatus":
		return fmt.Errorf("%w: it begins with <%s>", errForeign, strconv.QuoteToASCII(name))
	case len(p.open) > 64:
		return fmt.Errorf("%w: elements are nested too deeply", errForeign)
	case name == "response":
		p.now = entry{size: -1}
	case name == "collection":
		p.now.folder = true
	}
	p.seen = true
	p.open = append(p.open, name)
	p.text.Reset()
	return nil
}

func (p *parser) close(name string) error {
	if len(p.open) == 0 || p.open[len(p.open)-1] != name {
		return fmt.Errorf("%w: </%s> ends nothing", errForeign, strconv.QuoteToASCII(name))
	}
	p.open = p.open[:len(p.open)-1]
	text := strings.TrimSpace(p.text.String())
	p.text.Reset()
	switch {
	case name == "response":
		if p.now.path == "" {
			return nil // no href, or one that is no path: of no name below us
		}
		return p.fn(p.now)
	case text != "":
		p.set(name, text)
	}
	return nil
}

// set takes one property.
func (p *parser) set(name, text string) {
	switch name {
	case "href":
		if path, ok := hrefPath(text); ok && p.parent() == "response" {
			p.now.path = path
		}
	case "status":
		p.now.failed = p.parent() == "response" && !strings.Contains(text, " 2")
	case "getcontentlength":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
			p.now.size = n
		}
	case "getlastmodified":
		if t, err := http.ParseTime(text); err == nil {
			p.now.time = t
		}
	case "getetag":
		p.now.etag = text
	}
}

func (p *parser) parent() string {
	if len(p.open) == 0 {
		return ""
	}
	return p.open[len(p.open)-1]
}

// end checks that the answer was whole.
func (p *parser) end() error {
	if !p.seen || len(p.open) > 0 {
		return fmt.Errorf("%w: it ends early", errForeign)
	}
	return nil
}
