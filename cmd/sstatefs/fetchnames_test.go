package main

import (
	"strings"
	"testing"

	"sstatefs/ctl/upkeep"
)

// Names of objects come in every form that this program prints them.
func TestNameReaderUnderstands(t *testing.T) {
	base := "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:abcd" + strings.Repeat("0", 60) + "_package.tar.zst"
	key := "ab/cd/" + base
	for line, want := range map[string]string{
		key:                         key,
		"  " + key + " ":            key,
		"./" + key:                  key,
		"/srv/sstate/" + key:        key,
		base:                        key,
		"   3h     1.2 MiB  " + key: key,
		"universal/" + key:          "universal/" + key,
		"nonsense":                  "nonsense", // counted as absent
		"":                          "",
		"   ":                       "",
		`{"event":"fetch","key":"` + key + `","bytes":3}`:       key,
		`{"key":"` + key + `","size":3}`:                        key,
		`{"event":"publish","time":"x","key":"` + key + `"}`:    key,
		`{"event":"remove","key":"` + key + `"}`:                "",
		`{"event":"trim","count":3}`:                            "",
		`{"event":"remote","state":"ok"}`:                       "",
		`{"event":"miss","key":"` + key + `"}`:                  "",
		`{"key":`:                                               "",
		"sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:x_": "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:x_",
	} {
		r := &nameReader{mountpoint: "/srv/sstate"}
		if got, ok := r.key(line); got != want && ok || ok != (want != "") {
			t.Errorf("key(%q) = %q, %v, want %q", line, got, ok, want)
		}
	}
	r := &nameReader{filter: upkeep.Filter{PN: []string{"acl"}}}
	if got, ok := r.key(key); ok {
		t.Errorf("key() = %q of another recipe than the filter's", got)
	}
}

func TestNameReaderReadsToTheEnd(t *testing.T) {
	names := make(chan string, 10)
	r := &nameReader{}
	if err := r.read(t.Context(), strings.NewReader("a\n\nb"), names); err != nil {
		t.Fatal(err)
	}
	if close(names); len(names) != 2 {
		t.Errorf("%d names, want 2", len(names))
	}
	if err := r.read(t.Context(), strings.NewReader(strings.Repeat("x", 2*nameLimit)), make(chan string, 1)); err == nil {
		t.Error("a line without end is no error")
	}
}
