package remote

import (
	"context"
	"errors"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// An operation is what a caller asked for: one or more tries of one call.
type operation struct {
	name   string
	key    Key
	lookup bool  // it asks for one object or its content
	begun  *bool // once true the operation cannot begin again; nil if it can
}

// perform runs try, again while that can help, and draws the conclusions.
func (g *Guard) perform(ctx context.Context, op operation, try func() error) error {
	if ctx.Err() != nil {
		return Ended(ctx, "remote: "+op.name, op.key)
	}
	if err := g.refuse(op); err != nil {
		return err
	}
	err := try()
	if g.worthRetry(op, err) {
		err = g.retry(ctx, op, err, try)
	}
	return g.judge(ctx, op, err)
}

// retry tries again until it succeeds, or it makes no sense any more.
func (g *Guard) retry(ctx context.Context, op operation, err error, try func() error) error {
	delay := backoff.NewExponentialBackOff()
	delay.InitialInterval = g.o.RetryDelay
	delay.Multiplier = 2
	for n := 0; n < g.o.Retries && g.worthRetry(op, err); n++ {
		if !g.pause(ctx, delay.NextBackOff()) {
			return err
		}
		err = try()
	}
	return err
}

// pause waits for d. It is false when ctx or the Guard ends first.
func (g *Guard) pause(ctx context.Context, d time.Duration) bool {
	timer := g.timer(d)
	defer g.putTimer(timer)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-g.calls.quit:
	}
	return false
}

// worthRetry tells whether another try might end better. A full remote stays
// full for longer than a few tries last.
func (g *Guard) worthRetry(op operation, err error) bool {
	return err != nil && errors.Is(err, ErrUnavailable) &&
		!errors.Is(err, errHung) && !full(err) && !notBegun(err) &&
		!g.breaker.open.Load() && (op.begun == nil || !*op.begun)
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// notBegun tells whether the Guard itself refused the call.
func notBegun(err error) bool {
	return errors.Is(err, errBusy) || errors.Is(err, errBehind) || errors.Is(err, errClosed)
}

// judge counts what failed and asks whether the remote is down.
func (g *Guard) judge(ctx context.Context, op operation, err error) error {
	switch {
	case answered(err):
		g.succeeded(op)
		return err
	case ctx.Err() != nil && !errors.Is(err, errHung):
		return Ended(ctx, "remote: "+op.name, op.key)
	case op.name == "put" && errors.Is(err, ErrCorrupt):
		return err // the source is to blame
	case notBegun(err):
		return err
	}
	g.errors.Add(1)
	if !errors.Is(err, errHung) && !full(err) {
		g.suspect(ctx, op, err)
	}
	return err
}

// answered tells whether err, which may be nil, is a proper answer.
func answered(err error) bool {
	return err == nil || errors.Is(err, ErrNotExist) || errors.Is(err, ErrExist) ||
		errors.Is(err, ErrUnsupported) || errors.Is(err, errStopped)
}
