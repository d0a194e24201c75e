package s3

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// slowPage reads a listing with encoding/xml.
func slowPage(text string) (*page, error) {
	var in struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string
		Contents              []struct {
			Key          string
			Size         int64
			LastModified time.Time
		}
		CommonPrefixes []struct{ Prefix string }
	}
	if err := xml.Unmarshal([]byte(text), &in); err != nil {
		return nil, err
	}
	p := &page{truncated: in.IsTruncated, next: in.NextContinuationToken}
	for _, c := range in.Contents {
		p.entries = append(p.entries, entry{c.Key, c.Size, c.LastModified.Truncate(time.Second)})
	}
	for _, c := range in.CommonPrefixes {
		p.prefixes = append(p.prefixes, c.Prefix)
	}
	return p, nil
}

// samples are in the manner of the servers.
var samples = []string{
	`<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><KeyCount>2</KeyCount>` +
		`<MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b&lt;</NextContinuationToken>` +
		`<Contents><Key>a/x&#39;&quot;&#x26;&lt;&gt; +%41</Key><LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&#34;x&#34;</ETag>` +
		`<Size>7</Size><Owner><ID>1</ID><DisplayName>Key</DisplayName></Owner><StorageClass>STANDARD</StorageClass></Contents>` +
		`<Contents><Key>b</Key><Size>0</Size><LastModified>2026-01-02T03:04:05Z</LastModified><Tags/></Contents>` +
		`<CommonPrefixes><Prefix>ab/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>cd/</Prefix></CommonPrefixes></ListBucketResult>`,
	"<ListBucketResult>\n  <IsTruncated>false</IsTruncated>\n  <!-- none --> <Contents>\n <Key><![CDATA[a<b&c]]></Key>\n" +
		"<Size>1</Size><LastModified>2026-01-02T03:04:05+01:00</LastModified></Contents>\n</ListBucketResult>\n",
	"<ListBucketResult/>",
}

func TestParsePage(t *testing.T) {
	for _, text := range samples {
		want, err := slowPage(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := parsePage(strings.NewReader(text))
		if err != nil {
			t.Errorf("parsePage(%q) = %v", text, err)
			continue
		}
		if fmt.Sprint(*got) != fmt.Sprint(*want) {
			t.Errorf("parsePage(%q) = %+v, want %+v", text, got, want)
		}
	}
}

// TestParseControl: AWS writes control characters as references that XML 1.0
// forbids.
func TestParseControl(t *testing.T) {
	p, err := parsePage(strings.NewReader("<ListBucketResult><Contents><Key>a&#x1;b&#13;</Key></Contents></ListBucketResult>"))
	if err != nil || len(p.entries) != 1 || p.entries[0].name != "a\x01b\r" {
		t.Errorf("parsePage = %+v, %v", p, err)
	}
}

// FuzzParsePage: no text makes it panic, and every name that XML can hold comes
// out as it went in.
func FuzzParsePage(f *testing.F) {
	for _, text := range samples {
		f.Add(text, "a/b")
		f.Add(text[:len(text)/2], "a<&>'\"%41+\t")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		_, _ = parsePage(strings.NewReader(text))
		if !utf8.ValidString(name) || !fitsXML(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(name)) {
			return
		}
		var escaped strings.Builder
		if err := xml.EscapeText(&escaped, []byte(name)); err != nil {
			t.Fatal(err)
		}
		p, err := parsePage(strings.NewReader("<ListBucketResult><Contents><Size>1</Size><Key>" + escaped.String() + "</Key></Contents></ListBucketResult>"))
		if err != nil || len(p.entries) != 1 || p.entries[0].name != name {
			t.Errorf("parsePage with %q = %+v, %v", name, p, err)
		}
	})
}

func BenchmarkParsePage(b *testing.B) {
	var text strings.Builder
	text.WriteString("<ListBucketResult><IsTruncated>false</IsTruncated>")
	for i := range 1000 {
		fmt.Fprintf(&text, "<Contents><Key>ab/cd/sstate:zlib:core2-64-poky-linux:1.3.1:r0:core2-64:14:%064x_populate_sysroot.tar.zst</Key>"+
			"<LastModified>2026-01-02T03:04:05.678Z</LastModified><ETag>&#34;d41d8cd98f00b204e9800998ecf8427e&#34;</ETag><Size>7</Size>"+
			"<StorageClass>STANDARD</StorageClass></Contents>", i)
	}
	text.WriteString("</ListBucketResult>")
	for name, read := range map[string]func(string) (*page, error){
		"own": func(s string) (*page, error) { return parsePage(strings.NewReader(s)) }, "encoding-xml": slowPage,
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if p, err := read(text.String()); err != nil || len(p.entries) != 1000 {
					b.Fatal(err)
				}
			}
		})
	}
}
