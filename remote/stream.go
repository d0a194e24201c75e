package remote

import (
	"context"
	"errors"
	"sync"
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
	items := newPipe[T]()
	c := call[struct{}]{op: l.op, limit: l.limit, moved: moved, do: func() (struct{}, error) {
		defer items.end()
		return struct{}{}, l.list(inner, func(v T) error { return items.emit(inner, v) })
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

// A pipe carries values from a backend to its consumer, who takes all there
// are: a channel of values would cost more than most listings.
type pipe[T any] struct {
	more chan struct{} // a token when there are values, or no more will come
	room chan struct{} // a token when values were taken

	mu    sync.Mutex
	ahead []T
	ended bool
}

func newPipe[T any]() *pipe[T] {
	return &pipe[T]{more: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

// emit is what a backend calls for each value. It waits for room.
func (p *pipe[T]) emit(ctx context.Context, v T) error {
	for {
		p.mu.Lock()
		n := len(p.ahead)
		if n < streamAhead {
			p.ahead = append(p.ahead, v)
		}
		p.mu.Unlock()
		switch {
		case n == 0:
			signal(p.more)
			return nil
		case n < streamAhead:
			return nil
		}
		select {
		case <-p.room:
		case <-ctx.Done():
			return errStopped
		}
	}
}

// end says that no more values come.
func (p *pipe[T]) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	signal(p.more)
}

// take gives the values that are there and the space of old ones back.
func (p *pipe[T]) take(old []T) (values []T, ended bool) {
	p.mu.Lock()
	values, p.ahead = p.ahead, old[:0]
	ended = p.ended
	p.mu.Unlock()
	signal(p.room)
	return values, ended
}

// signal leaves a token, unless one is there.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A consumer is what stands at the near end of a stream.
type consumer[T any] struct {
	result *result[struct{}]
	timer  *time.Timer
	items  *pipe[T]
	fn     func(T) bool
}

// consume takes values until there are no more, which is nil. On every other
// way out the call was left behind.
func consume[T any](ctx context.Context, g *Guard, c call[struct{}], to consumer[T]) error {
	leave := func(why error, alarm *time.Timer) error {
		to.result.alarm = alarm
		if !g.calls.leave(&to.result.flight) && alarm != nil {
			alarm.Stop()
		}
		return why
	}
	givenUp := func(why error) error { return leave(why, g.alarm(c.op, c.limit, c.reason())) }
	var values []T
	to.timer.Reset(min(c.limit, g.o.OpTimeout))
	for ended := false; !ended; {
		select {
		case <-to.items.more:
			values, ended = to.items.take(values)
			for _, v := range values {
				if ctx.Err() != nil {
					return givenUp(Ended(ctx, "remote: "+c.op, c.key))
				}
				if !to.fn(v) {
					return givenUp(errStopped)
				}
			}
			c.moved.mark()
		case <-ctx.Done():
			return givenUp(Ended(ctx, "remote: "+c.op, c.key))
		case <-to.timer.C:
			if rest := c.rest(); rest > 0 {
				to.timer.Reset(g.wonder(c.moved, rest))
				continue
			}
			return leave(g.hung(c.op, c.key, c.reason()), nil)
		}
	}
	return nil
}
