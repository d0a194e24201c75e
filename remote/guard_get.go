package remote

import (
	"context"
	"io"
)

// opened is what an inner Get gives.
type opened struct {
	body io.ReadCloser
	info Info
}

// Get is the inner Get. Its head may take twice the OpTimeout, the body
// StallTimeout without a byte. The length is checked here for all backends.
func (g *Guard) Get(ctx context.Context, key Key, offset int64) (io.ReadCloser, Info, error) {
	return g.get(ctx, operation{name: "get", key: key, lookup: true}, offset)
}

// GetAside is Get for what no build asks for. That it fails again and again, as
// for one damaged object, does not open the breaker while probes succeed.
func (g *Guard) GetAside(ctx context.Context, key Key) (io.ReadCloser, Info, error) {
	return g.get(ctx, operation{name: "get", key: key}, 0)
}

func (g *Guard) get(ctx context.Context, op operation, offset int64) (io.ReadCloser, Info, error) {
	var got opened
	var done context.CancelFunc
	key := op.key
	left := countdown(2 * g.o.OpTimeout)
	err := g.perform(ctx, op, func() (err error) {
		inner, cancel := context.WithCancel(ctx)
		got, err = run(ctx, g, call[opened]{op: op.name, key: key, limit: left(),
			do: func() (o opened, err error) {
				o.body, o.info, err = g.inner.Get(inner, key, offset)
				return o, err
			},
			drop: func(o opened) { _ = o.body.Close() }})
		if err != nil {
			cancel()
			return err
		}
		done = cancel
		return nil
	})
	if err != nil {
		return nil, Info{}, err
	}
	return &guardedBody{
		g: g, ctx: ctx, cancel: done, inner: got.body, op: op, left: got.info.Size - offset, moved: newProgress(),
	}, got.info, nil
}
