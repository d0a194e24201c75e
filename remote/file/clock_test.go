package file

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// TestClock: a local disk has this host's clock, a server's is measured, and
// without the right to write it stays unknown.
func TestClock(t *testing.T) {
	root := t.TempDir()
	wantOffset := func(d *Dir, want bool) {
		t.Helper()
		if ahead, known := d.Offset(); known != want || ahead.Abs() > time.Second {
			t.Errorf("Offset = %v, %v, want known %v and none", ahead, known, want)
		}
	}
	served := func(o remote.OpenOptions) *Dir {
		d := mustOpen(t, root, o)
		seen := *d.seen.Load()
		seen.fsType = unix.NFS_SUPER_MAGIC
		d.seen.Store(&seen)
		return d
	}
	wantOffset(mustOpen(t, root, remote.OpenOptions{ReadOnly: true}), true)

	d := served(remote.OpenOptions{})
	wantOffset(d, false)
	if err := d.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffset(d, true)
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("measuring leaves %v, %v", left, err)
	}

	d = served(remote.OpenOptions{ReadOnly: true})
	if err := d.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantOffset(d, false)
}
