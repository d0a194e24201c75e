package transport

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// deferring is a listener like Apache's: the kernel keeps connections to itself
// until something is sent.
func deferring(t *testing.T) net.Listener {
	t.Helper()
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 30)
		})
		if err != nil {
			return err
		}
		return failed
	}}
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestUnusedConnection: a connection that was made for a request which found another
// one is as good as new when it is used, however long after.
func TestUnusedConnection(t *testing.T) {
	t.Parallel()
	working := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-working
		}
	}))
	server.Listener.Close()
	server.Listener = deferring(t)
	server.Start()
	defer server.Close()

	tr, err := New(remote.Access{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.CloseIdleConnections()
	dial := tr.DialContext
	dialed, handOver := make(chan struct{}, 10), make(chan struct{})
	var first sync.Once
	tr.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		mine := false
		first.Do(func() { mine = true })
		dialed <- struct{}{}
		if !mine {
			<-handOver
		}
		return conn, err
	}
	get := func(path string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		answer, err := tr.RoundTrip(r)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	both := func(a, b string, between func()) {
		var two sync.WaitGroup
		two.Go(func() { get(a) })
		<-dialed
		two.Go(func() { get(b) })
		between()
		two.Wait()
	}
	both("/slow", "/quick", func() { <-dialed; close(working) })
	close(handOver) // the second connection has carried nothing
	time.Sleep(17 * time.Second)
	var two sync.WaitGroup
	for range 2 {
		two.Go(func() { get("/later") })
	}
	two.Wait()
}
