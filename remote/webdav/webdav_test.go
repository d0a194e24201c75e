package webdav

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

func TestMain(m *testing.M) {
	remotetest.Child(Open)
	os.Exit(m.Run())
}

const key = remote.Key("ab/cd/sstate:x")

func put(t *testing.T, d *DAV, key remote.Key, content []byte, o remote.PutOptions) {
	t.Helper()
	if err := d.Put(t.Context(), key, remotetest.Bytes(content), o); err != nil {
		t.Fatalf("Put(%q) = %v", key, err)
	}
}

func read(t *testing.T, d *DAV, key remote.Key) ([]byte, error) {
	t.Helper()
	body, _, err := d.Get(t.Context(), key, 0)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// noHome is an environment without credentials.
func noHome(string) string { return "" }

func mustOpen(t *testing.T, address string, o remote.OpenOptions) *DAV {
	t.Helper()
	if o.Access.Getenv == nil {
		o.Access.Getenv = noHome
	}
	r, err := Open(t.Context(), address, o)
	if err != nil {
		t.Fatalf("Open(%q) = %v", address, err)
	}
	t.Cleanup(func() { _ = r.(*DAV).Close() })
	return r.(*DAV)
}

// A site is a server whose folders are fresh remotes.
type site struct {
	server  *servers.Server
	folders atomic.Int64
	learned string // of its first remote, for the others
}

func newSite(t *testing.T, kind servers.Kind) *site {
	s := &site{server: servers.Start(t, kind)}
	d := mustOpen(t, s.fresh(t), remote.OpenOptions{})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	if err := d.Explore(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.learned = d.Learned()
	t.Logf("%s learned: %s", kind, s.learned)
	return s
}

// fresh makes a folder through the server, because rclone does not notice what
// others make.
func (s *site) fresh(t *testing.T) string {
	t.Helper()
	address := fmt.Sprintf("%s/a%%20b%%2B%d", s.server.Address, s.folders.Add(1))
	do(t, "MKCOL", address+"/", nil, http.StatusCreated)
	return address
}

// do sends a request as another tool would.
func do(t *testing.T, method, url string, header map[string]string, want int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	req.Close = true // Apache closes connections that are kept when it likes
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	discard(res)
	if res.StatusCode != want {
		t.Fatalf("%s %s = %d, want %d", method, url, res.StatusCode, want)
	}
}

// harness gives a fresh root. The probe's findings are taken over, which the
// first remote made.
func (s *site) harness(t *testing.T) remotetest.Harness {
	address := s.fresh(t)
	return remotetest.Harness{
		Remote:  mustOpen(t, address, remote.OpenOptions{Learned: s.learned}),
		Address: address,
		Broken:  s.broken(),
		HideRoot: func(t *testing.T) func() {
			move := func(from, to string) {
				do(t, "MOVE", from+"/", map[string]string{"Destination": to + "/", "Overwrite": "F"}, http.StatusCreated)
			}
			move(address, address+".away")
			return func() { move(address+".away", address) } // Overwrite: F fails when something is there
		},
	}
}

// broken are promises that a server breaks. TestReplaceSameSize tests what is
// left of this one.
func (s *site) broken() map[string]string {
	if s.server.Kind == servers.Nginx {
		return nil // it asks the file that it has opened
	}
	all := map[string]string{
		"Replace": "the server tells the length of the file that it finds, and then opens the one that replaced it",
	}
	if s.server.Kind == servers.RcloneWebDAV {
		all["ListWhileChanging"] = "the server replaces by a removal and a rename: a listing in between misses the object"
	}
	return all
}

// TestReplaceSameSize: readers see the old or the new content, whole, where
// both have the same length, as those of a touch have.
func TestReplaceSameSize(t *testing.T) {
	t.Parallel()
	for _, kind := range servers.WebDAV() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			d := mustOpen(t, newSite(t, kind).fresh(t), remote.OpenOptions{})
			contents := [][]byte{remotetest.Pattern(200_000, 1), remotetest.Pattern(200_000, 2)}
			put(t, d, key, contents[0], remote.PutOptions{})
			done := make(chan struct{})
			var reader sync.WaitGroup
			reader.Go(func() {
				for !isClosed(done) {
					got, err := read(t, d, key)
					if !errors.Is(err, remote.ErrNotExist) && !errors.Is(err, errReplaced) && !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
						t.Errorf("reader saw %d bytes, %v, want one content whole", len(got), err)
					}
				}
			})
			for i := range 50 {
				put(t, d, key, contents[1-i%2], remote.PutOptions{})
			}
			close(done)
			reader.Wait()
		})
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for _, kind := range servers.WebDAV() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			remotetest.Suite(t, newSite(t, kind).harness)
		})
	}
}

// TestSuiteGuarded: a guard takes no promise away.
func TestSuiteGuarded(t *testing.T) {
	t.Parallel()
	remotetest.Suite(t, remotetest.Guarded(newSite(t, servers.Apache).harness))
}
