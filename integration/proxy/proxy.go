package proxy

import (
	"context"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"

	"sstatefs/integration/servers"
)

// A Proxy hands HTTP requests on to a server, with or without faults.
type Proxy struct {
	URL string // "http://127.0.0.1:PORT"

	t         TB
	address   string // that it listens on
	target    *url.URL
	transport *http.Transport
	wg        sync.WaitGroup // servers that have been started, and requests

	mu      sync.Mutex
	ended   bool
	running *running // nil while connections are refused
	fault   Fault
	hit     int           // requests that the fault is for
	changed chan struct{} // closed when the fault changes
	counts  map[string]int
}

// Start starts a proxy without a fault before a server, whose endpoint is
// "http://127.0.0.1:PORT".
func Start(t TB, endpoint string) *Proxy {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	listener, err := servers.Listen()
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p := &Proxy{
		URL: "http://" + listener.Addr().String(), t: t, address: listener.Addr().String(), target: target,
		transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		changed:   make(chan struct{}), counts: map[string]int{},
	}
	p.serve(listener)
	t.Cleanup(p.close)
	return p
}

// A running is what answers on a listener.
type running struct {
	listener net.Listener
	server   *http.Server
}

// close closes the listener too: the server may not have got it yet.
func (r *running) close() {
	r.listener.Close()
	_ = r.server.Close()
}

// serve answers connections to a listener. The caller holds no lock.
func (p *Proxy) serve(listener net.Listener) {
	r := &running{listener, &http.Server{
		Handler:     http.HandlerFunc(p.handle),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}}
	p.mu.Lock()
	p.running = r
	p.mu.Unlock()
	p.wg.Go(func() { _ = r.server.Serve(listener) }) // until it is closed
}

// Set makes a fault the only one. Requests that hang in the one before lose
// their connections.
func (p *Proxy) Set(f Fault) {
	p.t.Helper()
	p.mu.Lock()
	p.fault, p.hit = f, 0
	close(p.changed)
	p.changed = make(chan struct{})
	r := p.running
	if f.kind == refuse {
		p.running = nil
	}
	p.mu.Unlock()
	switch {
	case f.kind == refuse && r != nil:
		r.close()
	case f.kind != refuse && r == nil:
		listener, err := net.Listen("tcp", p.address)
		if err != nil {
			p.t.Fatalf("proxy: %v", err)
		}
		p.serve(listener)
	}
}

// Heal ends a fault.
func (p *Proxy) Heal() {
	p.t.Helper()
	p.Set(Fault{})
}

// Counts tells how many requests of each verb have come, faulty ones included.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Hit tells how many requests the present fault has been for.
func (p *Proxy) Hit() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hit
}

// next counts a request and tells what is to be done to it, and until when.
func (p *Proxy) next(r *http.Request) (Fault, <-chan struct{}) {
	verb := verbOf(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[verb]++
	if p.fault.kind == none || !p.fault.isFor(verb) {
		return Fault{}, p.changed
	}
	p.hit++
	if !p.fault.hits(p.hit) {
		return Fault{}, p.changed
	}
	return p.fault, p.changed
}

// enter notes that a request is handled; false if the proxy has ended.
func (p *Proxy) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.wg.Add(1)
	}
	return !p.ended
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.ended = true
	r := p.running
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
	if r != nil {
		r.close()
	}
	p.wg.Wait()
}
