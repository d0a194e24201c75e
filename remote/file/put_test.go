package file

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// Modes are left to the umask, which is what makes a directory shared.
func TestModes(t *testing.T) {
	for _, umask := range []int{0o002, 0o022, 0o077} {
		root := t.TempDir()
		d := mustOpen(t, root, remote.OpenOptions{})
		old := unix.Umask(umask)
		create(t, d, key, "x")
		unix.Umask(old)
		for path, want := range map[string]fs.FileMode{"ab": 0o775, "ab/cd": 0o775, string(key): 0o664} {
			st, err := os.Stat(filepath.Join(root, path))
			if err != nil || st.Mode().Perm() != want&^fs.FileMode(umask) {
				t.Errorf("umask %o: %s has %v, %v, want %v", umask, path, st.Mode(), err, want&^fs.FileMode(umask))
			}
		}
	}
}

func TestReadOnly(t *testing.T) {
	root := t.TempDir()
	mustWrite(t, filepath.Join(root, string(key)), "x")
	d := mustOpen(t, root, remote.OpenOptions{ReadOnly: true, Create: true})
	if !d.Traits().ReadOnly {
		t.Errorf("Traits = %+v, want read-only", d.Traits())
	}
	for name, err := range map[string]error{
		"Put":    d.Put(t.Context(), key, remotetest.Bytes("y"), remote.PutOptions{}),
		"Touch":  d.Touch(t.Context(), key, time.Time{}),
		"Delete": d.Delete(t.Context(), key),
	} {
		if !errors.Is(err, remote.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", name, err, remote.ErrUnsupported)
		}
	}
	if content, err := read(t, d, key); content != "x" || err != nil {
		t.Errorf("Get = %q, %v", content, err)
	}
	missing := filepath.Join(root, "missing")
	if _, err := Open(t.Context(), missing, remote.OpenOptions{ReadOnly: true, Create: true}); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("read-only Open made %s: %v", missing, err)
	}
}

// A file as source goes through the kernel, at any length.
func TestPutFile(t *testing.T) {
	d := mustOpen(t, t.TempDir(), remote.OpenOptions{})
	for _, size := range []int{0, 1, 1 << 20, 40<<20 + 123} {
		path := filepath.Join(t.TempDir(), "source")
		content := remotetest.Pattern(size, byte(size))
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.Put(t.Context(), key, fileSource(path), remote.PutOptions{}); err != nil {
			t.Errorf("Put of %d bytes = %v", size, err)
		}
		if got, err := read(t, d, key); got != string(content) || err != nil {
			t.Errorf("Get = %d bytes, %v, want the %d put", len(got), err, size)
		}
	}
}

// fileSource is a path.
type fileSource string

func (s fileSource) Size() int64 {
	st, err := os.Stat(string(s))
	if err != nil {
		return -1
	}
	return st.Size()
}

func (s fileSource) Open() (io.ReadCloser, error) { return os.Open(string(s)) }

// What NFS says when it repeats a request that had succeeded.
func TestArrived(t *testing.T) {
	d := mustOpen(t, t.TempDir(), remote.OpenOptions{})
	root, err := d.openRoot("test")
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(root)
	for name, commit := range map[string]func(*temporary) error{
		"create":  func(tmp *temporary) error { return d.create(tmp, root, key) },
		"replace": (*temporary).replace,
	} {
		tmp, err := newTemporary(t.Context(), root, key)
		if err != nil {
			t.Fatal(err)
		}
		if err := tmp.fill(t.Context(), remotetest.Bytes(name)); err != nil {
			t.Fatal(err)
		}
		if err := commit(tmp); err != nil {
			t.Errorf("first %s = %v", name, err)
		}
		tmp.gone = false
		if err := commit(tmp); err != nil {
			t.Errorf("repeated %s = %v, want success", name, err)
		}
		tmp.close()
		if err := d.Delete(t.Context(), key); err != nil {
			t.Error(err)
		}
	}
}

// A folder that other hosts remove again and again is given up, not waited
// for.
func TestRemovedRoot(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, root, remote.OpenOptions{})
	fd, err := d.openRoot("test")
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	err = d.write(t.Context(), fd, key, remotetest.Bytes("x"), remote.PutOptions{})
	if !errors.Is(d.fail("put", key, err), remote.ErrUnavailable) {
		t.Errorf("write into a removed root = %v, want %v", err, remote.ErrUnavailable)
	}
}

func TestNoDescriptorsLeft(t *testing.T) {
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	h := harness(t)
	d := h.Remote.(*Dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	work := func() {
		create(t, d, key, "x")
		_ = d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
		_ = d.Put(ctx, key, remotetest.Bytes("x"), remote.PutOptions{})
		_ = d.Put(t.Context(), key, fileSource("/nonexistent"), remote.PutOptions{})
		_, _ = read(t, d, key)
		_, _, _ = d.Get(t.Context(), key, 100)
		_, _ = read(t, d, "ab/cd")
		wantStat(t, d, "ab/cd", remote.ErrNotExist)
		_ = d.Touch(t.Context(), key, time.Time{})
		listed(t, d)
		_ = d.List(t.Context(), "", func(remote.Info) error { return errors.New("enough") })
		_ = d.Names(t.Context(), "ab", func(string, bool) error { return errors.New("enough") })
		_ = d.Probe(t.Context())
		_ = d.Delete(t.Context(), key)
		show := h.HideRoot(t)
		wantStat(t, d, key, remote.ErrUnavailable)
		show()
	}
	work()
	before := count()
	for range 10 {
		work()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}

func BenchmarkStat(b *testing.B) {
	d, err := Open(b.Context(), b.TempDir(), remote.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	if err := d.Put(b.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}); err != nil {
		b.Fatal(err)
	}
	for name, key := range map[string]remote.Key{"hit": key, "miss": key + "y"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = d.Stat(b.Context(), key)
			}
		})
	}
}
