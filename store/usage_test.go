package store

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCountWhileCounting: objects that come and go while the cache is counted
// for the first time are counted once, in folders that the walk has passed, has
// yet to see, and never hears of.
func TestCountWhileCounting(t *testing.T) {
	root, u := t.TempDir(), &usage{}
	come := func(key string) {
		t.Helper()
		u.change(key, func() (int64, int64) {
			if err := os.MkdirAll(filepath.Dir(root+"/"+key), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+"/"+key, []byte("0123456789"), 0o644); err != nil {
				t.Fatal(err)
			}
			return 1, 10
		})
	}
	leave := func(key string) {
		t.Helper()
		u.change(key, func() (int64, int64) {
			if err := os.Remove(root + "/" + key); err != nil {
				t.Fatal(err)
			}
			return -1, -10
		})
	}
	for _, key := range []string{"aa/00/x", "bb/00/x"} {
		come(key)
	}
	u.scanFolder(root+"/aa/00", "aa/00")
	come("aa/00/y")
	leave("aa/00/x")
	come("bb/00/y")
	come("ab/00/x")
	come("ab/00/y")
	leave("ab/00/y")
	u.scanFolder(root+"/bb/00", "bb/00")
	leave("bb/00/x")
	u.finish(root)
	come("cc/00/x")
	if got, want := u.get(), (Count{4, 40}); got != want {
		t.Errorf("counted %+v, want %+v: aa/00/y, ab/00/x, bb/00/y, cc/00/x", got, want)
	}
}
