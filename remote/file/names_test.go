package file

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

func listed(t *testing.T, d *Dir) []string {
	t.Helper()
	keys := make(map[string]struct{})
	err := d.List(t.Context(), "", func(i remote.Info) error { keys[string(i.Key)] = struct{}{}; return nil })
	if err != nil {
		t.Errorf("List = %v", err)
	}
	return slices.Sorted(maps.Keys(keys))
}

func read(t *testing.T, d *Dir, key remote.Key) (string, error) {
	t.Helper()
	body, _, err := d.Get(t.Context(), key, 0)
	if err != nil {
		return "", err
	}
	defer body.Close()
	content, err := io.ReadAll(body)
	return string(content), err
}

// No key leads out of the root, and only regular files are objects.
func TestLinks(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	mustWrite(t, filepath.Join(outside, "cd/sstate:x"), "secret")
	mustWrite(t, filepath.Join(root, "ab/cd/sstate:real"), "real")
	mustWrite(t, filepath.Join(root, "ab/cd/target"), "beneath")
	for name, target := range map[string]string{
		"out":                outside,
		"up":                 "..",
		"inside":             "ab",
		"ab/cd/sstate:out":   outside + "/cd/sstate:x",
		"ab/cd/sstate:up":    "../../../" + filepath.Base(outside) + "/cd/sstate:x",
		"ab/cd/sstate:dead":  "nowhere",
		"ab/cd/sstate:loop":  "sstate:loop",
		"ab/cd/sstate:dir":   ".",
		"ab/cd/sstate:in":    "target",
		"ab/cd/sstate:in2":   "../../inside/cd/sstate:in",
		"ab/cd/sstate:magic": "/proc/self/exe",
	} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(unix.Mkfifo(filepath.Join(root, "ab/cd/sstate:fifo"), 0o644),
		os.Mkdir(filepath.Join(root, "ab/cd/sstate:folder"), 0o755)); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, root, remote.OpenOptions{})
	checkLinks(t, d)
	d.seen.Store(long(d)) // the long way
	checkLinks(t, d)
	if content, err := os.ReadFile(filepath.Join(outside, "cd/sstate:x")); string(content) != "secret" {
		t.Errorf("outside the root there is now %q, %v", content, err)
	}
}

func checkLinks(t *testing.T, d *Dir) {
	t.Helper()
	for _, key := range []remote.Key{
		"out/cd/sstate:x", "up/x/sstate:x", "inside/cd/sstate:real",
		"ab/cd/sstate:out", "ab/cd/sstate:up", "ab/cd/sstate:dead", "ab/cd/sstate:loop", "ab/cd/sstate:dir", "ab/cd/sstate:magic",
		"ab/cd/sstate:fifo", "ab/cd/sstate:folder", "ab/cd", "ab/cd/sstate:real/sstate:below",
		remote.Key("ab/cd/sstate:" + strings.Repeat("x", 300)), remote.Key(strings.Repeat("x/", 3000) + "sstate:x"),
	} {
		wantStat(t, d, key, remote.ErrNotExist)
		if content, err := read(t, d, key); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Get(%q) = %q, %v, want %v", key, content, err, remote.ErrNotExist)
		}
		if err := d.Touch(t.Context(), key, time.Time{}); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Touch(%q) = %v, want %v", key, err, remote.ErrNotExist)
		}
	}
	for key, want := range map[remote.Key]string{
		"ab/cd/sstate:real": "real", "ab/cd/sstate:in": "beneath", "ab/cd/sstate:in2": "beneath",
	} {
		if content, err := read(t, d, key); content != want || err != nil {
			t.Errorf("Get(%q) = %q, %v, want %q", key, content, err, want)
		}
	}
	want := []string{"ab/cd/sstate:in", "ab/cd/sstate:in2", "ab/cd/sstate:real"}
	if got := listed(t, d); !slices.Equal(got, want) {
		t.Errorf("List = %q, want %q", got, want)
	}
	var names []string
	err := d.Names(t.Context(), "ab/cd", func(name string, folder bool) error {
		if !folder {
			names = append(names, "ab/cd/"+name)
		}
		return nil
	})
	slices.Sort(names)
	if err != nil || !slices.Equal(names, want) {
		t.Errorf("Names = %q, %v, want %q", names, err, want)
	}
	for _, key := range []remote.Key{"out/cd/sstate:x", "out/cd/sstate:new", "up/sstate:new", "inside/sstate:new",
		"ab/cd/sstate:folder", "ab/cd/sstate:real/sstate:below", remote.Key("ab/cd/sstate:" + strings.Repeat("x", 300))} {
		for _, create := range []bool{true, false} {
			err := d.Put(t.Context(), key, remotetest.Bytes("new"), remote.PutOptions{Create: create})
			if !errors.Is(err, remote.ErrUnsupported) {
				t.Errorf("Put(%q, create %t) = %v, want %v", key, create, err, remote.ErrUnsupported)
			}
		}
		if err := d.Delete(t.Context(), key); err != nil {
			t.Errorf("Delete(%q) = %v, want nothing to do", key, err)
		}
	}
}

// A link that is no object makes way for one, as in a plain sstate directory.
func TestPutOverLink(t *testing.T) {
	root := t.TempDir()
	mustWrite(t, filepath.Join(root, "ab/cd/target"), "target")
	d := mustOpen(t, root, remote.OpenOptions{})
	for name, target := range map[string]string{"dead": "nowhere", "out": "/etc/passwd", "in": "target"} {
		key := remote.Key("ab/cd/sstate:" + name)
		if err := os.Symlink(target, filepath.Join(root, string(key))); err != nil {
			t.Fatal(err)
		}
		err := d.Put(t.Context(), key, remotetest.Bytes("new"), remote.PutOptions{Create: true})
		content, readErr := read(t, d, key)
		switch {
		case name == "in" && (!errors.Is(err, remote.ErrExist) || content != "target"):
			t.Errorf("Put(%q) = %v, content %q, want %v", key, err, content, remote.ErrExist)
		case name != "in" && (err != nil || content != "new"):
			t.Errorf("Put(%q) = %v, content %q, %v, want success", key, err, content, readErr)
		}
	}
	if content, err := os.ReadFile("/etc/passwd"); err != nil || bytes.Equal(content, []byte("new")) {
		t.Errorf("Put went through a link")
	}
}

// Temporaries are found wherever they are, everything else that is no object
// is left alone.
func TestLeftovers(t *testing.T) {
	root := t.TempDir()
	foreign := []string{
		"hashserv.db", "ab/cd/.nfs000001", ".snapshot/hourly/ab/cd/sstate:x", "ab/cd/sigtask.abcdefgh", "ab/.sstatefs-short",
	}
	left := []string{".sstatefs-0123456789abcdef", "ab/.sstatefs-0123456789abcdef", "universal/ab/cd/.sstatefs-fedcba9876543210"}
	for _, name := range slices.Concat(foreign, left, []string{"ab/cd/sstate:x"}) {
		mustWrite(t, filepath.Join(root, name), "12345")
	}
	d := mustOpen(t, root, remote.OpenOptions{})
	if got := listed(t, d); !slices.Equal(got, []string{"ab/cd/sstate:x"}) {
		t.Errorf("List = %q, want the object", got)
	}
	var got []string
	var keys []remote.Key
	err := d.Leftovers(t.Context(), func(i remote.Info) error {
		got, keys = append(got, string(i.Key)), append(keys, i.Key)
		if i.Size != 5 || i.ModTime.IsZero() {
			t.Errorf("Leftovers gives %+v", i)
		}
		return nil
	})
	slices.Sort(got)
	if err != nil || !slices.Equal(got, left) {
		t.Errorf("Leftovers = %q, %v, want %q", got, err, left)
	}
	if err := d.Delete(t.Context(), keys...); err != nil {
		t.Errorf("Delete = %v", err)
	}
	for _, name := range foreign {
		if _, err := os.Lstat(filepath.Join(root, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	if _, err := os.Lstat(filepath.Join(root, "universal")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder stays: %v", err)
	}
	err = d.Put(t.Context(), remote.Key(left[0]), remotetest.Bytes("x"), remote.PutOptions{})
	if !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Put under a temporary name = %v, want %v", err, remote.ErrUnsupported)
	}
}

// long makes find take the long way.
func long(d *Dir) *root {
	seen := *d.seen.Load()
	seen.plain = false
	return &seen
}
