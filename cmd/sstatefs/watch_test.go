package main

import (
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

func TestFitted(t *testing.T) {
	const picture = "first\nsecond line\nthird\n"
	for _, test := range []struct {
		size screen
		want string
	}{
		{screen{}, "\x1b[Hfirst\x1b[K\r\nsecond line\x1b[K\r\nthird\x1b[K\x1b[J"},
		{screen{rows: 2, columns: 6}, "\x1b[Hfirst\x1b[K\r\nsecond\x1b[K\x1b[J"},
		{screen{rows: 10, columns: 80}, "\x1b[Hfirst\x1b[K\r\nsecond line\x1b[K\r\nthird\x1b[K\x1b[J"},
	} {
		if got := string(fitted([]byte(picture), test.size)); got != test.want {
			t.Errorf("fitted(%+v) = %q, want %q", test.size, got, test.want)
		}
	}
	if got := string(cut([]byte("h\u00e4lfte"), 2)); got != "h\u00e4" {
		t.Errorf("cut() = %q", got)
	}
}

func TestArgumentWords(t *testing.T) {
	for _, test := range []struct {
		use  string
		n    int
		want []string
	}{
		{"status [flags] [MOUNTPOINT]", 0, []string{"[MOUNTPOINT]"}},
		{"status [flags] [MOUNTPOINT]", 1, nil},
		{"show [flags] PN TARGET", 1, []string{"TARGET"}},
		{"remove [flags] TARGET NAME...", 5, []string{"NAME..."}},
		{"analyze [flags] SOURCE TARGET | MOUNTPOINT", 0, []string{"SOURCE", "MOUNTPOINT"}},
		{"version", 0, nil},
	} {
		got := wordsAt(argumentWords(&cobra.Command{Use: test.use}), test.n)
		if !slices.Equal(got, test.want) {
			t.Errorf("argument %d of %q is %v, want %v", test.n, test.use, got, test.want)
		}
	}
}
