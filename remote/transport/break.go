package transport

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// errWhole is a body that did not end early.
var errWhole = errors.New("the body is as long as it says")

// Break sends a request whose body is shorter than it says and ends there, over
// a connection of its own. It returns when the server has given the request up,
// which it tells by an answer, nil if it just closes the connection. Unlike a
// connection that is cut off this can be waited for.
func (p *Pairs) Break(ctx context.Context, r *http.Request) (*http.Response, error) {
	defer closeBody(r)
	if p.isProxied(r) {
		return nil, ErrNoPairs
	}
	l, err := dialLine(ctx, p.transport, r.URL)
	if err != nil {
		return nil, err
	}
	defer l.conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	defer stop()
	if err := r.Write(l.out); err == nil {
		return nil, errWhole
	}
	_ = l.out.Flush() // a server may have closed by now
	if half, ok := l.conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	answer, err := l.read(r)
	var late net.Error
	if ctx.Err() != nil || errors.As(err, &late) && late.Timeout() {
		return nil, errors.Join(ctx.Err(), err)
	}
	return answer, nil
}
