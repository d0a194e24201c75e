package webdav

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	tests := []struct{ address, base, user, key, want string }{
		{"http://host", "http://host", "", "ab/x", "http://host/ab/x"},
		{"https://me@host:8443/a/b/", "https://host:8443/a/b", "me", "ab/x", "https://host:8443/a/b/ab/x"},
		{"http://host//a/./b/../c", "http://host/a/c", "", "x", "http://host/a/c/x"},
		{"http://host/a%20b%2Fc", "http://host/a%20b%2Fc", "", "d e", "http://host/a%20b%2Fc/d%20e"},
		{"http://m%40x@host/%C3%A4", "http://host/%C3%A4", "m@x", "%41?#;+~:", "http://host/%C3%A4/%2541%3F%23%3B+~:"},
	}
	for _, test := range tests {
		at, user, err := parseAddress(test.address)
		if err != nil || at.String() != test.base || user != test.user {
			t.Errorf("parseAddress(%q) = %v, %q, %v, want %s, %q", test.address, at, user, err, test.base, test.user)
			continue
		}
		if got := at.at(test.key).String(); got != test.want {
			t.Errorf("%s at %q = %s, want %s", at, test.key, got, test.want)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for address, words := range map[string]string{
		"http://user:secret@host/x": "holds a password",
		"http://host/x?secret=1":    "query",
		"http://host/x#secret":      "query or a fragment",
		"http:///x":                 "not of the form",
		"ftp://host/x":              "not of the form",
		"http://host/%zz":           "not of the form",
	} {
		_, _, err := parseAddress(address)
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("parseAddress(%q) = %v, want an error with %q and no secret", address, err, words)
		}
	}
}

func TestHrefPath(t *testing.T) {
	for href, want := range map[string]string{
		"/a/b":                      "/a/b",
		" /a%2fb%3A/ ":              "/a/b:/",
		"http://host:80/a%20b":      "/a b",
		"https://host":              "/",
		"/x://y":                    "/x://y",
		"/a%zz":                     "",
		"relative":                  "",
		"http://host/sstate%3Ax+y~": "/sstate:x+y~",
	} {
		if got, _, ok := hrefPath([]byte(href), nil); got != want && ok || ok != (want != "") {
			t.Errorf("hrefPath(%q) = %q, %t, want %q", href, got, ok, want)
		}
	}
}
