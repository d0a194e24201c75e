package proxy

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"sstatefs/integration/servers"
)

// TB is what is used of a testing.TB.
type TB interface {
	Helper()
	Cleanup(fn func())
	Fatalf(format string, args ...any)
}

// A Line is a TCP proxy that adds a round-trip time.
type Line struct {
	URL string // "http://127.0.0.1:PORT"

	target   string // host:port
	rtt      time.Duration
	listener net.Listener

	wg    sync.WaitGroup
	mu    sync.Mutex
	open  map[net.Conn]bool
	ended bool
}

// Latency puts a line of a length of rtt before a server, whose endpoint is
// "http://127.0.0.1:PORT". Data is pipelined: each piece leaves half an rtt
// after it came in, however much is on its way. The first bytes of a new
// connection wait for one rtt more, as the handshake of TCP would make them.
func Latency(t TB, endpoint string, rtt time.Duration) *Line {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	listener, err := servers.Listen()
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	l := &Line{
		URL: "http://" + listener.Addr().String(), target: u.Host, rtt: rtt,
		listener: listener, open: map[net.Conn]bool{},
	}
	l.wg.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *Line) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.wg.Go(func() { l.join(client, time.Now()) })
	}
}

// join connects a client that came at a time with the server.
func (l *Line) join(client net.Conn, came time.Time) {
	defer client.Close()
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !l.keep(client, server) {
		return
	}
	defer l.forget(client, server)
	var both sync.WaitGroup
	both.Go(func() { carry(server, client, l.rtt/2, came.Add(l.rtt)) })
	both.Go(func() { carry(client, server, l.rtt/2, came) })
	both.Wait()
}

// keep notes connections that close has to end; false if that has been.
func (l *Line) keep(conns ...net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.open[c] = true
	}
	return !l.ended
}

func (l *Line) forget(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		delete(l.open, c)
	}
}

func (l *Line) close() {
	l.listener.Close()
	l.mu.Lock()
	l.ended = true
	for c := range l.open {
		c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// pieceSize bounds a piece on its way, in bytes; pieces of them are on a line
// at most: 16 MiB, more than what a window of TCP lets through.
const (
	pieceSize = 32 << 10
	pieces    = 512
)

type piece struct {
	due     time.Time
	content []byte
}

// carry takes bytes from one end to the other, each delayed, none before a
// time.
func carry(to, from net.Conn, delay time.Duration, first time.Time) {
	way := make(chan piece, pieces)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		take(way, from, delay, first)
	})
	for p := range way {
		time.Sleep(time.Until(p.due))
		if len(p.content) == 0 {
			break
		}
		if _, err := to.Write(p.content); err != nil {
			from.Close() // nobody hears the sender any more
			break
		}
	}
	if c, ok := to.(*net.TCPConn); ok {
		_ = c.CloseWrite() // it may be closed
	}
	for range way { // until the reader has ended
	}
	reader.Wait()
}

// take reads what is sent until its end, which takes its time too. A broken
// connection breaks the other one.
func take(way chan<- piece, from net.Conn, delay time.Duration, first time.Time) {
	for {
		content := make([]byte, pieceSize)
		n, err := from.Read(content)
		due := time.Now()
		if due.Before(first) {
			due = first
		}
		if n > 0 {
			way <- piece{due.Add(delay), content[:n]}
		}
		if errors.Is(err, io.EOF) {
			way <- piece{due.Add(delay), nil}
		}
		if err != nil {
			return
		}
	}
}
