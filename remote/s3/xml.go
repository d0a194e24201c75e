package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"sstatefs/remote/markup"
)

// errXML is an answer that is no listing.
var errXML = errors.New("the answer is no listing")

// parsePage reads the answer to ListObjectsV2 while it comes. It copies what it
// keeps.
func parsePage(answer io.Reader) (*page, error) {
	r := pageReader{page: &page{}}
	r.in.Reset(answer)
	for {
		kind, err := r.in.Next()
		switch {
		case err == io.EOF && r.begun: //nolint:errorlint // what wraps it is a connection that broke
			return r.page, nil
		case err == io.EOF:
			return nil, fmt.Errorf("%w: it is empty", errXML)
		case err == nil && kind == markup.Begin:
			err = r.begin()
		case err == nil:
			err = r.close()
		}
		switch {
		case errors.Is(err, markup.ErrSyntax):
			return nil, fmt.Errorf("%w: %w", errXML, err)
		case err == io.ErrUnexpectedEOF: //nolint:errorlint // the scanner's own
			return nil, fmt.Errorf("%w: it is cut off", errXML)
		case err != nil:
			return nil, err
		}
	}
}

// A pageReader takes the few elements that are of interest.
type pageReader struct {
	in     markup.Scanner
	begun  bool
	around place // in the listing
	now    entry
	page   *page
}

// A place is an element of the listing that has others in it.
type place byte

const (
	elsewhere place = iota
	inObject
	inPrefix
)

// Depths of what is inside the listing, and inside an element of it.
const (
	outerDepth = 1
	innerDepth = 2
)

func (r *pageReader) begin() error {
	name := r.in.Name()
	switch {
	case !r.begun && string(name) != "ListBucketResult":
		return fmt.Errorf("%w: it begins with %q", errXML, oneLine(string(name)))
	case r.begun && r.in.Depth() == outerDepth:
		return fmt.Errorf("%w: it goes on behind its end", errXML)
	case r.in.Depth() != outerDepth+1:
	case string(name) == "Contents":
		r.around = inObject
	case string(name) == "CommonPrefixes":
		r.around = inPrefix
	default:
		r.around = elsewhere
	}
	r.begun = true
	return nil
}

// close takes an element at its end.
func (r *pageReader) close() error {
	name := r.in.Name()
	switch depth := r.in.Depth(); {
	case depth == outerDepth && string(name) == "Contents":
		r.page.entries = append(r.page.entries, r.now)
		r.now = entry{}
	case depth == outerDepth && (string(name) == "IsTruncated" || string(name) == "NextContinuationToken"),
		depth == innerDepth && r.isWanted(name):
		text, err := r.in.Text()
		if err == nil {
			err = r.take(name, text)
		}
		return err
	}
	return nil
}

// isWanted tells whether an element is of interest in the one around it.
func (r *pageReader) isWanted(name []byte) bool {
	switch string(name) {
	case "Key", "Size", "LastModified":
		return r.around == inObject
	case "Prefix":
		return r.around == inPrefix
	}
	return false
}

// take takes the text of an element.
func (r *pageReader) take(name, text []byte) (err error) {
	switch string(name) {
	case "IsTruncated":
		r.page.truncated = string(bytes.TrimSpace(text)) == "true"
	case "NextContinuationToken":
		r.page.next = string(text)
	case "Key":
		r.now.name = string(text)
	case "Size":
		r.now.size, err = strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	case "LastModified":
		r.now.time, err = parseTime(string(bytes.TrimSpace(text)))
	case "Prefix":
		r.page.prefixes = append(r.page.prefixes, string(text))
	}
	if err != nil {
		return fmt.Errorf("%w: %s %q", errXML, name, oneLine(string(text)))
	}
	return nil
}

// parseTime reads a time and leaves whole seconds, which is what the head of an
// object has.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.Truncate(time.Second), err
}
