package webdav

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A shelf is a server with folders and files of which only the names count.
type shelf struct {
	mu    sync.Mutex
	names map[string]bool
	seen  []string
	from  map[string]string // the connection of the last request, by method
}

// openShelf opens a remote that knows how to send pairs, on a server with the
// folder /base/ab/.
func openShelf(t *testing.T, change func(name string, w http.ResponseWriter) bool) (*shelf, *DAV) {
	s := &shelf{names: map[string]bool{"/base/": true, "/base/ab/": true}, from: map[string]string{}}
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.from[r.Method] = r.RemoteAddr
		name := r.Method + " " + r.URL.Path
		s.seen = append(s.seen, plainName(name))
		if change == nil || !change(plainName(name), w) {
			s.serve(w, r)
		}
	}
	routes := map[string]http.HandlerFunc{}
	for _, method := range []string{"PROPFIND", "MKCOL", "PUT", "MOVE", "DELETE"} {
		routes[method] = serve
	}
	_, d := openFake(t, routes)
	k := d.knows()
	k.pairs = true
	d.known.Store(&k)
	s.asked()
	return s, d
}

// plainName hides what is random.
func plainName(name string) string {
	if i := strings.Index(name, ".sstatefs-"); i >= 0 {
		return name[:i] + "TMP"
	}
	return name
}

// asked gives what was asked since the last call.
func (s *shelf) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}

func (s *shelf) serve(w http.ResponseWriter, r *http.Request) {
	above := func(path string) string { return path[:strings.LastIndexByte(strings.TrimSuffix(path, "/"), '/')+1] }
	path := r.URL.Path
	there := s.names[path] || s.names[path+"/"]
	switch {
	case r.Method == "PROPFIND" && there:
		paths := []string{path}
		for name := range s.names {
			if above(name) == path && r.Header.Get("Depth") != "0" {
				paths = append(paths, name)
			}
		}
		folderAnswer(paths...)(w, r)
	case r.Method == "MKCOL" && there:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case (r.Method == "MKCOL" || r.Method == "PUT") && !s.names[above(path)]:
		w.WriteHeader(http.StatusConflict)
	case r.Method == "MKCOL", r.Method == "PUT":
		s.names[path] = true
		w.WriteHeader(http.StatusCreated)
	case r.Method == "MOVE" && there:
		to := strings.TrimPrefix(r.Header.Get("Destination"), "http://"+r.Host)
		if s.names[to] && r.Header.Get("Overwrite") == "F" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		delete(s.names, path)
		s.names[to] = true
		w.WriteHeader(http.StatusCreated)
	case r.Method == "DELETE" && there:
		delete(s.names, path)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// wantAsked looks at requests but MOVE, which reaches the server behind a PUT that
// it refuses, or not.
func wantAsked(t *testing.T, s *shelf, what string, want ...string) {
	t.Helper()
	got := slices.DeleteFunc(s.asked(), func(name string) bool { return strings.HasPrefix(name, "MOVE") })
	if !slices.Equal(got, want) {
		t.Errorf("%s asks for %q, want %q", what, got, want)
	}
}

// TestFoldersAreKnown: no body is sent into a folder that is known to be
// missing, and no folder is made that is known to be there.
func TestFoldersAreKnown(t *testing.T) {
	s, d := openShelf(t, nil)
	create := func(key remote.Key) { put(t, d, key, []byte("x"), remote.PutOptions{Create: true}) }

	create("ab/cd/1")
	wantAsked(t, s, "a put without knowledge", "PUT /base/ab/cd/TMP",
		"MKCOL /base/ab/cd/", "PUT /base/ab/cd/TMP")
	create("ab/cd/2")
	wantAsked(t, s, "a put into a known folder", "PUT /base/ab/cd/TMP")

	if err := d.Folders(t.Context(), "", func(remote.Folder) error { return nil }); err != nil {
		t.Fatal(err)
	}
	s.asked()
	create("ef/01/1")
	wantAsked(t, s, "a put below a missing folder", "MKCOL /base/ef/", "MKCOL /base/ef/01/", "PUT /base/ef/01/TMP")
	create("ef/02/1")
	wantAsked(t, s, "a put below a folder that was made", "MKCOL /base/ef/02/", "PUT /base/ef/02/TMP")

	s.names = map[string]bool{"/base/": true}
	create("ef/02/2")
	wantAsked(t, s, "a put into a folder that vanished", "PUT /base/ef/02/TMP",
		"MKCOL /base/ef/02/", "MKCOL /base/ef/", "MKCOL /base/ef/02/", "PUT /base/ef/02/TMP")

	s.names["/base/99/"], s.names["/base/99/01/"] = true, true
	create("99/01/1")
	wantAsked(t, s, "a put into folders that another host has made",
		"MKCOL /base/99/", "MKCOL /base/99/01/", "PUT /base/99/01/TMP")
}

// TestFolderIsMadeOnce: many who want it make it once.
func TestFolderIsMadeOnce(t *testing.T) {
	s, d := openShelf(t, nil)
	d.folders.listed("")
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			if err := d.Put(t.Context(), remote.Key(fmt.Sprintf("ef/01/%d", n)), remotetest.Bytes("x"), remote.PutOptions{Create: true}); err != nil {
				t.Errorf("Put = %v", err)
			}
		})
	}
	all.Wait()
	made := slices.DeleteFunc(s.asked(), func(name string) bool { return !strings.HasPrefix(name, "MKCOL") })
	if want := []string{"MKCOL /base/ef/", "MKCOL /base/ef/01/"}; !slices.Equal(made, want) {
		t.Errorf("folders are made by %q, want %q", made, want)
	}
}

// TestPairFinishes: whatever of a pair is answered or not, the object is there
// once, or the error is right and no temporary stays.
func TestPairFinishes(t *testing.T) {
	for name, test := range map[string]struct {
		change func(name string, w http.ResponseWriter) bool // for the requests of the first pair
		exists bool
		want   error
	}{
		"taken": {exists: true, want: remote.ErrExist},
		"closed after the PUT": {change: func(name string, w http.ResponseWriter) bool {
			w.Header().Set("Connection", "close")
			return false
		}},
		"MOVE locked": {change: func(name string, w http.ResponseWriter) bool {
			if strings.HasPrefix(name, "MOVE") {
				w.WriteHeader(http.StatusLocked)
				return true
			}
			return false
		}},
		"full": {want: remote.ErrUnavailable, change: func(name string, w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusInsufficientStorage)
			return true
		}},
		"forbidden": {want: remote.ErrPermission, change: func(name string, w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			left := 2 // requests of the first pair
			s, d := openShelf(t, func(name string, w http.ResponseWriter) bool {
				if test.change == nil || left == 0 || !strings.HasPrefix(name, "PUT") && !strings.HasPrefix(name, "MOVE") {
					return false
				}
				left--
				return test.change(name, w)
			})
			s.names["/base/ab/x"] = test.exists
			err := d.Put(t.Context(), "ab/x", remotetest.Bytes("content"), remote.PutOptions{Create: true})
			if !errors.Is(err, test.want) {
				t.Errorf("Put = %v, want %v", err, test.want)
			}
			if test.want == nil && !s.names["/base/ab/x"] {
				t.Errorf("the object is not there: %v", s.names)
			}
			for name := range s.names {
				if strings.Contains(name, ".sstatefs-") {
					t.Errorf("%s stays", name)
				}
			}
		})
	}
}

// TestStumpIsNotMoved: a PUT that fails in a full disk may leave what it wrote
// until then, and that never gets an object's name.
func TestStumpIsNotMoved(t *testing.T) {
	var stump atomic.Bool
	full := func(w http.ResponseWriter, _ *http.Request) {
		stump.Store(true)
		w.WriteHeader(http.StatusInsufficientStorage)
	}
	move := func(w http.ResponseWriter, _ *http.Request) {
		if stump.Load() {
			t.Errorf("the stump is moved")
		}
		w.WriteHeader(http.StatusCreated)
	}
	remove := func(w http.ResponseWriter, _ *http.Request) {
		stump.Store(false)
		w.WriteHeader(http.StatusNoContent)
	}
	_, d := openFake(t, map[string]http.HandlerFunc{"PUT": full, "MOVE": move, "DELETE": remove})
	k := d.knows()
	k.pairs, k.spares, k.whole, k.conditional = true, false, false, false
	d.known.Store(&k)
	err := d.Put(t.Context(), "ab/x", remotetest.Bytes("content"), remote.PutOptions{Create: true})
	if !errors.Is(err, remote.ErrUnavailable) || stump.Load() {
		t.Errorf("Put = %v and leaves a stump: %t", err, stump.Load())
	}
}

// TestLatePutIsTidied: a server that has the whole body when its caller goes makes
// the temporary after it was told to remove it.
func TestLatePutIsTidied(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var late atomic.Bool
	missed, made := make(chan struct{}), make(chan struct{})
	put := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		cancel()
		<-missed
		late.Store(true)
		close(made)
	}
	first := sync.OnceFunc(func() { close(missed) })
	remove := func(w http.ResponseWriter, _ *http.Request) {
		if !late.CompareAndSwap(true, false) {
			w.WriteHeader(http.StatusNotFound)
			first()
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
	_, d := openFake(t, map[string]http.HandlerFunc{"PUT": put, "DELETE": remove})
	k := d.knows()
	k.pairs, k.whole, k.conditional = false, true, false
	d.known.Store(&k)
	err := d.Put(ctx, "ab/x", remotetest.Bytes("content"), remote.PutOptions{Create: true})
	<-made
	if err == nil || late.Load() {
		t.Errorf("Put = %v and leaves a temporary: %t", err, late.Load())
	}
}

// TestOneWins: of several that create one name in this process exactly one is
// told that it was first, and its bytes are there.
func TestOneWins(t *testing.T) {
	onEach(t, func(t *testing.T, d, _ *DAV) {
		const writers, size = 8, 100_000
		winners := make(chan byte, writers)
		var all sync.WaitGroup
		for n := range byte(writers) {
			all.Go(func() {
				err := d.Put(t.Context(), key, remotetest.Bytes(remotetest.Pattern(size, n)), remote.PutOptions{Create: true})
				if err == nil {
					winners <- n
				} else if !errors.Is(err, remote.ErrExist) {
					t.Errorf("Put = %v, want %v", err, remote.ErrExist)
				}
			})
		}
		all.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d writers were first, want one", len(winners))
		}
		if got, err := read(t, d, key); err != nil || !bytes.Equal(got, remotetest.Pattern(size, <-winners)) {
			t.Errorf("Get = %d bytes, %v, want those of the winner", len(got), err)
		}
	})
}

// A heldSource gives its first byte, and the rest when it may.
type heldSource struct {
	remotetest.Bytes
	begun, rest chan struct{}
}

func (s heldSource) Open() (io.ReadCloser, error) {
	return io.NopCloser(io.MultiReader(bytes.NewReader(s.Bytes[:1]), &held{s: s, content: bytes.NewReader(s.Bytes[1:])})), nil
}

type held struct {
	s       heldSource
	told    sync.Once
	content *bytes.Reader
}

func (h *held) Read(p []byte) (int, error) {
	h.told.Do(func() { close(h.s.begun) })
	<-h.s.rest
	return h.content.Read(p)
}

// TestOverlap: a host whose transfer has begun before another's object was there
// does not replace that.
func TestOverlap(t *testing.T) {
	onEach(t, func(t *testing.T, slow, quick *DAV) {
		first, second := remotetest.Pattern(100_000, 1), remotetest.Pattern(100_000, 2)
		source := heldSource{second, make(chan struct{}), make(chan struct{})}
		late := make(chan error, 1)
		go func() { late <- slow.Put(t.Context(), key, source, remote.PutOptions{Create: true}) }()
		<-source.begun
		put(t, quick, key, first, remote.PutOptions{Create: true})
		close(source.rest)
		if err := <-late; !errors.Is(err, remote.ErrExist) {
			t.Errorf("the slow Put = %v, want %v", err, remote.ErrExist)
		}
		if got, err := read(t, quick, key); err != nil || !bytes.Equal(got, first) {
			t.Errorf("Get = %d bytes, %v, want those of the first", len(got), err)
		}
	})
}

// TestStalePair: a pair whose idle connection is closed just when it is used goes
// once more. When the first has arrived nevertheless, the second does not know
// who has made what it finds.
func TestStalePair(t *testing.T) {
	for name, arrives := range map[string]bool{"unread": false, "arrived": true} {
		t.Run(name, func(t *testing.T) {
			var s *shelf
			cut := false
			s, d := openShelf(t, func(name string, w http.ResponseWriter) bool {
				if name != "PUT /base/ab/TMP" || !cut {
					return false
				}
				cut = false
				if arrives {
					s.names["/base/ab/2"] = true
				}
				panic(http.ErrAbortHandler) // as a server does that is closing the connection
			})
			create := func(key remote.Key) error {
				return d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{Create: true})
			}
			if err := create("ab/1"); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			cut = true
			s.mu.Unlock()
			err := create("ab/2")
			if arrives && !errors.Is(err, remote.ErrUnavailable) || !arrives && err != nil {
				t.Errorf("Put over a closed connection = %v", err)
			}
			if s.mu.Lock(); !s.names["/base/ab/2"] {
				t.Error("it is not there")
			}
			s.mu.Unlock()
		})
	}
}
