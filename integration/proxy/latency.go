package proxy

import (
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"sstatefs/integration/servers"
)

// TB is what is used of a testing.TB.
type TB interface {
	Helper()
	Cleanup(fn func())
	Fatalf(format string, args ...any)
}

// A Line is a TCP proxy that adds a round-trip time, and may have a rate.
type Line struct {
	URL string // "http://127.0.0.1:PORT"

	target   string // host:port
	rtt      time.Duration
	up, down *rate.Limiter // bytes to the server and back, of all connections; nil for no limit
	buffers  *sync.Pool    // of *[pieceSize]byte
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
	return Link(t, endpoint, rtt, 0)
}

// Link is Latency over a link of so many bytes a second each way, which all
// connections share; 0 is as fast as the machine. A piece begins its half rtt
// when the link has taken it, and each connection has one piece at a time wait
// for that: nothing queues for longer than these take.
func Link(t TB, endpoint string, rtt time.Duration, bytesPerSecond int64) *Line {
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
		up: limiter(bytesPerSecond), down: limiter(bytesPerSecond),
		buffers:  &sync.Pool{New: func() any { return new([pieceSize]byte) }},
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
	both.Go(func() { lane{server, client, l.rtt / 2, came.Add(l.rtt), l.up, l.buffers}.carry() })
	both.Go(func() { lane{client, server, l.rtt / 2, came, l.down, l.buffers}.carry() })
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
