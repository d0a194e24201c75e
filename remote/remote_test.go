package remote_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"sstatefs/remote"
)

func TestError(t *testing.T) {
	cause := errors.New("disk on fire")
	tests := []struct {
		err  *remote.Error
		text string
		is   []error
		not  []error
	}{
		{&remote.Error{Op: "file: put", Key: "ab/x", Kind: remote.ErrUnavailable, Err: cause},
			"file: put ab/x: disk on fire", []error{remote.ErrUnavailable, cause}, []error{remote.ErrNotExist}},
		{&remote.Error{Op: "file: list", Kind: remote.ErrPermission},
			"file: list: access denied", []error{remote.ErrPermission}, []error{cause}},
		{&remote.Error{Op: "file: get", Err: context.Canceled},
			"file: get: context canceled", []error{context.Canceled}, []error{remote.ErrUnavailable}},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.text {
			t.Errorf("Error = %q, want %q", got, test.text)
		}
		for _, target := range test.is {
			if !errors.Is(test.err, target) {
				t.Errorf("%v is not %v", test.err, target)
			}
		}
		for _, target := range test.not {
			if errors.Is(test.err, target) {
				t.Errorf("%v is %v", test.err, target)
			}
		}
		var path *os.PathError
		if errors.As(test.err, &path) {
			t.Errorf("%v has a path", test.err)
		}
	}
}

func TestEnded(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	if err := remote.Ended(ctx, "x", ""); err != nil {
		t.Errorf("Ended = %v while the context goes on", err)
	}
	cause := errors.New("interrupted")
	cancel(cause)
	err := remote.Ended(ctx, "x", "")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
		t.Errorf("Ended = %v, want %v and %v", err, context.Canceled, cause)
	}
}

func TestKey(t *testing.T) {
	for key, want := range map[remote.Key]bool{
		"a": true, "ab/cd/sstate:x": true, "..a/b..": true, ".sstatefs-x": true, "a b/%2e%2e/c": true,
		"": false, "/": false, "/a": false, "a/": false, "a//b": false, ".": false, "..": false,
		"a/../b": false, "a/.": false, "a\x00b": false,
	} {
		if got := key.Valid(); got != want {
			t.Errorf("Key(%q).Valid() = %t, want %t", key, got, want)
		}
	}
	for _, key := range []remote.Key{"a", "a/b", "a/b/c"} {
		if got := remote.Join(key.Split()); got != key {
			t.Errorf("Join(Split(%q)) = %q", key, got)
		}
	}
}

func TestTemporary(t *testing.T) {
	a, b := remote.NewTemporary(), remote.NewTemporary()
	if a == b || !remote.IsTemporary(a) || !remote.Key("ab/cd/"+a).IsTemporary() {
		t.Errorf("NewTemporary = %q, %q, want two temporaries", a, b)
	}
	for _, name := range []string{
		"", ".sstatefs-", ".sstatefs-0123456789abcde", ".sstatefs-0123456789abcdef0", ".sstatefs-0123456789ABCDEF",
		"sstatefs-0123456789abcdef", ".sstatefs-root", "sstate:x",
	} {
		if remote.IsTemporary(name) {
			t.Errorf("IsTemporary(%q)", name)
		}
	}
}

// onlyReader hides everything but Read.
type onlyReader struct{ io.Reader }

func TestCopy(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 300_000) // not a whole number of chunks
	path := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sources := map[string]func() io.Reader{
		"reader": func() io.Reader { return onlyReader{bytes.NewReader(content)} },
		"bytes":  func() io.Reader { return onlyReader{iotest.HalfReader(bytes.NewReader(content))} },
		"file": func() io.Reader {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return f
		},
	}
	for name, source := range sources {
		t.Run(name, func(t *testing.T) { testCopy(t, content, source) })
	}
	err := remote.Copy(t.Context(), io.Discard, iotest.ErrReader(errors.New("disk on fire")), 10)
	if !errors.Is(err, remote.ErrCorrupt) || !strings.Contains(err.Error(), "disk on fire") {
		t.Errorf("Copy of a broken source = %v, want %v and why", err, remote.ErrCorrupt)
	}
}

func testCopy(t *testing.T, content []byte, source func() io.Reader) {
	size := int64(len(content))
	dst, err := os.Create(filepath.Join(t.TempDir(), "copy"))
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := remote.Copy(t.Context(), dst, source(), size); err != nil {
		t.Errorf("Copy = %v", err)
	}
	if got, err := os.ReadFile(dst.Name()); err != nil || !bytes.Equal(got, content) {
		t.Errorf("Copy gives %d bytes, %v, want %d", len(got), err, size)
	}
	for _, wrong := range []int64{0, size - 1, size + 1, size + 5<<20} {
		if err := remote.Copy(t.Context(), dst, source(), wrong); !errors.Is(err, remote.ErrCorrupt) {
			t.Errorf("Copy of %d as %d bytes = %v, want %v", size, wrong, err, remote.ErrCorrupt)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := remote.Copy(ctx, dst, source(), size); !errors.Is(err, context.Canceled) {
		t.Errorf("Copy = %v, want %v", err, context.Canceled)
	}
	full := errors.New("full")
	if err := remote.Copy(t.Context(), failingWriter{full}, source(), size); !errors.Is(err, full) || errors.Is(err, remote.ErrCorrupt) {
		t.Errorf("Copy to a full disk = %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
