package markup

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// walk gives all tags with the texts before them.
func walk(s *Scanner, in io.Reader) (all []string, err error) {
	s.Reset(in)
	for {
		kind, err := s.Next()
		if err != nil && !errors.Is(err, io.EOF) {
			return all, err
		}
		text, textErr := s.Text()
		if textErr != nil {
			return all, textErr
		}
		switch {
		case err != nil:
			return append(all, string(text)), nil
		case kind == Begin:
			all = append(all, string(text)+"<"+string(s.Name()))
		default:
			all = append(all, string(text)+">")
		}
	}
}

func TestScanner(t *testing.T) {
	for text, want := range map[string][]string{
		"\ufeff<?xml version='1.0' encoding=\"UTF-8\" ?>\n<a:b c='>' d=\"'>\"\n>x<e/>y</a:b > z": {"\n<b", "x<e", ">", "y>", " z"},
		"<a>&lt;&#x41;&#65;&amp;amp;\r\n<![CDATA[<&amp;]\r]]><!-- <b> --></a>":                   {"<a", "<AA&amp;\n<&amp;]\n>", ""},
		"<a><!-->--><?p <b> ?></a>": {"<a", ">", ""},
		"":                          {""},
		"no tag":                    {"no tag"},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(text), "in bytes": iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := walk(&Scanner{}, in); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q is %q, %v, want %q", name, text, got, err, want)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	own := errors.New("own")
	var s Scanner
	for text, want := range map[string]error{
		"<a>":                              io.ErrUnexpectedEOF,
		"<a></a":                           io.ErrUnexpectedEOF,
		"<a b='>":                          io.ErrUnexpectedEOF,
		"<a><![CDATA[x":                    io.ErrUnexpectedEOF,
		"<":                                io.ErrUnexpectedEOF,
		"<a></b>":                          ErrSyntax,
		"<a:b></c:b>":                      ErrSyntax,
		"</a>":                             ErrSyntax,
		"<>":                               ErrSyntax,
		"< a/>":                            ErrSyntax,
		"<a>&nbsp;</a>":                    ErrSyntax,
		"<a>&#x;</a>":                      ErrSyntax,
		"<a>&amp</a>":                      ErrSyntax,
		"<!DOCTYPE a>":                     ErrSyntax,
		"\xff\xfe<\x00":                    ErrSyntax,
		"\x00<\x00a":                       ErrSyntax,
		"<?xml encoding='latin1'?><a/>":    ErrSyntax,
		"<a>" + strings.Repeat("x", Limit): ErrSyntax,
		"<a " + strings.Repeat("x", Limit): ErrSyntax,
		strings.Repeat("<a>", maxDepth+1):  ErrSyntax,
	} {
		if _, err := walk(&s, strings.NewReader(text)); !errors.Is(err, want) {
			t.Errorf("%.40q is %v, want %v", text, err, want)
		}
	}
	if _, err := walk(&s, io.MultiReader(strings.NewReader("<a>"), iotest.ErrReader(own))); !errors.Is(err, own) {
		t.Errorf("a reader that fails is %v, want %v", err, own)
	}
	if len(s.buf) > Limit {
		t.Errorf("the scanner keeps %d bytes, want at most %d", len(s.buf), Limit)
	}
}

// FuzzScanner: no text makes it panic or read differently in pieces, and every
// name that XML can hold comes out as it went in.
func FuzzScanner(f *testing.F) {
	f.Add("<a><b/>x</a>", "a<&>'\"%41+\t")
	f.Add("<?xml version='1.0'?><!-- x --><a b='>'><![CDATA[x]]>&#65;</a>", "ab/cd")
	f.Add("<a "+strings.Repeat("x", 3*Limit)+"/>", "..")
	f.Add(strings.Repeat("<a>", 3*maxDepth), "\x1b[2J")
	f.Fuzz(func(t *testing.T, text, name string) {
		var bounded Scanner
		begun := time.Now()
		whole, err := walk(&bounded, strings.NewReader(text))
		if took := time.Since(begun); took > 20*time.Second || len(bounded.buf) > Limit || bounded.Depth() > maxDepth {
			t.Errorf("%v, %d bytes kept, depth %d", took, len(bounded.buf), bounded.Depth())
		}
		pieces, errPieces := walk(&Scanner{}, iotest.OneByteReader(strings.NewReader(text)))
		if !slices.Equal(whole, pieces) || fmt.Sprint(err) != fmt.Sprint(errPieces) {
			t.Errorf("%q is %q, %v, in pieces %q, %v", text, whole, err, pieces, errPieces)
		}
		if !utf8.ValidString(name) || len(name) > 1024 {
			return
		}
		var escaped strings.Builder
		if err := xml.EscapeText(&escaped, []byte(name)); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsRune(escaped.String(), utf8.RuneError) {
			return // not of XML
		}
		got, err := walk(&Scanner{}, strings.NewReader("<a>"+escaped.String()+"</a>"))
		if err != nil || got[1] != name+">" {
			t.Errorf("%q is read as %q, %v", name, got, err)
		}
	})
}
