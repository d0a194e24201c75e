package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Pairs sends two requests one behind the other over one connection, the second
// before the first is answered: a server answers requests of one connection in
// their order, and one that changes something only after those before it
// (RFC 9112, section 9.3.2). So a PUT and what follows from it take one round
// trip instead of two. net/http cannot do that.
//
// The connections are those of a http.Transport in all but that: same dialer,
// same certificates. Through a proxy for HTTP nothing is sent.
type Pairs struct {
	transport *http.Transport

	mu   sync.Mutex
	idle []*line // the last that was used is the last
}

// pairsIdle bounds the connections that are kept.
const pairsIdle = 32

// ErrNoPairs says that nothing was sent, because there is a proxy in between.
var ErrNoPairs = errors.New("no pairs of requests through a proxy")

// ErrStale says that a connection that had carried a pair before brought no
// answer: servers close idle ones when they like, also one that is just used.
// Or that the server has closed it behind its answer to Ahead.
var ErrStale = errors.New("the server closed the connection")

// NewPairs gives Pairs over connections like those of t.
func NewPairs(t *http.Transport) *Pairs { return &Pairs{transport: t} }

// A Pair is what Do sends.
type Pair struct {
	First  func() (*http.Request, error)
	Second func() (*http.Request, error)

	// Ahead is a request without a body that goes before First, in the same
	// round trip; nil for none. Whatever is answered, First counts: Heard gets
	// the answer as soon as it is there.
	Ahead func() (*http.Request, error)
	Heard func(*http.Response)

	// Between is called when First is sent with its body and Second is not.
	// After an error nothing more is sent and the connection is broken off.
	Between func() error
}

// Do sends a pair. Answers come without bodies. One that did not come is nil:
// the second where the server ends the connection after the first, or has
// refused the first. An error means that there is no answer at all, or that
// one of the functions has failed.
//
// Nothing is sent twice, not even after ErrStale: the second of the first try
// could meet what the first of the second try has begun, or the reverse.
func (p *Pairs) Do(ctx context.Context, pair Pair) (first, second *http.Response, err error) {
	a, err := pair.First()
	if err != nil {
		return nil, nil, err
	}
	b, err := pair.Second()
	if err != nil {
		closeBody(a)
		return nil, nil, err
	}
	x := exchange{first: a, second: b, between: pair.Between, heard: pair.Heard}
	if pair.Ahead != nil {
		x.ahead, err = pair.Ahead()
	}
	if err == nil {
		x.line, err = p.take(ctx, a)
	}
	if err != nil {
		closeBody(a)
		return nil, nil, err
	}
	return p.exchange(ctx, &x)
}

func (p *Pairs) exchange(ctx context.Context, x *exchange) (first, second *http.Response, err error) {
	l := x.line
	x.run(ctx)
	if x.keep {
		p.give(l)
	} else {
		_ = l.conn.Close()
	}
	err = x.err(ctx)
	if x.answers[0] == nil && l.used {
		p.CloseIdleConnections() // they may be as dead
		if x.own == nil && ctx.Err() == nil && !errors.Is(err, ErrStale) && !errors.Is(err, errHeader) {
			err = fmt.Errorf("%w: %w", ErrStale, err)
		}
	}
	return x.answers[0], x.answers[1], err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// CloseIdleConnections closes what is not in use.
func (p *Pairs) CloseIdleConnections() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, l := range idle {
		_ = l.conn.Close()
	}
}

// take gives a connection for r.
func (p *Pairs) take(ctx context.Context, r *http.Request) (*line, error) {
	if p.isProxied(r) {
		return nil, ErrNoPairs
	}
	address := addressOf(r.URL)
	for {
		l := p.last(address)
		if l == nil {
			return dialLine(ctx, p.transport, r.URL)
		}
		if time.Since(l.since) < idleTimeout && isQuiet(l.conn) {
			return l, nil
		}
		_ = l.conn.Close()
	}
}

func (p *Pairs) isProxied(r *http.Request) bool {
	if p.transport.Proxy == nil {
		return false
	}
	proxy, err := p.transport.Proxy(r)
	return err != nil || proxy != nil
}

// last takes the idle connection to address that was used last.
func (p *Pairs) last(address string) *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if l := p.idle[i]; l.address == address {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return l
		}
	}
	return nil
}

// give keeps a connection for the next pair.
func (p *Pairs) give(l *line) {
	l.used, l.since = true, time.Now()
	p.mu.Lock()
	p.idle = append(p.idle, l)
	var old *line
	if len(p.idle) > pairsIdle {
		old, p.idle = p.idle[0], p.idle[1:]
	}
	p.mu.Unlock()
	if old != nil {
		_ = old.conn.Close()
	}
}

// An exchange is one pair on one connection.
type exchange struct {
	line          *line
	ahead         *http.Request // may be nil
	first, second *http.Request
	between       func() error
	heard         func(*http.Response)

	answers [2]*http.Response
	keep    bool  // the connection can be used again
	own     error // of a body or Between
	lost    error // of the connection
}

// run sends in a goroutine of its own: a server may answer before it has read
// all.
func (x *exchange) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = x.line.conn.Close() })
	defer stop()
	sent := make(chan error, 1)
	go func() {
		err := x.send()
		if err != nil && x.line.failed() == nil { // ours: the server waits for more
			_ = x.line.conn.Close()
		}
		sent <- err
	}()
	x.lost = x.receive()
	if x.answers[1] == nil { // whatever is still on its way is given up
		_ = x.line.conn.Close()
	}
	if err := <-sent; err != nil {
		x.keep = false
		if x.line.failed() == nil {
			x.own = err
		}
	}
}

func (x *exchange) send() error {
	if x.ahead != nil {
		if err := x.line.write(x.ahead); err != nil {
			closeBody(x.first) // which nobody else does now
			return err
		}
	}
	if err := x.line.write(x.first); err != nil {
		return err
	}
	if x.between != nil {
		if err := x.between(); err != nil {
			return err
		}
	}
	return x.line.write(x.second)
}

// receive reads the answers.
func (x *exchange) receive() error {
	if x.ahead != nil {
		answer, err := x.line.read(x.ahead)
		if err != nil {
			return err
		}
		x.heard(answer)
		if answer.Close {
			return ErrStale // nothing behind it is looked at (RFC 9112, section 9.6)
		}
	}
	for i, r := range []*http.Request{x.first, x.second} {
		answer, err := x.line.read(r)
		if err != nil {
			return err
		}
		x.answers[i] = answer
		x.keep = i == 1 && !answer.Close
		if answer.Close || answer.StatusCode/100 != 2 && i == 0 {
			return nil
		}
	}
	return nil
}

// err is that of Do.
func (x *exchange) err(ctx context.Context) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case x.own != nil:
		return x.own
	case x.answers[0] == nil:
		return x.lost
	}
	return nil
}
