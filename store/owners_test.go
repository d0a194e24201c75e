package store

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sstatefs/remote/remotetest"
)

// TestPipesInTheCache: what would make the start wait for ever is refused.
func TestPipesInTheCache(t *testing.T) {
	for _, part := range (layout{}).parts() {
		r := newRig(t, nil)
		r.close()
		path := r.layout.path(part)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		_, recalled := Recall(r.layout.dir)
		_, opened := Open(t.Context(), Options{Dir: r.layout.dir, Remote: remotetest.NewMemory()})
		for _, err := range []error{recalled, opened} {
			if err == nil || !strings.Contains(err.Error(), path+" is neither a file nor a folder: remove it") {
				t.Errorf("a pipe as %s: %v", part, err)
			}
		}
	}
}
