package remote

import "context"

var _ Sweeper = (*Guard)(nil)

// Sweep is the inner Sweep as long as folders come, ErrUnsupported if there is
// none. While fn runs the clock stands still.
func (g *Guard) Sweep(ctx context.Context, fn func(folder string, files []Info) error) error {
	inner, ok := g.inner.(Sweeper)
	if !ok {
		return g.lacks("sweep")
	}
	type leaf struct {
		folder string
		files  []Info
	}
	l := listing[leaf]{op: "sweep", limit: g.o.StallTimeout,
		list: func(ctx context.Context, emit func(leaf) error) error {
			return inner.Sweep(ctx, func(folder string, files []Info) error { return emit(leaf{folder, files}) })
		}}
	return stream(ctx, g, l, func(f leaf) error { return fn(f.folder, f.files) })
}
