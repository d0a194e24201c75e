package remote

import (
	"context"
	"sync/atomic"
	"time"
)

// A progress remembers when a call last moved.
type progress struct {
	start time.Time
	last  atomic.Int64 // nanoseconds after start
}

type progressKey struct{}

func newProgress() *progress { return &progress{start: time.Now()} }

func (p *progress) mark() { p.last.Store(int64(time.Since(p.start))) }

// idle tells for how long nothing moved.
func (p *progress) idle() time.Duration {
	return time.Since(p.start) - time.Duration(p.last.Load())
}

func withProgress(ctx context.Context, p *progress) context.Context {
	return context.WithValue(ctx, progressKey{}, p)
}

// Progress tells the Guard above that a long call moves although its caller
// sees nothing of it: a backend calls it per folder listed, per part uploaded,
// per batch deleted. Without a Guard it does nothing.
func Progress(ctx context.Context) {
	if p, ok := ctx.Value(progressKey{}).(*progress); ok {
		p.mark()
	}
}
