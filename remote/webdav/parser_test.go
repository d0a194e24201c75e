package webdav

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// slowly reads a multistatus with encoding/xml, as the parser ought to.
func slowly(body io.Reader) (all []entry, err error) {
	decoder := xml.NewDecoder(body)
	var open []string
	var now, props entry
	var refused, seen bool
	text := ""
	in := func(name string) bool { return len(open) > 0 && open[len(open)-1] == name }
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && seen && len(open) == 0 {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch tag := token.(type) {
		case xml.StartElement:
			name := tag.Name.Local
			switch {
			case len(open) == 0 && (seen || name != "multistatus"):
				return nil, errForeign
			case name == "response":
				now = entry{size: -1}
			case name == "propstat":
				props, refused = entry{size: -1}, false
			case name == "collection" && in("resourcetype"):
				props.folder = true
			}
			seen, text = true, ""
			open = append(open, name)
		case xml.CharData:
			if len(open) == 0 && seen && strings.TrimSpace(string(tag)) != "" {
				return nil, errCut
			}
			text += string(tag)
		case xml.EndElement:
			open = open[:len(open)-1]
			text = strings.TrimSpace(text)
			switch name := tag.Name.Local; {
			case name == "propstat" && in("response") && !refused:
				now.folder = now.folder || props.folder
				if props.size >= 0 {
					now.size = props.size
				}
				if !props.time.IsZero() {
					now.time = props.time
				}
				if props.etag != "" {
					now.etag = props.etag
				}
			case name == "response" && in("multistatus") && now.path != "":
				all = append(all, now)
			case text == "":
			case name == "href" && in("response"):
				if path, ok := slowPath(text); ok {
					now.path = path
				}
			case name == "status" && in("response"):
				now.failed = !isGood([]byte(text))
			case name == "status" && in("propstat"):
				refused = !isGood([]byte(text))
			case name == "getcontentlength" && in("prop"):
				if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
					props.size = n
				}
			case name == "getlastmodified" && in("prop"):
				if t, err := http.ParseTime(text); err == nil {
					props.time = t
				}
			case name == "getetag" && in("prop"):
				props.etag = text
			}
			text = ""
		}
	}
}

func slowPath(href string) (string, bool) {
	if i := strings.Index(href, "://"); i > 0 && !strings.HasPrefix(href, "/") {
		slash := strings.IndexByte(href[i+3:], '/')
		if slash < 0 {
			return "/", true
		}
		href = href[i+3+slash:]
	}
	decoded, err := url.PathUnescape(href)
	return decoded, err == nil && strings.HasPrefix(decoded, "/")
}

// samples are answers in many manners.
var samples = []string{
	apacheAnswer,
	strings.ReplaceAll(apacheAnswer, "\n", "\r\n"),
	strings.ReplaceAll(strings.ReplaceAll(apacheAnswer, "D:", ""), "lp1:", ""),
	"\ufeff" + apacheAnswer,
	`<multistatus/>`,
	`<multistatus><response><href>/a</href><status>HTTP/1.1 404</status></response></multistatus>`,
	`<a:multistatus xmlns:a='DAV:' x=">" y='">'><!-- <response> --><a:response><a:propstat><a:status>HTTP/1.1 200 OK</a:status><a:prop>` +
		`<a:getcontentlength> 7 </a:getcontentlength><a:resourcetype/><a:getetag>W/&quot;x&#x41;&#65;&quot;</a:getetag></a:prop></a:propstat>` +
		`<a:href><![CDATA[/a&b%2B]]>%c3%A4</a:href></a:response></a:multistatus >`,
	`<multistatus><response><href>/a/%E4%zz</href></response><response><href>https://h:8/a%2fb?x</href><propstat><prop><getcontentlength>-1` +
		`</getcontentlength><getlastmodified>Saturday, 21-Nov-26 09:01:21 GMT</getlastmodified></prop></propstat></response></multistatus>`,
	`<multistatus><response><href>/a</href><propstat><prop><getcontentlength>1</getcontentlength><resourcetype><collection/></resourcetype></prop>` +
		`<status>HTTP/1.1 404 Not Found</status></propstat><propstat><prop><getlastmodified>Sun, 29 Feb 2026 09:01:21 GMT</getlastmodified>` +
		`</prop><status>HTTP/2 207 x</status></propstat></response></multistatus>`,
	`<multistatus><sync><response><href>/x</href></response></sync><response><href>x<b>/y</b>/z<?pi <?></href></response></multistatus>`,
}

// compare reads text in both ways, here in pieces that end anywhere.
func compare(t *testing.T, text string) {
	t.Helper()
	want, wantErr := slowly(strings.NewReader(text))
	for name, body := range map[string]io.Reader{
		"whole": strings.NewReader(text), "in bytes": iotest.OneByteReader(strings.NewReader(text)),
	} {
		var got []entry
		err := parse(body, func(e entry) error { got = append(got, e); return nil })
		switch {
		case wantErr == nil && err == nil:
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: parse(%q) = %+v, want %+v", name, text, got, want)
			}
		case wantErr == nil && !strings.Contains(err.Error(), "encoding") && !strings.Contains(err.Error(), "document type"):
			t.Errorf("%s: parse(%q) = %v, want %+v", name, text, err, want)
		case errors.Is(wantErr, io.ErrUnexpectedEOF), wantErr != nil && strings.Contains(wantErr.Error(), "unexpected EOF"):
			if err == nil {
				t.Errorf("%s: parse(%q) takes for whole what is cut", name, text)
			}
		}
	}
}

func TestParserIsRight(t *testing.T) {
	for _, text := range samples {
		if _, err := slowly(strings.NewReader(text)); err != nil {
			t.Errorf("%q is no sample: %v", text, err)
		}
		compare(t, text)
	}
}

// FuzzMultistatus: what encoding/xml takes for a multistatus the parser reads
// as that does, and what that takes for cut is cut.
func FuzzMultistatus(f *testing.F) {
	for _, text := range samples {
		f.Add(text)
		f.Add(text[:len(text)/2])
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < 4<<10 {
			compare(t, text)
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{
		"Sat, 21 Nov 2026 09:01:21 GMT", "sat, 21 NOV 2026 09:01:21 GMT", "Sun, 31 Feb 2026 23:59:60 GMT",
		"Sat, 00 Jan 0000 00:00:00 GMT", "Saturday, 21-Nov-26 09:01:21 GMT", "Sat Nov 21 09:01:21 2026",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := http.ParseTime(text)
		if got, ok := parseTime([]byte(text)); ok != (err == nil) || ok && !got.Equal(want) {
			t.Errorf("parseTime(%q) = %v, %t, want %v, %v", text, got, ok, want, err)
		}
	})
}

// BenchmarkParse reads the answer for a folder of a thousand objects.
func BenchmarkParse(b *testing.B) {
	const objects = 1000
	var text strings.Builder
	text.WriteString(`<?xml version="1.0" encoding="utf-8"?>` + "\n" + `<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">` + "\n")
	for i := range objects {
		fmt.Fprintf(&text, `<D:response xmlns:lp1="DAV:" xmlns:lp2="http://apache.org/dav/props/">
<D:href>/sstate/ab/cd/sstate%%3azlib%%3acore2-64-poky-linux%%3a1.3.1%%3ar0%%3acore2-64%%3a14%%3a%064x_populate_sysroot.tar.zst</D:href>
<D:propstat>
<D:prop>
<lp1:resourcetype/>
<lp1:getcontentlength>%d</lp1:getcontentlength>
<lp1:getlastmodified>Sat, 21 Nov 2026 09:01:21 GMT</lp1:getlastmodified>
</D:prop>
<D:status>HTTP/1.1 200 OK</D:status>
</D:propstat>
</D:response>
`, i, i*1000)
	}
	text.WriteString("</D:multistatus>\n")
	own := &parser{}
	for name, read := range map[string]func(io.Reader) int{
		"own": func(body io.Reader) (n int) {
			if err := own.parse(body, func(entry) error { n++; return nil }); err != nil {
				b.Fatal(err)
			}
			return n
		},
		"encoding-xml": func(body io.Reader) int {
			all, err := slowly(body)
			if err != nil {
				b.Fatal(err)
			}
			return len(all)
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(text.Len()))
			begun := time.Now()
			for b.Loop() {
				if n := read(strings.NewReader(text.String())); n != objects {
					b.Fatalf("%d entries", n)
				}
			}
			b.ReportMetric(float64(time.Since(begun).Nanoseconds())/float64(b.N*objects), "ns/object")
		})
	}
}
