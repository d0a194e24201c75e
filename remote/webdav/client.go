package webdav

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/studio-b12/gowebdav"

	"sstatefs/remote/transport"
)

const (
	// maxRedirects is as many as browsers follow, less their patience.
	maxRedirects = 5
	// authTries bounds the answers 401 to one request: one that asks, one
	// whose nonce is stale, one after a new start.
	authTries = 4
	// drainLimit is how much of an answer that nobody wants is read so that
	// its connection can be used again, in bytes.
	drainLimit = 64 << 10
)

// A client sends requests to one server, lets itself in and follows redirects.
type client struct {
	transport *http.Transport
	pairs     *transport.Pairs // over connections of their own
	authority *authority       // nil without credentials
	place     atomic.Pointer[place]
	clock     transport.Clock
}

// A request is what one call asks of the server.
type request struct {
	method string
	path   string   // below the place: a key, or a folder with a slash at its end
	at     *url.URL // instead of path, where that is not below the place
	header map[string]string

	// open gives the body, at every call from its beginning. nil is none.
	open func() (io.ReadCloser, error)
	size int64 // of the body, bytes

	// once says that a second time would give another answer than the first,
	// so that it is not sent again when the connection broke before an answer.
	once bool
}

// A reply is an answer without its body.
type reply struct {
	code   int
	header http.Header
	size   int64 // Content-Length, -1 if it is not told
}

// call is do for answers whose body says nothing.
func (c *client) call(ctx context.Context, r request) (reply, error) {
	res, err := c.do(ctx, r)
	if err != nil {
		return reply{}, err
	}
	discard(res)
	return replyOf(res), nil
}

func replyOf(res *http.Response) reply { return reply{res.StatusCode, res.Header, res.ContentLength} }

// discard ends an answer and keeps its connection when that is cheap.
func discard(res *http.Response) {
	_, _ = io.CopyN(io.Discard, res.Body, drainLimit)
	_ = res.Body.Close()
}

// do sends r and gives the answer, whatever its status. The caller closes its
// body. An error means that there is no answer.
func (c *client) do(ctx context.Context, r request) (*http.Response, error) {
	target := r.at
	if target == nil {
		target = c.place.Load().at(r.path)
	}
	for range maxRedirects {
		res, err := c.send(ctx, r, target)
		if err != nil {
			return nil, err
		}
		next := c.redirect(r.method, target, res)
		if next == nil {
			return res, nil
		}
		discard(res)
		target = next
	}
	return nil, errRedirects
}

var errRedirects = errors.New("too many redirects")

// redirect is where to ask instead, nil if res is the answer. Reading goes
// anywhere, without credentials on another host. A write is repeated only
// where we are trusted to send it, and only on the codes that keep its method.
// A redirect to the same path with a slash says that this is a folder, which
// the caller wants to know.
func (c *client) redirect(method string, from *url.URL, res *http.Response) *url.URL {
	to, err := res.Location()
	if err != nil || to.Path == from.Path+"/" {
		return nil
	}
	keepsMethod := res.StatusCode == http.StatusTemporaryRedirect || res.StatusCode == http.StatusPermanentRedirect
	moved := keepsMethod || res.StatusCode == http.StatusMovedPermanently || res.StatusCode == http.StatusFound
	trusted := c.place.Load().trusts(to)
	switch method {
	case http.MethodGet, http.MethodHead:
		if moved {
			return to
		}
	case "PROPFIND":
		if moved && trusted {
			return to
		}
	default:
		if keepsMethod && trusted {
			return to
		}
	}
	return nil
}

// send sends r to target and answers challenges.
func (c *client) send(ctx context.Context, r request, target *url.URL) (*http.Response, error) {
	known := c.authority != nil && c.place.Load().trusts(target)
	for try := 0; ; try++ {
		req, err := newRequest(ctx, r, target)
		if err != nil {
			return nil, err
		}
		var auth gowebdav.Authenticator
		if known {
			auth = c.authority.fresh()
			if err := c.authority.authorize(auth, req); err != nil {
				return nil, err
			}
		}
		res, err := c.transport.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		c.clock.Hear(res.Header, time.Now())
		if res.StatusCode != http.StatusUnauthorized || !known || try >= authTries || !c.authority.again(auth, res, try) {
			return res, nil
		}
		discard(res)
	}
}

// newRequest makes one request of r. An empty Idempotency-Key is not sent: it
// tells net/http to send the request again when a server that closes idle
// connections, as Apache does after 100 requests, closed this one under it.
func newRequest(ctx context.Context, r request, target *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, "", nil)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = target, target.Host
	req.Header.Set("User-Agent", "sstatefs")
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if !r.once {
		req.Header["Idempotency-Key"] = []string{}
	}
	if r.open == nil {
		return req, nil
	}
	if req.Body, err = r.open(); err != nil {
		return nil, err
	}
	req.ContentLength, req.GetBody = r.size, r.open
	if r.size == 0 {
		_ = req.Body.Close()
		req.Body, req.GetBody = http.NoBody, nil
	}
	return req, nil
}

// text is a body that is at hand.
func (r request) text(s string) request {
	r.open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
	r.size = int64(len(s))
	return r
}
