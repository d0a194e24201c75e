package webdav

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const apacheAnswer = `<?xml version="1.0" encoding="utf-8"?>
<D:multistatus xmlns:D="DAV:" xmlns:ns0="DAV:">
<D:response xmlns:lp1="DAV:" xmlns:g0="DAV:">
<D:href>/sstate/ab/</D:href>
<D:propstat><D:prop>
<lp1:getlastmodified>Sat, 21 Nov 2026 09:01:21 GMT</lp1:getlastmodified>
<lp1:resourcetype><D:collection/></lp1:resourcetype>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
<D:propstat><D:prop><g0:getcontentlength/></D:prop><D:status>HTTP/1.1 404 Not Found</D:status></D:propstat>
</D:response>
<D:response>
<D:href>http://host/sstate/ab/sstate%3ax&amp;y</D:href>
<D:propstat><D:prop><lp1:getcontentlength>12</lp1:getcontentlength><lp1:getetag>"e"</lp1:getetag><lp1:resourcetype/>
</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>
</D:response>
<D:response><D:href>/sstate/ab/denied</D:href><D:status>HTTP/1.1 403 Forbidden</D:status></D:response>
<D:response><D:href>%zz</D:href></D:response>
</D:multistatus>
`

func parse(body io.Reader, fn func(entry) error) error { return new(parser).parse(body, fn) }

func TestMultistatus(t *testing.T) {
	var got []entry
	err := parse(strings.NewReader(apacheAnswer), func(e entry) error {
		got = append(got, e)
		return nil
	})
	if err != nil || len(got) != 3 {
		t.Fatalf("parseMultistatus = %+v, %v, want 3 entries", got, err)
	}
	if e := got[0]; e.path != "/sstate/ab/" || !e.folder || e.size != -1 || e.time.Second() != 21 {
		t.Errorf("folder = %+v", e)
	}
	if e := got[1]; e.path != "/sstate/ab/sstate:x&y" || e.folder || e.size != 12 || e.etag != `"e"` || e.failed {
		t.Errorf("file = %+v", e)
	}
	if !got[2].failed {
		t.Errorf("denied = %+v, want failed", got[2])
	}
}

// What is no whole multistatus is an error, wherever it ends.
func TestForeignAnswers(t *testing.T) {
	ignore := func(entry) error { return nil }
	whole := strings.TrimSpace(apacheAnswer)
	for n := range len(whole) {
		if err := parse(strings.NewReader(whole[:n]), ignore); err == nil {
			t.Fatalf("an answer that ends after %d bytes is taken for whole", n)
		}
	}
	for text, want := range map[string]error{
		"":                                   errForeign,
		"<html><body>log in":                 errForeign,
		"<multistatus><a></b></multistatus>": errForeign,
		"<multistatus>" + strings.Repeat("x", 1<<20):                errForeign,
		strings.Repeat("<multistatus>", 1000):                       errForeign,
		"<!DOCTYPE html><multistatus/>":                             errForeign,
		`<?xml version="1.0" encoding="ISO-8859-1"?><multistatus/>`: errForeign,
		"\xff\xfe<\x00m\x00>\x00":                                   errForeign,
		`{"error": "not XML"}`:                                      errForeign,
		"<multistatus><response><href>/&x;</href>":                  errForeign,
		"<multistatus/><multistatus/>":                              errForeign,
		whole + "Internal Server Error":                             errCut,
		strings.TrimSuffix(whole, "</D:multistatus>"):               errCut,
		strings.TrimSuffix(whole, "ultistatus>"):                    errCut,
	} {
		if err := parse(strings.NewReader(text), ignore); !errors.Is(err, want) {
			t.Errorf("parse(%.60q) = %v, want %v", text, err, want)
		}
	}
	own := errors.New("enough")
	if err := parse(strings.NewReader(whole), func(entry) error { return own }); err != own { //nolint:errorlint // the very error
		t.Errorf("parseMultistatus = %v, want %v", err, own)
	}
}

func TestRelative(t *testing.T) {
	tests := []struct {
		asked string
		paths []string
		want  []string // "-" is another place's
	}{
		{"", []string{"/base/", "/base/ab/", "/base/x", "/basement/y", "/"}, []string{"", "ab", "x", "-", "-"}},
		{"", []string{"/base", "/base/ab"}, []string{"", "ab"}},
		{"ab/", []string{"/base/ab", "/base/ab/cd/"}, []string{"ab", "ab/cd"}},
		{"ab/", []string{"/dav/ab/", "/dav/ab/cd/", "/dav/abc", "/base/ab/x"}, []string{"ab", "ab/cd", "-", "-"}}, // behind a proxy
	}
	for _, test := range tests {
		r := relative{root: "/base/", asked: test.asked}
		for i, path := range test.paths {
			got, ok := r.path(entry{path: path})
			if !ok {
				got = "-"
			}
			if got != test.want[i] {
				t.Errorf("%q of %q is %q, want %q", path, test.asked, got, test.want[i])
			}
		}
	}
}

func TestLearnedLine(t *testing.T) {
	for _, k := range []known{
		{touch: touchNever}, {mirror: true, touch: touchNever},
		{asked: true, deep: true, whole: true, conditional: true, ifs: true, touch: touchCopy},
		{asked: true, exclusive: true, timeHeader: true, fileDelete: true, paths: true, folderTimes: true, touch: touchPut},
	} {
		got, mark, ok := parseLearned(k.line("0123456789abcdef"))
		if !ok || got != k || mark != "0123456789abcdef" {
			t.Errorf("parseLearned(%q) = %+v, %q, %t", k.line("0123456789abcdef"), got, mark, ok)
		}
	}
}

func FuzzLearned(f *testing.F) {
	f.Add("webdav1 0123456789abcdef -daxt u")
	f.Add("webdav0 x - c")
	f.Fuzz(func(t *testing.T, line string) {
		if k, mark, ok := parseLearned(line); ok && k.line(mark) != line {
			t.Errorf("%q is taken for %q", line, k.line(mark))
		}
	})
}

// A connection that breaks off in the middle is a listing to be asked for
// again.
func TestBrokenMultistatus(t *testing.T) {
	half := io.MultiReader(strings.NewReader(apacheAnswer[:len(apacheAnswer)/2]), iotest.ErrReader(io.ErrUnexpectedEOF))
	if err := parse(half, func(entry) error { return nil }); !errors.Is(err, errCut) {
		t.Errorf("parseMultistatus = %v, want %v", err, errCut)
	}
}
