package servers

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A Root is a place on a server that can be a remote of its own.
type Root struct {
	Address string // what `sstatefs mount` takes
	Data    string // the folder of its plain files, empty for MinIO
	Prefix  string // below the bucket or the server's folder: "" or a name

	s3       bool
	lags     bool // it looks at its disk now and then only
	endpoint string
	uid      int // of the server's user
}

// AddressAt is Address on another endpoint, such as a proxy of the server:
// "http://127.0.0.1:PORT".
func (r *Root) AddressAt(endpoint string) string {
	path := bucket
	if r.Prefix != "" {
		path += "/" + r.Prefix
	}
	if r.s3 {
		return "s3://" + escape(path) + "?endpoint=" + endpoint
	}
	return endpoint + "/" + escape(path)
}

// Sub is a fresh root below the server's own. The folder of a server of files
// is made.
func (s *Server) Sub(t TB, name string) *Root {
	t.Helper()
	r := &Root{Prefix: name, s3: s.s3, lags: s.lags, endpoint: s.URL, uid: s.uid}
	r.Address = r.AddressAt(s.URL)
	if s.Data == "" {
		return r
	}
	r.Data = filepath.Join(s.Data, name)
	if err := os.MkdirAll(filepath.Dir(r.Data), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.makeOwned(r.Data); err != nil {
		t.Fatal(err)
	}
	if r.lags && !r.s3 {
		r.await(t, http.MethodGet, "")
	}
	return r
}

// await returns the header of the answer when the server knows a file or
// folder.
func (r *Root) await(t TB, method, key string) http.Header {
	t.Helper()
	for deadline := time.Now().Add(startLimit); ; time.Sleep(pollInterval) {
		resp, _, err := r.request(method, r.prefixed(key), nil, nil, nil)
		if err != nil {
			t.Fatalf("servers: %s %s: %v", method, key, err)
		}
		if resp.StatusCode < 400 {
			return resp.Header
		}
		if time.Now().After(deadline) {
			t.Fatalf("servers: %s %s: status %d", method, key, resp.StatusCode)
		}
	}
}

// Write puts a file into Data as another tool on the server would: key is a
// slash path. It appears whole, with folders that the server may write to.
func (r *Root) Write(t TB, key string, content []byte) {
	t.Helper()
	if r.Data == "" {
		t.Fatal("servers: no plain files on this server")
	}
	// Of an object store the folder of the root may have gone with its last
	// object.
	dir := strings.TrimSuffix(r.Data, r.Prefix)
	folders := strings.Split(filepath.Join(r.Prefix, filepath.Dir(key)), "/")
	for _, name := range folders {
		dir = filepath.Join(dir, name)
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		r.own(t, dir)
	}
	temporary := filepath.Join(dir, ".write")
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
		t.Fatal(err)
	}
	r.own(t, temporary)
	if err := os.Rename(temporary, filepath.Join(r.Data, key)); err != nil {
		t.Fatal(err)
	}
	if r.lags {
		r.await(t, http.MethodHead, key)
	}
}

// own gives a file to the server's user.
func (r *Root) own(t TB, path string) {
	t.Helper()
	if r.uid == os.Getuid() {
		return
	}
	if err := os.Chown(path, r.uid, r.uid); err != nil {
		t.Fatal(err)
	}
}
