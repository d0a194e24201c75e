package sstate

import "testing"

// TestIsFeed: names of the change feed are no objects, and objects are none of
// its.
func TestIsFeed(t *testing.T) {
	for path, want := range map[string]bool{
		"sstatefs-feed/6-1435/sstate:feed:20261121T1435:part:0123456789abcdef": true,
		"sstatefs-feed/6-1435/readme":                                          false,
		"sstatefs-feed/sstate:feed:x":                                          false,
		"ab/cd/sstate:feed:20261121T1435:part:0123456789abcdef":                false,
		"sstate:feed:20261121T1435:part:0123456789abcdef":                      false,
		"": false,
		"x/sstatefs-feed/6-1435/sstate:feed:20261121T1435:part:": false,
	} {
		if got := IsFeed(path); got != want {
			t.Errorf("IsFeed(%q) = %v, want %v", path, got, want)
		}
		if _, object := ParsePath(path); object && want {
			t.Errorf("%q is an object too", path)
		}
	}
}
