package webdav

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"sstatefs/remote/markup"
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

var (
	// errForeign marks a body that is no multistatus.
	errForeign = errors.New("the answer is not a multistatus")
	// errCut marks a multistatus that the server gave up in the middle: it is
	// asked for again. Apache and most others just end it. net/webdav of Go
	// (rclone), when a name vanishes while it is read, closes all elements, as if
	// that were all, and then writes what status it would have given.
	errCut = errors.New("the server gave up its listing")
)

// An element is one that is of interest, by its name. No namespace but DAV: has
// such names in the answer to what we ask for.
type element byte

const (
	otherElement element = iota
	multistatusElement
	responseElement
	hrefElement
	propstatElement
	propElement
	statusElement
	typeElement
	collectionElement
	lengthElement
	timeElement
	etagElement
)

func elementOf(name []byte) element {
	switch string(name) {
	case "multistatus":
		return multistatusElement
	case "response":
		return responseElement
	case "href":
		return hrefElement
	case "propstat":
		return propstatElement
	case "prop":
		return propElement
	case "status":
		return statusElement
	case "resourcetype":
		return typeElement
	case "collection":
		return collectionElement
	case "getcontentlength":
		return lengthElement
	case "getlastmodified":
		return timeElement
	case "getetag":
		return etagElement
	}
	return otherElement
}

// A parser reads one multistatus after the other.
type parser struct {
	scanner markup.Scanner
	fn      func(entry) error
	open    []element // around
	seen    bool      // the root element
	now     entry
	props   propstat
	path    []byte // room for a path that is decoded
}

// A propstat is some properties and their status, which stands behind them. One
// for those that the server does not have holds them empty.
type propstat struct {
	entry   // folder, size, time, etag
	refused bool
}

// parse calls fn for every response of a multistatus, in order and while it
// arrives.
func (p *parser) parse(body io.Reader, fn func(entry) error) error {
	p.scanner.Reset(body)
	p.fn, p.open, p.seen = fn, p.open[:0], false
	defer func() {
		p.scanner.Reset(nil) // the memory stays, the answer does not
		p.fn, p.now, p.props = nil, entry{}, propstat{}
	}()
	for {
		kind, err := p.scanner.Next()
		switch {
		case errors.Is(err, io.EOF):
			return p.end()
		case err == nil && kind == markup.Begin:
			err = p.begin(elementOf(p.scanner.Name()))
		case err == nil:
			err = p.close()
		}
		switch {
		case errors.Is(err, markup.ErrSyntax):
			return fmt.Errorf("%w: %w", errForeign, err)
		case errors.Is(err, io.ErrUnexpectedEOF) && p.seen:
			return fmt.Errorf("%w: %w", errCut, err)
		case errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: %w", errForeign, err)
		case err != nil:
			return err
		}
	}
}

func (p *parser) begin(e element) error {
	switch {
	case len(p.open) == 0 && p.seen:
		return fmt.Errorf("%w: it goes on behind its end", errForeign)
	case !p.seen && e != multistatusElement:
		return fmt.Errorf("%w: it begins with <%.40q>", errForeign, p.scanner.Name())
	}
	switch e {
	case responseElement:
		p.now = entry{size: -1}
	case propstatElement:
		p.props = propstat{entry: entry{size: -1}}
	case collectionElement:
		if p.isIn(typeElement) {
			p.props.folder = true
		}
	}
	p.seen = true
	p.open = append(p.open, e)
	return nil
}

// isIn tells what the innermost element is.
func (p *parser) isIn(e element) bool { return len(p.open) > 0 && p.open[len(p.open)-1] == e }

func (p *parser) close() error {
	last := len(p.open) - 1
	e := p.open[last]
	p.open = p.open[:last]
	switch e {
	case otherElement, multistatusElement, propElement, typeElement, collectionElement:
		return nil
	case propstatElement:
		p.merge()
		return nil
	case responseElement:
		if p.now.path == "" || !p.isIn(multistatusElement) {
			return nil // no href, or one that is no path: of no name below us
		}
		return p.fn(p.now)
	}
	text, err := p.scanner.Text()
	if err != nil {
		return err
	}
	if text = bytes.TrimSpace(text); len(text) > 0 {
		p.set(e, text)
	}
	return nil
}

// set takes the text of an element.
func (p *parser) set(e element, text []byte) {
	switch {
	case e == hrefElement && p.isIn(responseElement):
		var ok bool
		var path string
		if path, p.path, ok = hrefPath(text, p.path); ok {
			p.now.path = path
		}
	case e == statusElement && p.isIn(responseElement):
		p.now.failed = !isGood(text)
	case e == statusElement && p.isIn(propstatElement):
		p.props.refused = !isGood(text)
	case !p.isIn(propElement):
	case e == lengthElement:
		if n, ok := parseLength(text); ok {
			p.props.size = n
		}
	case e == timeElement:
		if t, ok := parseTime(text); ok {
			p.props.time = t
		}
	case e == etagElement:
		p.props.etag = string(text)
	}
}

// merge takes over what one propstat says, unless that is what there is not.
func (p *parser) merge() {
	if p.props.refused || !p.isIn(responseElement) {
		return
	}
	p.now.folder = p.now.folder || p.props.folder
	if p.props.size >= 0 {
		p.now.size = p.props.size
	}
	if !p.props.time.IsZero() {
		p.now.time = p.props.time
	}
	if p.props.etag != "" {
		p.now.etag = p.props.etag
	}
}

// end checks that nothing stands behind the answer.
func (p *parser) end() error {
	text, err := p.scanner.Text()
	switch text = bytes.TrimSpace(text); {
	case !p.seen:
		return fmt.Errorf("%w: it holds no element", errForeign)
	case err != nil || len(text) > 0:
		return fmt.Errorf("%w: %.40q", errCut, text)
	}
	return nil
}
