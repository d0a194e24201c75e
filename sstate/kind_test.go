package sstate

import (
	"strings"
	"testing"
)

func TestClassifyFixtures(t *testing.T) {
	temporary := map[string]bool{"temp": true, "tempdir": true, "probe": true}
	for _, f := range fixtures(t) {
		if k := Classify(f.path); k.String() != f.kind {
			t.Errorf("Classify(%q) = %v, want %v", f.path, k, f.kind)
		}
		if got := IsTemporary(f.path); got != temporary[f.kind] {
			t.Errorf("IsTemporary(%q) = %v, kind %v", f.path, got, f.kind)
		}
	}
}

func TestClassify(t *testing.T) {
	letters := strings.Repeat("aZ", 100)
	tests := []struct {
		path string
		want Kind
	}{
		{"80/13/" + basename, Object},
		{"80/14/" + basename, Foreign},
		{"80/13/" + basename + ".partial", Foreign},
		{"80/13/" + basename + ".lock", Lock},
		{"x/80/13/" + basename + ".lock", Lock},
		{"80/13/" + basename + ".done", Stamp},
		{"80/13/" + basename + ".tmp", Temp},
		{"80/13/" + basename + "abcdefg_", Temp},
		{"80/13/" + basename + "abcdefgA", Foreign}, // Python has no capitals
		{"80/13/" + basename + ".abcdefgA", Temp},
		{"80/13/" + basename + ".abcdefg_", Foreign}, // mktemp has no underscore
		{"80/13/" + basename + ".abcdefghi", Foreign},
		{"80/13/" + basename + ".siginfo.abcdefgA", Foreign},
		{"80/13/sstate:.tgz", Foreign},
		{"80/13/a.tmp", Foreign},
		{"80/13/sigtask.1234567", Foreign},
		{"80/13/sigtask.12345678", Temp},
		{"80/13/sigtask.1234567.", Foreign},
		{"IN/VA/sigtask.12345678", Temp},
		{"sigtask.12345678", Foreign},
		{"80/13/CuAbcd12", Temp},
		{"80/13/CuAbcd123", Foreign},
		{"80/13/CuAbcd1_", Foreign},
		{"Customer", Foreign}, // a temporary of ln is beside objects
		{"80/Customer", Foreign},
		{"docs/Customer", Foreign},
		{"80/13/tmp1234567_", TempDir},
		{"x/80/13/tmp1234567_", TempDir},
		{"ab/80/13/tmp1234567_", TempDir}, // EXTRAPATH looks like a hash
		{"80/13/tmp1234567_/a", Temp},
		{"ab/80/13/tmp1234567_/a/b/c", Temp},
		{"80/13/tmp1234567_/tmp1234567_", Temp},
		{"80/13/tmp1234567_/80/13/" + basename, Temp},
		{"80/13/tmp1234567", Foreign},
		{"80/13/tmp1234567A", Foreign},
		{"80/13/a/tmp1234567_", Foreign},
		{"tmp1234567_", Foreign}, // somebody's folder at the top
		{"tmp1234567_/80/13/" + basename, Foreign},
		{"tmp1234567_/80/13/sigtask.12345678", Foreign},
		{"80/13/tmp1234567_/", Foreign},
		{"80/13/tmp1234567_/../" + basename, Foreign},
		{"80/13/tmp1234567_/a\x00", Foreign},
		{letters, Probe},
		{letters + "a", Foreign},
		{letters[1:], Foreign},
		{letters[1:] + "1", Foreign},
		{"80/13/" + letters, Foreign},
		{"", Foreign},
		{".", Foreign},
		{"80", Foreign},
		{"80/13", Foreign},
	}
	for _, tt := range tests {
		if got := Classify(tt.path); got != tt.want {
			t.Errorf("Classify(%q) = %v, want %v", tt.path, got, tt.want)
		}
	}
}

func TestIsFolder(t *testing.T) {
	tests := map[string]bool{
		"80": true, "80/13": true, "IN": true, "IN/VA": true,
		"x/80": true, "x/80/13": true, "x/IN": true, "x/IN/VA": true,
		"80/80/13": true, "debian-12/ff/00": true, "VA/IN": true,
		"": false, "8": false, "800": false, "8g": false, "8A": false, "80/1": false,
		"80/": false, "/80": false, "80//13": false, "80/13/": false, "./80": false,
		"x": false, "universal": false, "VA": false, "80/VA": false, "IN/VA/": false,
		"x/y/80": false, "x/80/13/24": false, "..": false, "../80": false,
		".x/80": false, "tmp1234567_/80": false, "x\x00/80": false,
	}
	for path, want := range tests {
		if got := IsFolder(path); got != want {
			t.Errorf("IsFolder(%q) = %v, want %v", path, got, want)
		}
	}
}
