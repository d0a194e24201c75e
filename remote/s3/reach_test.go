package s3

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestAuthorities: an own CA is given by a flag, or as to other tools of AWS.
func TestAuthorities(t *testing.T) {
	f := newFake(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(secure.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	address := "s3://bucket?endpoint=" + secure.URL
	_, err := Open(t.Context(), address, remote.OpenOptions{})
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("Open without the CA = %v, want %v and why", err, remote.ErrUnavailable)
	}
	b := mustOpen(t, address, remote.OpenOptions{Access: remote.Access{CAFile: file}})
	if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true}); err != nil {
		t.Errorf("Put = %v", err)
	}
	t.Setenv("AWS_CA_BUNDLE", file)
	mustOpen(t, address, remote.OpenOptions{})
}

// TestSignedContent: content is signed over TLS too, so that a server can tell
// a put that broke off.
func TestSignedContent(t *testing.T) {
	f := newFake(t)
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if hash := r.Header.Get("X-Amz-Content-Sha256"); r.Method == http.MethodPut && len(hash) != 64 {
			t.Errorf("%s %s is sent with %q", r.Method, r.URL, hash)
		}
		if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
			t.Errorf("%s %s is sent in chunks", r.Method, r.URL)
		}
		return false
	})
	secure := httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(secure.Close)
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	b := mustOpen(t, "s3://bucket?endpoint="+secure.URL, remote.OpenOptions{Access: remote.Access{CAFile: file}})
	for i, size := range []int{0, 10, 2 << 20} {
		err := b.Put(t.Context(), remotetest.Key(i), remotetest.Bytes(remotetest.Pattern(size, 1)), remote.PutOptions{})
		if err != nil {
			t.Errorf("Put of %d bytes = %v", size, err)
		}
	}
}

// TestGetenv: an environment that is not the process's.
func TestGetenv(t *testing.T) {
	srv := servers.Start(t, servers.MinIO)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} {
		t.Setenv(name, "")
	}
	mustOpen(t, srv.Address, remote.OpenOptions{Access: remote.Access{Getenv: srv.Getenv}})
}

// TestEndpointFromEnvironment: the SDK's own way to name a server.
func TestEndpointFromEnvironment(t *testing.T) {
	f := newFake(t)
	t.Setenv("AWS_ENDPOINT_URL_S3", f.URL)
	t.Setenv("AWS_REGION", "")
	b := mustOpen(t, "s3://bucket/root", remote.OpenOptions{ReadOnly: true})
	if f.count(http.MethodGet) == 0 || b.place() != f.URL {
		t.Errorf("%d requests came, place is %q", f.count(http.MethodGet), b.place())
	}
}

// TestServerAway: a server that stops and comes back.
func TestServerAway(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		if err := b.Put(t.Context(), key, remotetest.Bytes("content"), remote.PutOptions{Create: true}); err != nil {
			t.Fatal(err)
		}
		srv.Kill()
		_, statErr := b.Stat(t.Context(), key)
		_, _, getErr := b.Get(t.Context(), key, 0)
		for op, err := range map[string]error{
			"Stat": statErr, "Get": getErr, "Probe": b.Probe(t.Context()),
			"Put":    b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}),
			"Delete": b.Delete(t.Context(), key),
			"List":   b.List(t.Context(), "", func(remote.Info) error { return nil }),
		} {
			if !errors.Is(err, remote.ErrUnavailable) {
				t.Errorf("%s = %v, want %v", op, err, remote.ErrUnavailable)
			}
		}
		srv.Restart()
		wantContent(t, b, []byte("content"))
	})
}

// TestNoBucket: one line says which is missing, and only Create makes it.
func TestNoBucket(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		address := "s3://no-such-bucket/x?endpoint=" + srv.URL
		_, err := Open(t.Context(), address, remote.OpenOptions{})
		if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "bucket no-such-bucket does not exist at "+srv.URL) {
			t.Errorf("Open = %v, want %v and which", err, remote.ErrUnavailable)
		}
		b := mustOpen(t, address, remote.OpenOptions{Known: true})
		if err := b.Probe(t.Context()); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("Probe = %v, want %v", err, remote.ErrUnavailable)
		}
		b = mustOpen(t, address, remote.OpenOptions{Create: true})
		if err := b.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true}); err != nil {
			t.Errorf("Put = %v", err)
		}
	})
}
