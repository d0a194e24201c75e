package webdav

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// openError opens what cannot be opened.
func openError(t *testing.T, address string, o remote.OpenOptions) error {
	t.Helper()
	o.Access.Getenv = noHome
	_, err := Open(t.Context(), address, o)
	if err == nil {
		t.Fatalf("Open(%q) succeeds", address)
	}
	return err
}

// TestNoUse: what is no remote is refused with its reason.
func TestNoUse(t *testing.T) {
	tests := []struct {
		name   string
		routes map[string]http.HandlerFunc
		want   error
		words  string
	}{
		{"missing", map[string]http.HandlerFunc{"PROPFIND": status(404), "OPTIONS": folderAnswer()}, remote.ErrUnavailable, "no such folder"},
		{"no WebDAV and nothing there", map[string]http.HandlerFunc{"PROPFIND": status(404)}, remote.ErrUnavailable, "mounted with --read-only"},
		{"denied", map[string]http.HandlerFunc{"PROPFIND": status(401)}, remote.ErrPermission, "SSTATEFS_USER"},
		{"forbidden", map[string]http.HandlerFunc{"PROPFIND": status(403), "HEAD": status(403)}, remote.ErrPermission, "403"},
		{"down", map[string]http.HandlerFunc{"PROPFIND": status(502)}, remote.ErrUnavailable, "502"},
		{"portal", map[string]http.HandlerFunc{"PROPFIND": redirect(302, "http://portal.example/login?x=secret")}, remote.ErrUnavailable, "to portal.example"},
		{"circle", map[string]http.HandlerFunc{"PROPFIND": redirect(301, "/base/")}, remote.ErrUnavailable, "too many redirects"},
	}
	for _, test := range tests {
		f, address := started(t, test.routes)
		err := openError(t, address, remote.OpenOptions{})
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open of a server that is %s = %v, want %v with %q", test.name, err, test.want, test.words)
		}
		if w := f.writes(); len(w) > 0 {
			t.Errorf("Open of a server that is %s wrote: %q", test.name, w)
		}
	}
}

// TestRootlessMirror: the root of a mirror need not be there to be read.
func TestRootlessMirror(t *testing.T) {
	_, address := started(t, map[string]http.HandlerFunc{"PROPFIND": status(404), "HEAD /base/" + string(key): file("x")})
	d := mustOpen(t, address, remote.OpenOptions{ReadOnly: true})
	if info, err := d.Stat(t.Context(), key); info.Size != 1 || err != nil {
		t.Errorf("Stat = %+v, %v", info, err)
	}
}

// TestReadOnlyWritesNothing: the right to write is not tried when it is not
// wanted; what Depth: infinity shows is found out by reading.
func TestReadOnlyWritesNothing(t *testing.T) {
	for name, test := range map[string]struct {
		infinity http.HandlerFunc
		deep     bool
	}{
		"whole":   {folderAnswer("/base/", "/base/ab/", "/base/ab/x"), true},
		"cut":     {folderAnswer("/base/", "/base/ab/", "/base/x"), false},
		"refused": {status(403), false},
		"broken":  {page(207), false},
	} {
		f, address := started(t, map[string]http.HandlerFunc{
			"PROPFIND /base/": func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Depth") == depthAll {
					test.infinity(w, r)
					return
				}
				folderAnswer("/base/")(w, r)
			}})
		d := mustOpen(t, address, remote.OpenOptions{ReadOnly: true})
		if d.Traits().ListPerFolder == test.deep || !d.Traits().ReadOnly || d.Learned() != "" {
			t.Errorf("%s: traits %+v, learned %q, want deep %t", name, d.Traits(), d.Learned(), test.deep)
		}
		if err := d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}); !errors.Is(err, remote.ErrUnsupported) {
			t.Errorf("Put = %v, want %v", err, remote.ErrUnsupported)
		}
		if w := f.writes(); len(w) > 0 {
			t.Errorf("%s: wrote %q", name, w)
		}
	}
}

// TestDeniedWrites: a server that takes no changes is read-only and says so.
func TestDeniedWrites(t *testing.T) {
	for _, code := range []int{401, 403, 405} {
		_, address := started(t, map[string]http.HandlerFunc{"MKCOL": status(code)})
		d := mustOpen(t, address, remote.OpenOptions{})
		if !d.Traits().ReadOnly {
			t.Errorf("MKCOL %d: traits %+v, want read-only", code, d.Traits())
		}
		warned := false
		for _, a := range d.Abilities() {
			warned = warned || a.Name == "rights" && strings.Contains(a.Warn, "takes no changes")
		}
		if !warned {
			t.Errorf("MKCOL %d: abilities %+v do not warn", code, d.Abilities())
		}
	}
}

// TestAway: a known remote that is away opens, works when it comes back, and is
// then tried.
func TestAway(t *testing.T) {
	srv := servers.Start(t, servers.Apache)
	before := mustOpen(t, srv.Address, remote.OpenOptions{})
	put(t, before, key, []byte("x"), remote.PutOptions{Create: true})
	srv.Stop()
	err := openError(t, srv.Address, remote.OpenOptions{})
	if !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Open = %v, want %v", err, remote.ErrUnavailable)
	}
	known := mustOpen(t, srv.Address, remote.OpenOptions{Known: true, Learned: before.Learned()})
	fresh := mustOpen(t, srv.Address, remote.OpenOptions{Known: true})
	if known.Traits() != before.Traits() || known.Learned() != before.Learned() {
		t.Errorf("traits while it is away are %+v, want %+v", known.Traits(), before.Traits())
	}
	if _, err := fresh.Stat(t.Context(), key); !errors.Is(err, remote.ErrUnavailable) || fresh.Learned() != "" {
		t.Errorf("Stat = %v, learned %q, want %v", err, fresh.Learned(), remote.ErrUnavailable)
	}
	srv.Restart()
	for name, d := range map[string]*DAV{"known": known, "fresh": fresh} {
		if err := d.Probe(t.Context()); err != nil {
			t.Errorf("%s: Probe = %v", name, err)
		}
		if got, err := read(t, d, key); string(got) != "x" || err != nil {
			t.Errorf("%s: Get = %q, %v", name, got, err)
		}
		if d.Learned() != before.Learned() {
			t.Errorf("%s: learned %q, want %q", name, d.Learned(), before.Learned())
		}
	}
}

// TestTrial: it leaves nothing, also when it is interrupted, and what it found
// is not tried again.
func TestTrial(t *testing.T) {
	for _, kind := range servers.WebDAV() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := &site{server: servers.Start(t, kind)}
			address := s.fresh(t)
			far := s.server.AddressAt(proxy.Latency(t, s.server.URL, 50*time.Millisecond).URL) + strings.TrimPrefix(address, s.server.Address)
			interrupt(t, s.server, func(ctx context.Context) error {
				_, err := Open(ctx, far, remote.OpenOptions{Access: remote.Access{Getenv: noHome}})
				return err
			})
			d := mustOpen(t, address, remote.OpenOptions{})
			interrupt(t, s.server, d.Explore)
			if err := d.Explore(t.Context()); err != nil || scratch(t, s.server) > 0 {
				t.Errorf("Explore = %v and leaves %d folders", err, scratch(t, s.server))
			}
			wantAbilities(t, kind, d.knows())
		})
	}
}

// interrupt ends a trial when it is seen. It must leave nothing.
func interrupt(t *testing.T, srv *servers.Server, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- try(ctx) }()
	if !remotetest.Eventually(func() bool { return scratch(t, srv) > 0 }) {
		t.Errorf("no trial is seen")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted trial = %v, want %v", err, context.Canceled)
	}
	if !remotetest.Eventually(func() bool { return scratch(t, srv) == 0 }) {
		t.Errorf("a trial leaves something behind")
	}
}

// scratch counts the scratch folders in the folders of a server, on its disk:
// nginx does not list folders whose names begin with a dot.
func scratch(t *testing.T, srv *servers.Server) int {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(srv.Data, "*", ".sstatefs-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}

// wantAbilities: what the servers of the tests can do.
func wantAbilities(t *testing.T, kind servers.Kind, got known) {
	t.Helper()
	apache := known{asked: true, conditional: true, whole: true, exclusive: true, pairs: true, spares: true, ifs: true, fileDelete: true, folderTimes: true, touch: touchCopy}
	deep := apache
	deep.deep = true
	want := map[servers.Kind]known{
		servers.Apache: apache, servers.ApacheDeep: deep,
		servers.Nginx:        {asked: true, whole: true, exclusive: true, pairs: true, spares: true, fileDelete: true, folderTimes: true, paths: true, touch: touchPut},
		servers.RcloneWebDAV: {asked: true, deep: true, exclusive: true, pairs: true, timeHeader: true, touch: touchPut},
	}[kind]
	if kind == servers.RcloneWebDAV {
		got.folderTimes = false // depends on what it has cached
	}
	if got != want {
		t.Errorf("%s can do %+v, want %+v", kind, got, want)
	}
}

// TestLearned: what the cache knows is not tried again, until the server is
// another.
func TestLearned(t *testing.T) {
	f, address := started(t, nil)
	mustOpen(t, address, remote.OpenOptions{Learned: f.able()})
	if w := f.writes(); len(w) > 0 {
		t.Errorf("wrote %q although all is known", w)
	}
	f.routes = map[string]http.HandlerFunc{"PROPFIND /base/": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "another")
		folderAnswer("/base/")(w, r)
	}, "MKCOL": status(403)}
	d := mustOpen(t, address, remote.OpenOptions{Learned: f.able()})
	if w := f.writes(); len(w) != 1 || !d.Traits().ReadOnly {
		t.Errorf("wrote %q, traits %+v, want one try and read-only", w, d.Traits())
	}
}

// TestPairLostInATrial: a connection that is lost while Open tries pairs does not
// mean that the server takes none.
func TestPairLostInATrial(t *testing.T) {
	var moves atomic.Int64
	_, address := started(t, map[string]http.HandlerFunc{
		"MKCOL": status(201), "PUT": status(201), "DELETE": status(204), "PROPFIND": folderAnswer("/base/"),
		"MOVE": func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "exclusive-other") && moves.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusPreconditionFailed)
		},
	})
	if k := mustOpen(t, address, remote.OpenOptions{}).knows(); !k.pairs {
		t.Errorf("after %d MOVEs %+v, want pairs", moves.Load(), k)
	}
}

// TestCreateRoot: the root is made when that is asked for, with all above it,
// and not else.
func TestCreateRoot(t *testing.T) {
	for _, kind := range servers.WebDAV() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			address := servers.Start(t, kind).Address + "/new%20a/b"
			for _, o := range []remote.OpenOptions{{}, {Create: true, ReadOnly: true}} {
				if err := openError(t, address, o); !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "made on the server") {
					t.Errorf("Open(%+v) = %v, want %v and a hint", o, err, remote.ErrUnavailable)
				}
			}
			d := mustOpen(t, address, remote.OpenOptions{Create: true})
			put(t, d, key, []byte("x"), remote.PutOptions{Create: true})
			mustOpen(t, address, remote.OpenOptions{})
		})
	}
}

// TestPassingTrouble: a server that answers 503 for a moment can be opened.
func TestPassingTrouble(t *testing.T) {
	var left atomic.Int64
	left.Store(2)
	f, address := started(t, map[string]http.HandlerFunc{"PROPFIND": func(w http.ResponseWriter, r *http.Request) {
		if left.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		folderAnswer("/base/")(w, r)
	}})
	mustOpen(t, address, remote.OpenOptions{Learned: f.able()})
}
