package remote

import (
	"context"
	"fmt"
	"time"
)

// Stat is the inner Stat within OpTimeout.
func (g *Guard) Stat(ctx context.Context, key Key) (Info, error) {
	var info Info
	op := operation{name: "stat", key: key, lookup: true}
	left := countdown(g.o.OpTimeout)
	err := g.perform(ctx, op, func() (err error) {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		info, err = run(ctx, g, call[Info]{op: op.name, key: key, limit: left(),
			do: func() (Info, error) { return g.inner.Stat(inner, key) }})
		return err
	})
	return info, err
}

// Touch is the inner Touch as long as it moves: some servers copy the object.
func (g *Guard) Touch(ctx context.Context, key Key, t time.Time) error {
	op := operation{name: "touch", key: key}
	return g.perform(ctx, op, func() error {
		moved := newProgress()
		inner, cancel := context.WithCancel(withProgress(ctx, moved))
		defer cancel()
		_, err := run(ctx, g, call[struct{}]{op: op.name, key: key, limit: g.o.StallTimeout, moved: moved, keys: []Key{key},
			do: func() (struct{}, error) { return struct{}{}, g.inner.Touch(inner, key, t) }})
		return err
	})
}

// Delete is the inner Delete as long as it moves.
func (g *Guard) Delete(ctx context.Context, keys ...Key) error {
	op := operation{name: "delete"}
	if len(keys) == 1 {
		op.key = keys[0]
	}
	return g.perform(ctx, op, func() error {
		moved := newProgress()
		inner, cancel := context.WithCancel(withProgress(ctx, moved))
		defer cancel()
		_, err := run(ctx, g, call[struct{}]{op: op.name, key: op.key, limit: g.o.StallTimeout, moved: moved, keys: keys,
			do: func() (struct{}, error) { return struct{}{}, g.inner.Delete(inner, keys...) }})
		return err
	})
}

// List is the inner List as long as objects come. While fn runs the clock
// stands still; fn is never called after List returned.
func (g *Guard) List(ctx context.Context, prefix string, fn func(Info) error) error {
	return stream(ctx, g, listing[Info]{op: "list", limit: g.o.StallTimeout,
		list: func(ctx context.Context, emit func(Info) error) error {
			return g.inner.List(ctx, prefix, emit)
		}}, fn)
}

// Folders is the inner Folders, ErrUnsupported if there is none.
func (g *Guard) Folders(ctx context.Context, prefix string, fn func(Folder) error) error {
	inner, ok := g.inner.(FolderLister)
	if !ok {
		return g.lacks("folders")
	}
	return stream(ctx, g, listing[Folder]{op: "folders", limit: g.o.StallTimeout,
		list: func(ctx context.Context, emit func(Folder) error) error {
			return inner.Folders(ctx, prefix, emit)
		}}, fn)
}

// Leftovers is the inner Leftovers, ErrUnsupported if there is none.
func (g *Guard) Leftovers(ctx context.Context, fn func(Info) error) error {
	inner, ok := g.inner.(LeftoverLister)
	if !ok {
		return g.lacks("leftovers")
	}
	return stream(ctx, g, listing[Info]{op: "leftovers", limit: g.o.StallTimeout, list: inner.Leftovers}, fn)
}

// Names is the inner Names, ErrUnsupported if there is none.
func (g *Guard) Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error {
	inner, ok := g.inner.(NameLister)
	if !ok {
		return g.lacks("names")
	}
	type entry struct {
		name   string
		folder bool
	}
	l := listing[entry]{op: "names", limit: g.o.OpTimeout, lookup: true,
		list: func(ctx context.Context, emit func(entry) error) error {
			return inner.Names(ctx, prefix, func(name string, folder bool) error { return emit(entry{name, folder}) })
		}}
	return stream(ctx, g, l, func(e entry) error { return fn(e.name, e.folder) })
}

func (g *Guard) lacks(op string) error {
	return &Error{Op: "remote: " + op, Kind: ErrUnsupported,
		Err: fmt.Errorf("%s cannot do that", g.inner)}
}

// countdown gives what is left of d since now, at least a millisecond.
func countdown(d time.Duration) func() time.Duration {
	start := time.Now()
	return func() time.Duration { return max(d-time.Since(start), time.Millisecond) }
}
