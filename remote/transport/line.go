package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// answerLimit bounds the body of an answer that nobody reads, in bytes: one
// that is longer ends its connection.
const answerLimit = 64 << 10

// headerLimit bounds the header of an answer, and those of 1xx before it, in
// bytes. net/http holds all of a header in memory; what is left of the limit by
// a short one goes to the rest of a body that nobody reads.
const headerLimit = 1 << 20

var errHeader = errors.New("the header of the answer is longer than 1 MiB")

// A line is a connection for pairs.
type line struct {
	conn    net.Conn
	address string
	limited *io.LimitedReader // below in
	in      *bufio.Reader
	out     *bufio.Writer
	broken  atomic.Pointer[error] // of a write
	used    bool                  // it has carried a pair
	since   time.Time             // when that was
}

func addressOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// dialLine connects as t would.
func dialLine(ctx context.Context, t *http.Transport, u *url.URL) (*line, error) {
	address := addressOf(u)
	conn, err := t.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "https" {
		config := t.TLSClientConfig.Clone()
		config.ServerName = u.Hostname()
		secure := tls.Client(conn, config)
		ctx, cancel := context.WithTimeout(ctx, t.TLSHandshakeTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		conn = secure
	}
	l := &line{conn: conn, address: address}
	l.limited = &io.LimitedReader{R: conn}
	l.in = bufio.NewReader(l.limited)
	l.out = bufio.NewWriterSize(writes{l}, t.WriteBufferSize)
	return l, nil
}

// writes notes why a connection took no more, to tell that from a body that
// gave no more.
type writes struct{ *line }

func (w writes) Write(p []byte) (int, error) {
	n, err := w.conn.Write(p)
	if err != nil {
		w.broken.Store(&err)
	}
	return n, err
}

// failed is why the connection took no more.
func (l *line) failed() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

func (l *line) write(r *http.Request) error {
	if err := r.Write(l.out); err != nil {
		return err
	}
	return l.out.Flush()
}

// read reads one answer and drops its body.
func (l *line) read(r *http.Request) (*http.Response, error) {
	l.limited.N = headerLimit + answerLimit
	for {
		answer, err := http.ReadResponse(l.in, r)
		if err != nil && l.limited.N <= 0 {
			return nil, errHeader
		}
		if err != nil {
			return nil, err
		}
		if answer.StatusCode/100 == 1 {
			continue
		}
		n, err := io.CopyN(io.Discard, answer.Body, answerLimit+1)
		_ = answer.Body.Close()
		if n > answerLimit || !errors.Is(err, io.EOF) {
			answer.Close = true
		}
		answer.Body = http.NoBody
		return answer, nil
	}
}

// isQuiet tells that the server has neither closed an idle connection nor sent
// anything over it.
func isQuiet(conn net.Conn) bool {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = control.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errors.Is(err, unix.EAGAIN)
		return true
	})
	return err == nil && quiet
}
