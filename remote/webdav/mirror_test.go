package webdav

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestMirror: a plain web server is read and never written.
func TestMirror(t *testing.T) {
	srv := servers.Start(t, servers.Mirror)
	big := remotetest.Pattern(40<<20, 1)
	srv.Write(t, string(key), []byte("content"))
	srv.Write(t, "ab/cd/sstate:odd %41+#?name", []byte("odd"))
	srv.Write(t, "ab/cd/sstate:big", big)
	d := mustOpen(t, srv.Address+"/", remote.OpenOptions{})
	tr := d.Traits()
	if !tr.ReadOnly || !tr.NoList || tr.Touch != remote.TouchNever {
		t.Errorf("traits %+v, want those of a mirror", tr)
	}
	for k, want := range map[remote.Key][]byte{key: []byte("content"), "ab/cd/sstate:odd %41+#?name": []byte("odd"), "ab/cd/sstate:big": big} {
		if got, err := read(t, d, k); !bytes.Equal(got, want) || err != nil {
			t.Errorf("Get(%q) = %d bytes, %v, want %d", k, len(got), err, len(want))
		}
		if info, err := d.Stat(t.Context(), k); info.Size != int64(len(want)) || info.ModTime.IsZero() || err != nil {
			t.Errorf("Stat(%q) = %+v, %v", k, info, err)
		}
	}
	for _, k := range []remote.Key{"ab/cd/sstate:missing", "ab/cd", "no/such/sstate:x", "ab/cd/sstate:x/below"} {
		if _, err := d.Stat(t.Context(), k); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Stat(%q) = %v, want %v", k, err, remote.ErrNotExist)
		}
		if _, err := read(t, d, k); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Get(%q) = %v, want %v", k, err, remote.ErrNotExist)
		}
	}
	for op, err := range map[string]error{
		"Put":       d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}),
		"Touch":     d.Touch(t.Context(), key, longAgo()),
		"Delete":    d.Delete(t.Context(), key),
		"List":      d.List(t.Context(), "", nil),
		"Folders":   d.Folders(t.Context(), "", nil),
		"Leftovers": d.Leftovers(t.Context(), nil),
	} {
		if !errors.Is(err, remote.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", op, err, remote.ErrUnsupported)
		}
	}
	testMirrorAway(t, srv, d)
}

func testMirrorAway(t *testing.T, srv *servers.Server, d *DAV) {
	srv.Stop()
	if err := d.Probe(t.Context()); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Probe of a stopped mirror = %v, want %v", err, remote.ErrUnavailable)
	}
	known := mustOpen(t, srv.Address, remote.OpenOptions{Known: true, Learned: d.Learned()})
	if known.Traits() != d.Traits() {
		t.Errorf("traits while it is away are %+v, want %+v", known.Traits(), d.Traits())
	}
	srv.Restart()
	if _, err := known.Stat(t.Context(), key); err != nil {
		t.Errorf("Stat = %v after the mirror came back", err)
	}
}

// TestOddMirrors: what a mirror says is judged by what it says to a name that
// nobody has.
func TestOddMirrors(t *testing.T) {
	const object = "/base/ab/cd/sstate:x"
	refuse := map[string]http.HandlerFunc{"PROPFIND": status(405), "HEAD /base/": status(403)}
	tests := []struct {
		name   string
		routes map[string]http.HandlerFunc
		there  error // Stat of an object that is there, or looks so
		absent error
	}{
		{"403 for what is absent", map[string]http.HandlerFunc{"HEAD": status(403), "HEAD " + object: file("x")}, nil, remote.ErrNotExist},
		{"403 for what is denied", map[string]http.HandlerFunc{"HEAD " + object: status(403)}, remote.ErrPermission, remote.ErrNotExist},
		{"410", map[string]http.HandlerFunc{"HEAD": status(410), "HEAD " + object: file("x")}, nil, remote.ErrNotExist},
		{"a login", map[string]http.HandlerFunc{"HEAD": page(200)}, remote.ErrUnavailable, remote.ErrUnavailable},
		{"no time", map[string]http.HandlerFunc{"HEAD " + object: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1")
		}}, nil, remote.ErrNotExist},
		{"no length", map[string]http.HandlerFunc{"HEAD " + object: status(200)}, remote.ErrUnavailable, remote.ErrNotExist},
		{"5xx", map[string]http.HandlerFunc{"HEAD": status(503)}, remote.ErrUnavailable, remote.ErrUnavailable},
	}
	for _, test := range tests {
		f, address := started(t, refuse)
		d := mustOpen(t, address, remote.OpenOptions{})
		for name, answer := range test.routes {
			f.routes[name] = answer
		}
		info, err := d.Stat(t.Context(), key)
		if !errors.Is(err, test.there) || err == nil && info.ModTime.IsZero() {
			t.Errorf("%s: Stat = %+v, %v, want %v", test.name, info, err, test.there)
		}
		if _, err := d.Stat(t.Context(), key+"-absent"); !errors.Is(err, test.absent) {
			t.Errorf("%s: Stat of an absent object = %v, want %v", test.name, err, test.absent)
		}
		for name := range test.routes {
			delete(f.routes, name)
		}
	}
}

// TestNoLongerDAV: a known folder of WebDAV that answers like a mirror is away:
// its place has been taken by a page.
func TestNoLongerDAV(t *testing.T) {
	f, address := started(t, map[string]http.HandlerFunc{"PROPFIND": page(200), "HEAD": page(200)})
	err := openError(t, address, remote.OpenOptions{Learned: f.able()})
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "login page") {
		t.Errorf("Open = %v, want %v", err, remote.ErrUnavailable)
	}
	f, address = started(t, map[string]http.HandlerFunc{"PROPFIND": status(403), "HEAD": status(403)})
	err = openError(t, address, remote.OpenOptions{Learned: f.able()})
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "403 Forbidden") {
		t.Errorf("Open of a folder that is denied now = %v, want %v", err, remote.ErrUnavailable)
	}
}
