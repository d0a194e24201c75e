package proxy

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// handle answers one request. To end a connection it panics with
// ErrAbortHandler, which net/http takes as that.
func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	if !p.enter() {
		panic(http.ErrAbortHandler)
	}
	defer p.wg.Done()
	fault, changed := p.next(r)
	switch fault.kind {
	case refuse: // it came before the port was closed
		panic(http.ErrAbortHandler)
	case blackHole:
		<-changed
		panic(http.ErrAbortHandler)
	case status:
		_, _ = io.Copy(io.Discard, r.Body) // or the client may not get to see the answer
		if fault.time > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(fault.time.Seconds())))
		}
		w.WriteHeader(int(fault.amount))
		return
	case delay:
		await(r, fault.time, changed)
	}
	p.forward(w, r, fault, changed)
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request, fault Fault, changed <-chan struct{}) {
	out := p.outgoing(r)
	if r.ContentLength != 0 {
		out.Body = io.NopCloser(spoil(r.Body, fault, changed))
	}
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		abort(r, fault)
	}
	defer resp.Body.Close()
	if fault.kind == loseAnswer {
		_, _ = io.Copy(io.Discard, resp.Body) // it has been done when this ends
		panic(http.ErrAbortHandler)
	}
	retell(resp, fault)
	body := spoil(resp.Body, fault, changed)
	maps.Copy(w.Header(), resp.Header)
	if fault.kind == truncate && resp.ContentLength > fault.amount {
		body = io.LimitReader(resp.Body, fault.amount)
		w.Header().Set("Content-Length", strconv.FormatInt(fault.amount, 10))
	}
	w.WriteHeader(resp.StatusCode)
	if err := pass(w, body); err != nil {
		abort(r, fault)
	}
}

// await lets a request wait, as long as its client does.
func await(r *http.Request, d time.Duration, changed <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-r.Context().Done():
	}
}

// connKey finds the connection of a request in its context.
type connKey struct{}

// abort ends the connection of a request, as the fault has it.
func abort(r *http.Request, f Fault) {
	if conn, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok && f.kind == reset {
		_ = conn.SetLinger(0) // then close sends RST
	}
	panic(http.ErrAbortHandler)
}

// outgoing is the request as the server gets it: the same one.
func (p *Proxy) outgoing(r *http.Request) *http.Request {
	out := r.Clone(r.Context())
	out.URL = &url.URL{
		Scheme: p.target.Scheme, Host: p.target.Host,
		Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery,
	}
	out.RequestURI = ""
	out.Header.Del("Connection")
	if out.Header.Get("User-Agent") == "" {
		out.Header.Set("User-Agent", "") // or net/http puts its own
	}
	if r.ContentLength == 0 {
		out.Body = nil
	}
	return out
}

// pass copies a body without holding anything back.
func pass(w http.ResponseWriter, body io.Reader) error {
	flush := http.NewResponseController(w)
	buf := make([]byte, pieceSize)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return err
			}
			if err := flush.Flush(); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
