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
	"time"
)

// shortPut says that its body is longer than it is.
func shortPut(t *testing.T, address string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address+"/a", io.NopCloser(strings.NewReader("half")))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 8
	return r
}

// TestBreak: the server gets the half and sees its end, whatever it then does.
func TestBreak(t *testing.T) {
	half := func(in *bufio.Reader) {
		r, err := http.ReadRequest(in)
		if err != nil {
			t.Error(err)
			return
		}
		if got, err := io.ReadAll(r.Body); string(got) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the server got %q, %v, want half of it", got, err)
		}
	}
	hang := make(chan struct{})
	address := script(t,
		func(conn net.Conn, in *bufio.Reader) {
			half(in)
			fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		},
		func(_ net.Conn, in *bufio.Reader) { half(in) },
		func(_ net.Conn, in *bufio.Reader) { half(in); <-hang },
	)
	p := newPairs(t)
	if answer, err := p.Break(t.Context(), shortPut(t, address)); err != nil || answer == nil || answer.StatusCode != 400 {
		t.Errorf("Break = %+v, %v, want the answer", answer, err)
	}
	if answer, err := p.Break(t.Context(), shortPut(t, address)); err != nil || answer != nil {
		t.Errorf("Break = %+v, %v of a server that closes the connection", answer, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Break(ctx, shortPut(t, address)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Break = %v of a server that hangs, want %v", err, context.DeadlineExceeded)
	}
	close(hang)
}
