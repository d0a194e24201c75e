package beneath

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpen: the kernel's way and the long one find the same.
func TestOpen(t *testing.T) {
	top := t.TempDir()
	root := filepath.Join(top, "root")
	err := errors.Join(
		os.MkdirAll(filepath.Join(root, "ab/cd"), 0o755),
		os.WriteFile(filepath.Join(root, "ab/cd/file"), nil, 0o644),
		os.WriteFile(filepath.Join(top, "outside"), nil, 0o644),
		os.Symlink("ab", filepath.Join(root, "link")),
		os.Symlink(top, filepath.Join(root, "out")),
		os.Symlink("file", filepath.Join(root, "ab/cd/link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	long := strings.Repeat("n", 600)
	for path, want := range map[string][]error{
		".": {nil}, "ab": {nil}, "ab/cd/file": {nil},
		"link/cd/file": {unix.ELOOP, unix.ENOTDIR}, "out/outside": {unix.ELOOP, unix.ENOTDIR}, "ab/cd/link": {unix.ELOOP},
		"../outside": {unix.EXDEV}, "ab/../../outside": {unix.EXDEV},
		"ab/cd/none": {unix.ENOENT}, "ab/cd/file/x": {unix.ENOTDIR}, long: {unix.ENAMETOOLONG}, "a\x00b": {unix.EINVAL},
	} {
		for how, open := range map[string]func(int, string, int) (int, error){"Open": Open, "walkDown": walkDown} {
			got, err := open(fd, path, unix.O_RDONLY)
			if !isOneOf(err, want) {
				t.Errorf("%s(%q) = %v, want one of %v", how, path, err, want)
			}
			if err == nil {
				unix.Close(got)
			}
		}
	}
}

func isOneOf(err error, want []error) bool {
	for _, w := range want {
		if errors.Is(err, w) {
			return true
		}
	}
	return false
}
