package remote

import (
	"context"
	"time"
)

// Abilities are those of the remote inside, none if it does not tell.
func (g *Guard) Abilities() []Ability {
	if d, ok := g.inner.(Describer); ok {
		return d.Abilities()
	}
	return nil
}

// Explore is the inner Explore as long as it moves, nothing if there is none.
func (g *Guard) Explore(ctx context.Context) error {
	inner, ok := g.inner.(Explorer)
	if !ok {
		return nil
	}
	op := operation{name: "explore"}
	return g.perform(ctx, op, func() error { return g.changeOnce(ctx, op, inner.Explore) })
}

// Uploads is the inner Uploads, ErrUnsupported if there is none.
func (g *Guard) Uploads(ctx context.Context, fn func(key Key, id string, started time.Time) error) error {
	inner, ok := g.inner.(UploadLister)
	if !ok {
		return g.lacks("uploads")
	}
	type upload struct {
		key     Key
		id      string
		started time.Time
	}
	l := listing[upload]{op: "uploads", limit: g.o.StallTimeout,
		list: func(ctx context.Context, emit func(upload) error) error {
			return inner.Uploads(ctx, func(key Key, id string, started time.Time) error {
				return emit(upload{key, id, started})
			})
		}}
	return stream(ctx, g, l, func(u upload) error { return fn(u.key, u.id, u.started) })
}

// AbortUpload is the inner AbortUpload, ErrUnsupported if there is none.
func (g *Guard) AbortUpload(ctx context.Context, key Key, id string) error {
	inner, ok := g.inner.(UploadLister)
	if !ok {
		return g.lacks("abort upload")
	}
	op := operation{name: "abort upload", key: key}
	return g.perform(ctx, op, func() error {
		return g.changeOnce(ctx, op, func(ctx context.Context) error { return inner.AbortUpload(ctx, key, id) })
	})
}

// changeOnce is one try of a change that concerns no object.
func (g *Guard) changeOnce(ctx context.Context, op operation, do func(context.Context) error) error {
	moved := newProgress()
	inner, cancel := context.WithCancel(withProgress(ctx, moved))
	defer cancel()
	_, err := run(ctx, g, call[struct{}]{op: op.name, key: op.key, limit: g.o.StallTimeout, moved: moved,
		do: func() (struct{}, error) { return struct{}{}, do(inner) }})
	return err
}
