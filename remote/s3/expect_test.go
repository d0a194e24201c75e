package s3

import (
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// TestServerIsAskedLate: a content goes without a question first, which would
// take a round trip, unless it is large.
func TestServerIsAskedLate(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	var mu sync.Mutex
	var expect []string
	f.set(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		expect = append(expect, r.Header.Get("Expect"))
		return false
	})
	for n, size := range []int{4 << 20, askLimit - 1, askLimit} {
		src := remotetest.Bytes(make([]byte, size))
		if err := b.Put(t.Context(), remotetest.Key(n), src, remote.PutOptions{Create: true}); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(expect) != 3 || expect[0] != "" || expect[1] != "" || expect[2] != "100-continue" {
		t.Errorf("Put says Expect: %q, want nothing twice and then 100-continue", expect)
	}
}

// TestTakenOnServers: what is refused is heard, also from versitygw 1.8, which
// closes the connection while it is written to, asked or not.
func TestTakenOnServers(t *testing.T) {
	eachServer(t, func(t *testing.T, srv *servers.Server) {
		b := mustOpen(t, srv.Address, remote.OpenOptions{})
		create := remote.PutOptions{Create: true}
		if err := b.Put(t.Context(), key, remotetest.Bytes("theirs"), create); err != nil {
			t.Fatal(err)
		}
		src := remotetest.Bytes(make([]byte, 4<<20))
		for range 5 {
			if err := b.Put(t.Context(), key, src, create); !errors.Is(err, remote.ErrExist) {
				t.Errorf("Put = %v, want %v", err, remote.ErrExist)
			}
		}
	})
}

// TestResetIsLookedInto: a create whose connection breaks is refused if the name
// is taken, and else a failure.
func TestResetIsLookedInto(t *testing.T) {
	f := newFake(t)
	b := f.known(t)
	taken, free := remotetest.Key(1), remotetest.Key(2)
	if err := b.Put(t.Context(), taken, remotetest.Bytes("theirs"), remote.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return true
		}
		_ = c.(*net.TCPConn).SetLinger(0) // a reset, not an end
		_ = c.Close()
		return true
	})
	src := remotetest.Bytes(make([]byte, 4<<20))
	for key, want := range map[remote.Key]error{taken: remote.ErrExist, free: remote.ErrUnavailable} {
		if err := b.Put(t.Context(), key, src, remote.PutOptions{Create: true}); !errors.Is(err, want) {
			t.Errorf("Put of %s = %v, want %v", key, err, want)
		}
		if err := b.Put(t.Context(), key, src, remote.PutOptions{}); !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("Put of %s = %v, want %v", key, err, remote.ErrUnavailable)
		}
	}
}
