package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// pairOf is a PUT with a body and a MOVE.
func pairOf(t *testing.T, address, body string) Pair {
	return Pair{
		First: func() (*http.Request, error) {
			return http.NewRequestWithContext(t.Context(), http.MethodPut, address+"/a", strings.NewReader(body))
		},
		Second: func() (*http.Request, error) {
			return http.NewRequestWithContext(t.Context(), "MOVE", address+"/a", nil)
		},
	}
}

func newPairs(t *testing.T) *Pairs {
	connections, err := New(remote.Access{})
	if err != nil {
		t.Fatal(err)
	}
	p := NewPairs(connections)
	t.Cleanup(p.CloseIdleConnections)
	return p
}

func wantCodes(t *testing.T, first, second *http.Response, want ...int) {
	t.Helper()
	var got []int
	for _, r := range []*http.Response{first, second} {
		if r != nil {
			got = append(got, r.StatusCode)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("answers are %v, want %v", got, want)
	}
}

// script is a server that has a function for each connection.
func script(t *testing.T, steps ...func(net.Conn, *bufio.Reader)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, step := range steps {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			step(conn, bufio.NewReader(conn))
			conn.Close()
		}
	})
	t.Cleanup(func() { listener.Close(); wg.Wait() })
	return "http://" + listener.Addr().String()
}

func receive(t *testing.T, in *bufio.Reader, method string) {
	r, err := http.ReadRequest(in)
	if err == nil && r.Method == method {
		_, err = io.Copy(io.Discard, r.Body)
	}
	if err != nil || r.Method != method {
		t.Errorf("the server got %+v, %v, want %s", r, err, method)
	}
}

const answered = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"

// TestPairsGoTogether: a server that answers nothing before it has both gets
// both, and the connection serves the next pair.
func TestPairsGoTogether(t *testing.T) {
	address := script(t, func(conn net.Conn, in *bufio.Reader) {
		for range 2 {
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, answered, "HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n")
		}
	})
	p := newPairs(t)
	for range 2 {
		between := 0
		pair := pairOf(t, address, "content")
		pair.Between = func() error { between++; return nil }
		first, second, err := p.Do(t.Context(), pair)
		if err != nil || between != 1 {
			t.Errorf("Do = %v with %d calls of Between, want 1", err, between)
		}
		wantCodes(t, first, second, 201, 412)
	}
}

// TestPairWithOneAhead: all three go together, whatever the first is answered, and
// its answer is heard before the others are there.
func TestPairWithOneAhead(t *testing.T) {
	heard := make(chan int, 2)
	told := make(chan struct{})
	ahead := func(conn net.Conn, in *bufio.Reader, answer string) {
		receive(t, in, "MKCOL")
		receive(t, in, "PUT")
		receive(t, in, "MOVE")
		fmt.Fprint(conn, answer)
		<-told
	}
	address := script(t,
		func(conn net.Conn, in *bufio.Reader) {
			ahead(conn, in, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
			fmt.Fprint(conn, answered, answered)
		},
		func(conn net.Conn, in *bufio.Reader) { // looks at nothing behind it
			ahead(conn, in, "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		},
	)
	p := newPairs(t)
	pair := pairOf(t, address, "content")
	pair.Ahead = func() (*http.Request, error) {
		return http.NewRequestWithContext(t.Context(), "MKCOL", address+"/folder/", nil)
	}
	pair.Heard = func(answer *http.Response) { heard <- answer.StatusCode; told <- struct{}{} }
	first, second, err := p.Do(t.Context(), pair)
	if err != nil {
		t.Fatalf("Do = %v", err)
	}
	wantCodes(t, first, second, 201, 201)
	p.CloseIdleConnections()
	first, second, err2 := p.Do(t.Context(), pair)
	if wantCodes(t, first, second); !errors.Is(err2, ErrStale) {
		t.Errorf("Do = %v where the server closes the connection, want %v", err2, ErrStale)
	}
	if a, b := <-heard, <-heard; a != 405 || b != 201 {
		t.Errorf("heard %d and %d, want 405 and 201", a, b)
	}
}

// TestPairEndsEarly: what the server does not answer is told, and the next pair
// gets through.
func TestPairEndsEarly(t *testing.T) {
	address := script(t,
		func(conn net.Conn, in *bufio.Reader) { // the last request of a connection
			receive(t, in, "PUT")
			fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		},
		func(conn net.Conn, in *bufio.Reader) { // refused before it is read
			fmt.Fprint(conn, "HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, in)
		},
		func(conn net.Conn, in *bufio.Reader) { // the answer to the second is lost
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, answered)
		},
		func(conn net.Conn, in *bufio.Reader) { receive(t, in, "PUT") }, // no answer
		func(conn net.Conn, in *bufio.Reader) { // closed when idle
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, answered, answered)
		},
		func(conn net.Conn, in *bufio.Reader) {
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, answered, answered)
			_, _ = io.CopyN(io.Discard, in, 1000) // the next is not sent again
		},
		func(conn net.Conn, in *bufio.Reader) {
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, answered, answered)
		},
	)
	p := newPairs(t)
	for n, want := range [][]int{{204}, {409}, {201}, {}, {201, 201}, {201, 201}, {}, {201, 201}} {
		if n == 5 && !remotetest.Eventually(func() bool { return !isQuiet(p.idle[0].conn) }) {
			t.Fatal("the idle connection is not closed")
		}
		first, second, err := p.Do(t.Context(), pairOf(t, address, strings.Repeat("x", 1<<20)))
		if (err != nil) != (len(want) == 0) {
			t.Errorf("Do = %v, want answers %v", err, want)
		}
		if errors.Is(err, ErrStale) != (n == 6) { // the fourth connection was a new one
			t.Errorf("pair %d: Do = %v", n, err)
		}
		wantCodes(t, first, second, want...)
	}
}

// TestPairFailsHere: nothing follows a body that failed, and the error is ours.
func TestPairFailsHere(t *testing.T) {
	own := errors.New("own")
	for name, change := range map[string]func(*Pair){
		"body": func(p *Pair) {
			first := p.First
			p.First = func() (*http.Request, error) {
				r, err := first()
				r.Body = io.NopCloser(io.MultiReader(strings.NewReader("half"), failing{own}))
				return r, err
			}
		},
		"between": func(p *Pair) { p.Between = func() error { return own } },
	} {
		t.Run(name, func(t *testing.T) {
			address := script(t, func(_ net.Conn, in *bufio.Reader) {
				r, err := http.ReadRequest(in)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				if more, _ := io.ReadAll(in); len(more) > 0 {
					t.Errorf("the server got %q too", more)
				}
			})
			pair := pairOf(t, address, "content")
			change(&pair)
			if _, _, err := newPairs(t).Do(t.Context(), pair); err == nil || err.Error() != own.Error() {
				t.Errorf("Do = %v, want %v", err, own)
			}
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestPairEndsWithContext: a server that hangs holds nobody.
func TestPairEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	address := script(t, func(_ net.Conn, in *bufio.Reader) {
		receive(t, in, "PUT")
		cancel()
		_, _ = io.Copy(io.Discard, in)
	})
	if _, _, err := newPairs(t).Do(ctx, pairOf(t, address, "content")); !errors.Is(err, context.Canceled) {
		t.Errorf("Do = %v, want %v", err, context.Canceled)
	}
}

// TestPairsAreSecure: the certificates are those of the transport.
func TestPairsAreSecure(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	defer server.Close()
	p := newPairs(t)
	pair := pairOf(t, server.URL, "")
	if _, _, err := p.Do(t.Context(), pair); err == nil {
		t.Errorf("a server that nobody vouches for is trusted")
	}
	p.transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
	for range 2 {
		first, second, err := p.Do(t.Context(), pair)
		if err != nil {
			t.Fatalf("Do = %v", err)
		}
		wantCodes(t, first, second, 201, 201)
	}
	if len(p.idle) != 1 {
		t.Errorf("%d connections are kept, want 1", len(p.idle))
	}
}

// TestNoPairsThroughProxy: a proxy is not gone around.
func TestNoPairsThroughProxy(t *testing.T) {
	p := newPairs(t)
	p.transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse("http://127.0.0.1:1") }
	if _, _, err := p.Do(t.Context(), pairOf(t, "http://127.0.0.1:1", "")); !errors.Is(err, ErrNoPairs) {
		t.Errorf("Do = %v, want %v", err, ErrNoPairs)
	}
}
