package servers

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const key = "universe/ab/cd/sstate:zlib:core2-64:1.3:r0:core2-64:12:abcd_do:x+~.tar.zst"

func every() []Kind { return append(append(S3(), WebDAV()...), Mirror) }

// TestServers keeps an object over everything that can be done to a server.
func TestServers(t *testing.T) {
	for _, kind := range every() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := Start(t, kind)
			root := s.Sub(t, "some where")
			put(t, s, root)
			wantContent(t, root)
			if s.Data != "" {
				wantFile(t, root)
			}
			s.Restart()
			wantContent(t, root)
			s.Kill()
			wantRefused(t, s)
			s.Restart()
			wantContent(t, root)
			pause(t, s)
			wantContent(t, root)
			if kind != Mirror {
				root.Remove(t, key)
				if _, ok := root.Get(t, key); ok {
					t.Error("the object is still there after its removal")
				}
			}
		})
	}
}

func put(t *testing.T, s *Server, root *Root) {
	t.Helper()
	if s.Kind == Mirror {
		root.Write(t, key, []byte("content"))
		if status, _ := root.Do(t, http.MethodPut, key, nil, []byte("other")); status < 400 {
			t.Errorf("PUT on a mirror: status %d, want an error", status)
		}
		return
	}
	root.Put(t, key, []byte("content"))
}

func wantContent(t *testing.T, root *Root) {
	t.Helper()
	if got, ok := root.Get(t, key); !ok || string(got) != "content" {
		t.Errorf("Get = %q, %v, want the content", got, ok)
	}
	header := http.Header{"Range": {"bytes=3-4"}}
	if _, got := root.Do(t, http.MethodGet, key, header, nil); string(got) != "te" {
		t.Errorf("bytes 3-4 = %q, want %q", got, "te")
	}
	if _, ok := root.Get(t, key+"x"); ok {
		t.Error("an object that nobody put is there")
	}
}

func wantFile(t *testing.T, root *Root) {
	t.Helper()
	if got, err := os.ReadFile(filepath.Join(root.Data, key)); err != nil || string(got) != "content" {
		t.Errorf("the plain file = %q, %v, want the content", got, err)
	}
}

func wantRefused(t *testing.T, s *Server) {
	t.Helper()
	if c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://")); err == nil {
		c.Close()
		t.Error("a killed server accepts a connection")
	}
}

// pause stops the server while a request is on its way.
func pause(t *testing.T, s *Server) {
	t.Helper()
	s.Pause()
	client := http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	if resp, err := client.Get(s.URL + "/" + bucket + "/"); err == nil {
		resp.Body.Close()
		t.Errorf("a paused server answers %d", resp.StatusCode)
	}
	s.Resume()
}

// TestNothingIsLeft looks for what a stopped server's group still runs.
func TestNothingIsLeft(t *testing.T) {
	for _, kind := range []Kind{Versitygw, Apache, Nginx} {
		var dir string
		var pid int
		t.Run(string(kind), func(t *testing.T) {
			s := Start(t, kind)
			dir, pid = s.dir, s.Pid()
			s.Pause() // the cleanup has to cope
		})
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: folder %s is left", kind, dir)
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
			t.Errorf("%s: process %d is left", kind, pid)
		}
	}
}

func TestOver(t *testing.T) {
	dir, err := os.MkdirTemp("", "sstatefs-server-over-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := Start(t, Mirror, Over(dir))
	if got, ok := s.Get(t, "a"); !ok || string(got) != "content" {
		t.Errorf("Get = %q, %v, want the content", got, ok)
	}
}

// TestFlags gives Apache a password.
func TestFlags(t *testing.T) {
	s := Start(t, Apache, Flags("<LimitExcept GET>", "Require all denied", "</LimitExcept>"))
	if status, _ := s.Do(t, http.MethodPut, "a", nil, []byte("x")); status != http.StatusForbidden {
		t.Errorf("PUT = %d, want 403", status)
	}
}

// TestMissing names the mend.
func TestMissing(t *testing.T) {
	t.Setenv("SSTATEFS_TEST_BIN", t.TempDir())
	if _, err := find("minio"); err == nil || !strings.HasSuffix(err.Error(), "run make deps") {
		t.Errorf("find = %v, want it to name make deps", err)
	}
}

func TestAddresses(t *testing.T) {
	store := &Root{Prefix: "p", s3: true}
	if got, want := store.AddressAt("http://h:1"), "s3://sstate/p?endpoint=http://h:1"; got != want {
		t.Errorf("AddressAt = %q, want %q", got, want)
	}
	folder := &Root{Prefix: "a b"}
	if got, want := folder.AddressAt("http://h:1"), "http://h:1/sstate/a%20b"; got != want {
		t.Errorf("AddressAt = %q, want %q", got, want)
	}
}
