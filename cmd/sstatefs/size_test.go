package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// largest is the size of the program up to which nobody need ask what made it
// grow, bytes: a tenth more than what it had when this was written, 17.4 MB on
// amd64. Of those the SDK of S3 is a third.
const largest = 19 << 20

// TestProgramSize builds the program as the Makefile does. The caches of the
// other tests have most of it.
func TestProgramSize(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "sstatefs")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > largest {
		t.Errorf("the program has %d bytes, want at most %d: look at what was imported, or raise the limit", info.Size(), largest)
	}
}
