package ctl

import (
	"container/list"
	"net"
	"net/http"
	"sync"
	"time"
)

// waitLimit is how long a connection may wait for its request when there are too
// many.
const waitLimit = 500 * time.Millisecond

// limitListener has at most a fixed number of connections open. Beyond it the
// one goes that has been waiting longest for a request: whoever opens many and
// says nothing, or half of something, keeps nobody out.
type limitListener struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex // guards waiting, and place and since of its connections
	waiting *list.List // of *limitConn, the longest first
}

func newLimitListener(l net.Listener, limit int) *limitListener {
	return &limitListener{
		Listener: l, slots: make(chan struct{}, limit), closed: make(chan struct{}), waiting: list.New(),
	}
}

func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.enter() {
		conn.Close()
		return nil, net.ErrClosed
	}
	c := &limitConn{UnixConn: conn.(*net.UnixConn)}
	c.free = sync.OnceFunc(func() {
		l.busy(c)
		<-l.slots
	})
	return c, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// observe is the http.Server's ConnState. A connection is active once the head
// of its request has come whole.
func (l *limitListener) observe(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*limitConn)
	switch {
	case !ok:
	case state == http.StateNew, state == http.StateIdle:
		l.mu.Lock()
		c.since = time.Now()
		c.place = l.waiting.PushBack(c)
		l.mu.Unlock()
	default:
		l.busy(c)
	}
}

// busy notes that a connection does not wait for a request any more.
func (l *limitListener) busy(c *limitConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil {
		l.waiting.Remove(c.place)
		c.place = nil
	}
}

// enter waits for a slot. It is false when the listener was closed.
func (l *limitListener) enter() bool {
	for {
		select {
		case l.slots <- struct{}{}:
			return true
		default:
		}
		patience := time.NewTimer(l.dropLongest())
		select {
		case l.slots <- struct{}{}:
			patience.Stop()
			return true
		case <-l.closed:
			patience.Stop()
			return false
		case <-patience.C:
		}
	}
}

// dropLongest closes the connection that waits longest, if it does so for
// waitLimit: a command sends its request at once. It returns when to look again.
func (l *limitListener) dropLongest() time.Duration {
	l.mu.Lock()
	first := l.waiting.Front()
	if first == nil {
		l.mu.Unlock()
		return waitLimit
	}
	c := first.Value.(*limitConn)
	rest := waitLimit - time.Since(c.since)
	l.mu.Unlock()
	if rest > 0 {
		return rest
	}
	_ = c.Close() // its client hears of it
	return 0
}

// limitConn gives its slot back when it is closed.
type limitConn struct {
	*net.UnixConn
	free  func()
	place *list.Element // in waiting, nil while it is served
	since time.Time     // when it was put there
}

func (c *limitConn) Close() error {
	defer c.free()
	return c.UnixConn.Close()
}
