package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestLongHeader: a header without an end ends the pair, on a connection that
// was used before as well, and fills no memory.
func TestLongHeader(t *testing.T) {
	const most = 16 << 20
	for name, before := range map[string]int{"new connection": 0, "used connection": 1} {
		for _, line := range []string{"X: " + strings.Repeat("x", 1000) + "\r\n", strings.Repeat("x", 1000), "\r\nHTTP/1.1 100 Continue\r\n"} {
			t.Run(name, func(t *testing.T) {
				sent := make(chan int, 1)
				address := script(t, func(conn net.Conn, in *bufio.Reader) {
					for range before {
						receive(t, in, "PUT")
						receive(t, in, "MOVE")
						fmt.Fprint(conn, answered, answered)
					}
					receive(t, in, "PUT")
					n, _ := io.WriteString(conn, "HTTP/1.1 100 Continue\r\n")
					for part := strings.Repeat(line, 100); n < most; {
						m, err := io.WriteString(conn, part)
						if n += m; err != nil {
							break
						}
					}
					sent <- n
				})
				p := newPairs(t)
				for range before {
					if _, _, err := p.Do(t.Context(), pairOf(t, address, "content")); err != nil {
						t.Fatal(err)
					}
				}
				if _, _, err := p.Do(t.Context(), pairOf(t, address, "content")); err == nil || err.Error() != errHeader.Error() {
					t.Errorf("Do = %v, want %v", err, errHeader)
				}
				if n := <-sent; n >= most {
					t.Errorf("%d bytes of header were taken", n)
				}
			})
		}
	}
}

// TestManyAnswers: the limit is that of one answer, not of a connection.
func TestManyAnswers(t *testing.T) {
	const pairs = 30
	long := "HTTP/1.1 201 Created\r\nX: " + strings.Repeat("x", 60<<10) + "\r\nContent-Length: 0\r\n\r\n"
	address := script(t, func(conn net.Conn, in *bufio.Reader) {
		for range pairs {
			receive(t, in, "PUT")
			receive(t, in, "MOVE")
			fmt.Fprint(conn, long, long)
		}
	})
	p := newPairs(t)
	for range pairs {
		first, second, err := p.Do(t.Context(), pairOf(t, address, "content"))
		if err != nil {
			t.Fatalf("Do = %v", err)
		}
		wantCodes(t, first, second, 201, 201)
	}
}

type watched struct {
	io.Reader
	closed *bool
}

func (w watched) Close() error {
	*w.closed = true
	return nil
}

// TestAheadFails: the body behind a request that cannot be sent is closed.
func TestAheadFails(t *testing.T) {
	p := newPairs(t)
	p.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		conn, other := net.Pipe()
		return conn, other.Close()
	}
	const address = "http://192.0.2.1"
	closed := false
	pair := pairOf(t, address, "content")
	pair.First = func() (*http.Request, error) {
		return http.NewRequestWithContext(t.Context(), http.MethodPut, address, watched{strings.NewReader("content"), &closed})
	}
	pair.Ahead = func() (*http.Request, error) {
		return http.NewRequestWithContext(t.Context(), "MKCOL", address+"/folder/", nil)
	}
	pair.Heard = func(*http.Response) { t.Error("there is an answer") }
	if _, _, err := p.Do(t.Context(), pair); err == nil || errors.Is(err, ErrNoPairs) {
		t.Errorf("Do = %v, want the error of the connection", err)
	}
	if !closed {
		t.Error("the body is not closed")
	}
}
