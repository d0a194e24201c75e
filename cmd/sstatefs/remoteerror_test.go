package main

import (
	"errors"
	"strings"
	"testing"

	"sstatefs/remote"
)

// TestRemoteErrorHints holds the exit code and the hint of answers that the
// servers of the scripts do not give.
func TestRemoteErrorHints(t *testing.T) {
	tests := []struct {
		name, address, text string
		kind                error
		code                int
		hint                string // a part of it, empty for none
	}{
		{"http to https", "http://host/x", "400 Bad Request", remote.ErrUnsupported, exitFailed, "try https://"},
		{"https already", "https://host/x", "400 Bad Request", remote.ErrUnsupported, exitFailed, ""},
		{"path or rights", "https://host/x", "403 Forbidden", remote.ErrPermission, exitFailed, "check the path"},
		{"wrong password", "https://host/x", `401 Unauthorized (user "a", password of file f)`, remote.ErrPermission, exitFailed, "curl --user USER https://host/x/"},
		{"rights on a bucket", "s3://bucket", "access denied", remote.ErrPermission, exitFailed, "AWS_ACCESS_KEY_ID"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := remoteError(test.address, &remote.Error{Op: "open", Kind: test.kind, Err: errors.New(test.text)})
			var f *failure
			if !errors.As(err, &f) {
				t.Fatalf("remoteError = %v, want a failure", err)
			}
			if f.code != test.code || !strings.Contains(f.hint, test.hint) || test.hint == "" && f.hint != "" {
				t.Errorf("code %d, hint %q; want %d, %q", f.code, f.hint, test.code, test.hint)
			}
		})
	}
}
