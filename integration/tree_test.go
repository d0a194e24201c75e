package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// files lists the regular files and links below a folder, sorted, relative.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("list %s: %v", dir, err)
	}
	sort.Strings(all)
	return all
}

// sum is the sha256 of a file, or the error of reading it.
func sum(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// mustHold checks that a folder holds all of want, byte for byte, and nothing
// else.
func mustHold(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	mustHoldAll(t, dir, want)
	for _, f := range files(t, dir) {
		if want[f] == "" {
			t.Errorf("%s: holds %s, which nobody published", dir, f)
		}
	}
}

// mustHoldAll checks that a folder holds all of want, byte for byte.
func mustHoldAll(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	mustBe(t, dir, want, func(key string) string { return sum(filepath.Join(dir, key)) })
}

// mustBe compares sums with those that somebody finds.
func mustBe(t *testing.T, where string, want map[string]string, find func(key string) string) {
	t.Helper()
	bad := 0
	for key, s := range want {
		if got := find(key); got != s {
			if bad++; bad <= 5 {
				t.Errorf("%s: %s is %s, want %s", where, key, got, s)
			}
		}
	}
	if bad > 5 {
		t.Errorf("%s: %d of %d objects are wrong", where, bad, len(want))
	}
}

// merge joins maps; equal keys must have equal values.
func merge(t *testing.T, maps ...map[string]string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, m := range maps {
		for k, v := range m {
			if old, ok := all[k]; ok && old != v {
				t.Errorf("%s was published twice: %s and %s", k, old, v)
			}
			all[k] = v
		}
	}
	return all
}

// eventuallyHolds waits until a mount shows what another published.
func eventuallyHolds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	ok := within(startLimit, func() bool {
		for key, s := range want {
			if sum(filepath.Join(dir, key)) != s {
				return false
			}
		}
		return true
	})
	if !ok {
		mustHoldAll(t, dir, want)
	}
}

// inode is the inode number of a file.
func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("lstat %s: %v", path, err)
	}
	return st.Ino
}

// stamp is when a file was changed, in nanoseconds since 1970.
func stamp(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.ModTime().UnixNano()
}
