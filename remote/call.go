package remote

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A call is one try of one backend operation.
type call[T any] struct {
	op    string
	key   Key
	limit time.Duration     // of the whole call, or without progress
	moved *progress         // nil when limit is for the whole
	keys  []Key             // what it changes
	do    func() (T, error) // may hang
	drop  func(T)           // takes a result that came too late, may be nil
}

// A result is a flight and what it brings.
type result[T any] struct {
	flight
	value T
	err   error
}

// run runs c and waits for it, but no longer than its limit and ctx allow.
func run[T any](ctx context.Context, g *Guard, c call[T]) (T, error) {
	timer := g.timer(c.limit)
	defer g.putTimer(timer)
	r, err := launch(ctx, g, c, timer)
	if err != nil {
		var zero T
		return zero, err
	}
	return land(ctx, g, c, r, timer)
}

// launch starts c's goroutine.
func launch[T any](ctx context.Context, g *Guard, c call[T], timer *time.Timer) (*result[T], error) {
	r := &result[T]{flight: flight{keys: c.keys, done: make(chan struct{})}}
	if err := g.calls.enter(ctx, &r.flight, timer.C); err != nil {
		if ctx.Err() != nil {
			return nil, Ended(ctx, "remote: "+c.op, c.key)
		}
		return nil, &Error{Op: "remote: " + c.op, Key: c.key, Kind: ErrUnavailable, Err: err}
	}
	if c.moved != nil {
		c.moved.mark()
	}
	go func() {
		defer g.calls.end(&r.flight)
		r.value, r.err = c.do()
		if g.calls.settle(&r.flight) {
			close(r.done)
		} else if r.err == nil && c.drop != nil {
			c.drop(r.value)
		}
	}()
	return r, nil
}

// land waits for the result of r.
func land[T any](ctx context.Context, g *Guard, c call[T], r *result[T], timer *time.Timer) (T, error) {
	if c.moved != nil {
		timer.Reset(min(c.limit, g.o.OpTimeout))
	}
	for {
		select {
		case <-r.done:
			return r.value, r.err
		case <-ctx.Done():
			r.alarm = g.alarm(c.op, c.limit, c.reason())
			return abandon(g, r, func() error { return Ended(ctx, "remote: "+c.op, c.key) })
		case <-timer.C:
			if rest := c.rest(); rest > 0 {
				timer.Reset(g.wonder(c.moved, rest))
				continue
			}
			return abandon(g, r, func() error { return g.hung(c.op, c.key, c.reason()) })
		}
	}
}

// abandon leaves r behind, unless it has just ended.
func abandon[T any](g *Guard, r *result[T], why func() error) (T, error) {
	if !g.calls.leave(&r.flight) {
		if r.alarm != nil {
			r.alarm.Stop()
		}
		<-r.done
		return r.value, r.err
	}
	var zero T
	return zero, why()
}

// alarm trips the breaker after limit. It is set for a call whose caller has
// given up: callers with little patience must not keep a remote that hangs
// from being noticed.
func (g *Guard) alarm(op string, limit time.Duration, reason string) *time.Timer {
	return time.AfterFunc(limit, func() { g.trip(op + ": " + reason) })
}

// rest is how much of the limit is left when the timer fires.
func (c call[T]) rest() time.Duration {
	if c.moved == nil {
		return 0
	}
	return c.limit - c.moved.idle()
}

// wonder asks whether the remote answers at all when a call that may last stands
// still for longer than an answer may take. Its limit is far, and others would be
// kept waiting until then. It gives the time of the next look, rest at most.
func (g *Guard) wonder(moved *progress, rest time.Duration) time.Duration {
	if idle := moved.idle(); idle < g.o.OpTimeout {
		return min(rest, g.o.OpTimeout-idle)
	}
	if !g.breaker.open.Load() {
		g.calls.spawn(func() { g.inquire(g.o.OpTimeout, g.calls.quit) })
	}
	return rest
}

func (c call[T]) reason() string {
	if c.moved == nil {
		return fmt.Sprintf("no answer within %v", rounded(c.limit))
	}
	return fmt.Sprintf("no progress for %v", rounded(c.limit))
}

// rounded makes what retries left of a deadline readable.
func rounded(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// errHung marks the error of a call that was left behind at its deadline.
var errHung = errors.New("hung")

// A hungError says for how long. It matches errHung.
type hungError string

func (e hungError) Error() string        { return string(e) }
func (e hungError) Is(target error) bool { return target == errHung }

// hung opens the breaker and gives the error of the call that hangs.
func (g *Guard) hung(op string, key Key, reason string) error {
	g.trip(op + ": " + reason)
	return &Error{Op: "remote: " + op, Key: key, Kind: ErrUnavailable, Err: hungError(reason)}
}
