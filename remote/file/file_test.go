package file

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

func TestMain(m *testing.M) {
	remotetest.Child(Open)
	os.Exit(m.Run())
}

func mustOpen(t *testing.T, address string, o remote.OpenOptions) *Dir {
	t.Helper()
	r, err := Open(t.Context(), address, o)
	if err != nil {
		t.Fatalf("Open(%q) = %v", address, err)
	}
	return r.(*Dir)
}

// harness makes a fresh root.
func harness(t *testing.T) remotetest.Harness {
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o775); err != nil {
		t.Fatal(err)
	}
	return remotetest.Harness{
		Remote:  mustOpen(t, root, remote.OpenOptions{}),
		Address: root,
		HideRoot: func(t *testing.T) func() {
			if err := os.Rename(root, root+".away"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if _, err := os.Lstat(root); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("something was made in the place of the root: %v", err)
				}
				if err := os.Rename(root+".away", root); err != nil {
					t.Fatal(err)
				}
			}
		},
	}
}

func TestSuite(t *testing.T) { remotetest.Suite(t, harness) }

// TestSuiteGuarded: a guard takes no promise away.
func TestSuiteGuarded(t *testing.T) { remotetest.Suite(t, remotetest.Guarded(harness)) }
