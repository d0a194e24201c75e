package remote

import (
	"context"
	"errors"
	"time"
)

// streamAhead is how many names a backend may be ahead of its consumer.
const streamAhead = 64

// errStopped ends a backend's listing whose consumer wants no more.
var errStopped = errors.New("stopped")

// A listing is a backend call that gives many values.
type listing[T any] struct {
	op     string
	limit  time.Duration // without a value or other progress
	lookup bool
	list   func(ctx context.Context, emit func(T) error) error
}

// stream performs l and calls fn for every value, in the caller's goroutine:
// fn cannot be called late by a backend that was left behind.
func stream[T any](ctx context.Context, g *Guard, l listing[T], fn func(T) error) error {
	var own error // of fn
	begun := false
	op := operation{name: l.op, lookup: l.lookup, begun: &begun}
	err := g.perform(ctx, op, func() error {
		return streamOnce(ctx, g, l, func(v T) bool {
			begun = true
			own = fn(v)
			return own == nil
		})
	})
	if own != nil {
		return own
	}
	return err
}

// streamOnce is one try. It ends with errStopped when fn is false.
func streamOnce[T any](ctx context.Context, g *Guard, l listing[T], fn func(T) bool) error {
	moved := newProgress()
	inner, cancel := context.WithCancel(withProgress(ctx, moved))
	defer cancel()
	items := make(chan T, streamAhead)
	c := call[struct{}]{op: l.op, limit: l.limit, moved: moved, do: func() (struct{}, error) {
		defer close(items)
		return struct{}{}, l.list(inner, emitTo(inner, items))
	}}
	timer := g.timer(c.limit)
	defer g.putTimer(timer)
	r, err := launch(ctx, g, c, timer)
	if err != nil {
		return err
	}
	if err := consume(ctx, g, c, consumer[T]{r, timer, items, fn}); err != nil {
		return err
	}
	_, err = land(ctx, g, c, r, timer)
	return err
}

// emitTo gives the function that a backend calls for each value.
func emitTo[T any](ctx context.Context, items chan<- T) func(T) error {
	return func(v T) error {
		select {
		case items <- v:
			return nil
		case <-ctx.Done():
			return errStopped
		}
	}
}

// A consumer is what stands at the near end of a stream.
type consumer[T any] struct {
	result *result[struct{}]
	timer  *time.Timer
	items  <-chan T
	fn     func(T) bool
}

// consume takes values until there are no more, which is nil. On every other
// way out the call was left behind.
func consume[T any](ctx context.Context, g *Guard, c call[struct{}], to consumer[T]) error {
	leave := func(why error) error {
		to.result.alarm = g.alarm(c.op, c.limit, c.reason())
		if !g.calls.leave(&to.result.flight) {
			to.result.alarm.Stop()
		}
		return why
	}
	for {
		select {
		case v, ok := <-to.items:
			if !ok {
				return nil
			}
			if !to.fn(v) {
				return leave(errStopped)
			}
			c.moved.mark()
		case <-ctx.Done():
			return leave(Ended(ctx, "remote: "+c.op, c.key))
		case <-to.timer.C:
			if rest := c.rest(); rest > 0 {
				to.timer.Reset(rest)
				continue
			}
			return leave(g.hung(c.op, c.key, c.reason()))
		}
	}
}
