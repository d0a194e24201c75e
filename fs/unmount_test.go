package fs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFusermountKnowsNoSecrets: a program of the system is started with what it
// needs.
func TestFusermountKnowsNoSecrets(t *testing.T) {
	dir := t.TempDir()
	seen := filepath.Join(dir, "seen")
	script := "#!/bin/sh\necho \"$@\" > " + seen + "\n/usr/bin/env >> " + seen + "\necho 'failed to unmount: Device or resource busy' >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "fusermount3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	const secret = "canary-5f1c"
	t.Setenv("PATH", dir)
	t.Setenv("SSTATEFS_PASSWORD", secret)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	if err := fusermount("/srv/sstate", true); !errors.Is(err, syscall.EBUSY) {
		t.Errorf("fusermount() = %v, want EBUSY", err)
	}
	text, err := os.ReadFile(seen)
	if err != nil || !strings.HasPrefix(string(text), "-u -z /srv/sstate\n") {
		t.Fatalf("it was called with %q, %v", text, err)
	}
	if strings.Contains(string(text), secret) {
		t.Errorf("it knows the secret:\n%s", text)
	}
}
