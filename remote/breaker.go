package remote

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// State is what a Guard thinks of its remote.
type State struct {
	Open   bool      // the breaker is open: calls are refused, the remote is offline
	Reason string    // why, one line; empty when it is closed
	Since  time.Time // when Open last changed
}

// A breaker remembers whether a remote answers.
type breaker struct {
	open    atomic.Bool // state.Open, to be read without mu
	trouble atomic.Bool // failures or wait are not at their start

	mu       sync.Mutex
	state    State
	over     chan struct{} // closed when the present outage ends
	wait     time.Duration // before the next probe
	failures int           // lookups that failed in a row
	probing  *probe        // the one under way, or nil
	asked    time.Time     // when a probe last succeeded

	watchers  []func(State)
	pending   []State // not yet told to the watchers
	told      bool    // Open of the last one told
	notifying bool
}

// A probe is one question whether the remote answers, for all who want to
// know.
type probe struct {
	done chan struct{}
	err  error // may be read when done is closed
}

// State tells whether the breaker is open, and why.
func (g *Guard) State() State {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// refuse is the answer to every call while the breaker is open, nil else.
func (g *Guard) refuse(op operation) error {
	if !g.breaker.open.Load() {
		return nil
	}
	state := g.State()
	if !state.Open {
		return nil
	}
	return &Error{Op: "remote: " + op.name, Key: op.key, Kind: ErrUnavailable, Err: errors.New(state.Reason)}
}

// trip opens the breaker, or notes a better reason for an open one.
func (g *Guard) trip(reason string) {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Open && b.state.Reason == reason {
		return
	}
	if !b.state.Open {
		over := make(chan struct{})
		if !g.calls.spawn(func() { g.heal(over) }) {
			return // closed
		}
		b.state = State{Open: true, Since: g.o.Now()}
		b.over = over
		b.open.Store(true)
		b.trouble.Store(true)
	}
	b.state.Reason = reason
	g.notifyLocked()
}

// restore closes the breaker.
func (g *Guard) restore() {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = g.o.Now()
	if !b.state.Open {
		return
	}
	b.state = State{Since: g.o.Now()}
	b.open.Store(false)
	close(b.over)
	g.notifyLocked()
}

// succeeded is called for every proper answer. Only that, not a probe, proves
// that an outage is over: until then one more failed lookup may open the
// breaker again, and probes become no more frequent.
func (g *Guard) succeeded(op operation) {
	b := &g.breaker
	if !b.trouble.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if op.lookup {
		b.failures = 0
	}
	if b.failures == 0 && !b.state.Open {
		b.wait = g.o.ProbeInterval
		b.trouble.Store(false)
	}
}

// suspect asks, after a call that failed, whether the remote as a whole
// answers. If it does not the breaker is open on return.
func (g *Guard) suspect(ctx context.Context, op operation, cause error) {
	unavailable := errors.Is(cause, ErrUnavailable)
	if g.breaker.open.Load() || !unavailable && !errors.Is(cause, ErrPermission) {
		return
	}
	if !unavailable && g.askedJustNow() {
		return // a server may deny thousands of objects one by one
	}
	g.inquire(min(checkTimeout, g.o.OpTimeout), ctx.Done())
	if unavailable && op.lookup && g.lookupFailed() {
		g.trip(reasonOf(cause))
	}
}

// inquire probes and waits for the answer until limit, which opens the breaker,
// or until quit.
func (g *Guard) inquire(limit time.Duration, quit <-chan struct{}) {
	p, _ := g.startProbe()
	timer := g.timer(limit)
	defer g.putTimer(timer)
	select {
	case <-p.done:
	case <-timer.C:
		g.trip("probe: no answer within " + rounded(limit).String())
	case <-quit:
	}
}

func (g *Guard) askedJustNow() bool {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.asked.IsZero() && g.o.Now().Sub(b.asked) < g.o.ProbeInterval
}

// lookupFailed counts, and is true when there were too many in a row.
func (g *Guard) lookupFailed() bool {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.trouble.Store(true)
	return b.failures >= lookupFailures
}

// reasonOf words an error for State.Reason.
func reasonOf(err error) string {
	return strings.Join(strings.Fields(err.Error()), " ")
}
