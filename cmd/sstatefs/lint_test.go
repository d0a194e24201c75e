package main

import (
	"errors"
	"testing"

	"sstatefs/ctl/upkeep"
)

// Many issues never look like none.
func TestLintExitCode(t *testing.T) {
	for _, test := range []struct {
		issues int64
		code   int
		given  bool
		want   int
	}{
		{0, 0, false, exitDone},
		{3, 0, false, 3},
		{256, 0, false, 255},
		{1 << 20, 0, false, 255},
		{3, 0, true, exitDone},
		{256, 7, true, 7},
		{0, 7, true, exitDone},
	} {
		err := lintError(upkeep.LintResult{BuildDir: test.issues}, test.code, test.given)
		got := exitDone
		var f *failure
		if errors.As(err, &f) {
			got = f.code
		} else if err != nil {
			t.Errorf("lintError() = %v", err)
		}
		if got != test.want {
			t.Errorf("%d issues, --exit-code %d (%v): exit code %d, want %d", test.issues, test.code, test.given, got, test.want)
		}
	}
}
