package proxy

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Entries of listings, of S3 and of WebDAV with any prefix. The prefixes of a
// start and an end are the same, since elements of a response are no responses.
var (
	entry  = regexp.MustCompile(`(?s)<Contents>.*?</Contents>|<(?:\w+:)?response[ >].*?</(?:\w+:)?response>`)
	object = regexp.MustCompile(`sstate(?::|%3[aA])`) // in a name, escaped or not
)

// Times in listings.
var (
	isoTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z`)
	httpTime = regexp.MustCompile(`[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT`)
)

// retell changes what an answer says, if the fault is one of answers.
func retell(resp *http.Response, f Fault) {
	switch f.kind {
	case repeat:
		rewrite(resp, func(text []byte) []byte { return eachObject(text, 2) })
	case omit:
		rewrite(resp, func(text []byte) []byte { return eachObject(text, 0) })
	case skew:
		for _, values := range resp.Header {
			for i, v := range values {
				values[i] = string(shift(httpTime, http.TimeFormat, []byte(v), f.time))
			}
		}
		if isXML(resp) {
			rewrite(resp, func(text []byte) []byte {
				return shift(httpTime, http.TimeFormat, shift(isoTime, time.RFC3339Nano, text, f.time), f.time)
			})
		}
	}
}

func isXML(resp *http.Response) bool {
	return bytes.Contains([]byte(resp.Header.Get("Content-Type")), []byte("xml"))
}

// rewrite changes a body as a whole. One that ends early becomes empty.
func rewrite(resp *http.Response, change func([]byte) []byte) {
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	text = change(text)
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if resp.Header.Get("Content-Length") != "" {
		resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	}
}

// eachObject lets each object of a listing come so many times.
func eachObject(listing []byte, times int) []byte {
	return entry.ReplaceAllFunc(listing, func(e []byte) []byte {
		if !object.Match(e) {
			return e
		}
		return bytes.Repeat(e, times)
	})
}

// shift moves all times of a form.
func shift(form *regexp.Regexp, layout string, text []byte, by time.Duration) []byte {
	return form.ReplaceAllFunc(text, func(was []byte) []byte {
		t, err := time.Parse(layout, string(was))
		if err != nil {
			return was
		}
		return []byte(t.Add(by).UTC().Format(layout))
	})
}
