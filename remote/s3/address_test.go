package s3

import (
	"strings"
	"testing"

	"sstatefs/remote"
)

func TestParse(t *testing.T) {
	yes := true
	for address, want := range map[string]settings{
		"s3://b":           {bucket: "b"},
		"s3://b/":          {bucket: "b"},
		"s3://b//a/":       {bucket: "b", root: "a/"},
		"s3://b/a%2Bc/d e": {bucket: "b", root: "a+c/d e/"},
		"s3://b?endpoint=http://h:9000&region=eu-west-1&profile=ci": {
			bucket: "b", endpoint: "http://h:9000", region: "eu-west-1", profile: "ci"},
		"s3://b?path_style=true&storage_class=STANDARD_IA&anonymous=true&part_size=16M": {
			bucket: "b", pathStyle: &yes, storageClass: "STANDARD_IA", anonymous: true, partSize: 16 << 20},
	} {
		got, err := parse(address)
		if err != nil {
			t.Errorf("parse(%q) = %v", address, err)
			continue
		}
		if (got.pathStyle == nil) != (want.pathStyle == nil) {
			t.Errorf("parse(%q): path style is %v", address, got.pathStyle)
		}
		got.text, got.pathStyle, want.pathStyle = "", nil, nil
		if got != want {
			t.Errorf("parse(%q) = %+v, want %+v", address, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for address, words := range map[string]string{
		"s3://b?colour=red":                  "known: anonymous, endpoint",
		"s3://key@b":                         "AWS_ACCESS_KEY_ID",
		"s3://key:hunter2@b":                 "password",
		"s3://b?endpoint=http://u:hunter2@h": "password",
		"s3://b?endpoint=h:9000":             "not a URL",
		"s3:///a":                            "no bucket",
		"s3://host:9000/b":                   "no bucket",
		"s3://b?path_style=maybe":            "not true or false",
		"s3://b?part_size=1M":                "part_size",
		"s3://b?part_size=6000M":             "part_size",
		"http://b":                           "s3 URL",
	} {
		_, err := Open(t.Context(), address, remote.OpenOptions{})
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%q) = %v, want %q and no secret", address, err, words)
		}
	}
}

func TestEscape(t *testing.T) {
	if got, want := escape("b/a+b c%41~é#?/x"), "b/a%2Bb%20c%2541~%C3%A9%23%3F/x"; got != want {
		t.Errorf("escape = %q, want %q", got, want)
	}
}

func TestFacts(t *testing.T) {
	all := facts{create: true, complete: true, replace: true, copyIf: true, sums: true, md5: true, removes: true, copies: copySelf}
	for _, f := range []facts{all, {copies: copyNone}, {copies: copyThere, sums: true}} {
		if got, ok := parseFacts(f.String()); !ok || got != f {
			t.Errorf("parseFacts(%q) = %+v, %t", f, got, ok)
		}
	}
	for _, text := range []string{"", "s3/2", "s3/1 copy=self", "s3/2 copy=maybe", "s3/2 copy=self surprise", "webdav/1 copy=self"} {
		if got, ok := parseFacts(text); ok {
			t.Errorf("parseFacts(%q) = %+v, want nothing", text, got)
		}
	}
}

// TestNoCredentials: their absence is told before the first request.
func TestNoCredentials(t *testing.T) {
	f := newFake(t)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "")
	}
	_, err := Open(t.Context(), f.address(), remote.OpenOptions{})
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") || !strings.Contains(err.Error(), "anonymous") {
		t.Errorf("Open = %v, want what to set", err)
	}
	if f.count("GET") != 0 {
		t.Errorf("%d requests without credentials", f.count("GET"))
	}
	mustOpen(t, f.address()+"&anonymous=true", remote.OpenOptions{ReadOnly: true})
}
