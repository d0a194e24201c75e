package remote

import (
	"context"
	"errors"
	"time"
)

// probeKey is asked for where the remote has no Prober. It is no object.
const probeKey = Key("sstatefs-probe")

// Probe is ProbeNow, so that a Guard is a Prober like the remote inside.
func (g *Guard) Probe(ctx context.Context) error { return g.ProbeNow(ctx) }

// ProbeNow asks the remote whether it answers and waits for that until ctx
// ends. The breaker opens or closes accordingly. It joins a probe that is
// under way, since a second one would hang just so, but takes only a yes from
// it: a no may be older than the call.
func (g *Guard) ProbeNow(ctx context.Context) error {
	for {
		p, fresh := g.startProbe()
		select {
		case <-p.done:
		case <-ctx.Done():
			return Ended(ctx, "remote: probe", "")
		}
		if fresh || p.err == nil {
			return p.err
		}
	}
}

// heal probes until the outage is over or the Guard is closed.
func (g *Guard) heal(over <-chan struct{}) {
	for { // not while it is open: this may run before trip has noted that
		timer := g.timer(g.nextWait())
		select {
		case <-timer.C:
			p, _ := g.startProbe()
			select {
			case <-p.done:
			case <-over:
			case <-g.calls.quit:
			}
		case <-over:
		case <-g.calls.quit:
		}
		g.putTimer(timer)
		if isClosed(over) || isClosed(g.calls.quit) {
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// nextWait is the time until the next probe. It doubles with each.
func (g *Guard) nextWait() time.Duration {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	wait := b.wait
	b.wait = max(wait, min(2*wait, maxProbeInterval))
	return wait
}

// startProbe gives the probe that is under way, a fresh one if there is none.
func (g *Guard) startProbe() (p *probe, fresh bool) {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.probing != nil {
		return b.probing, false
	}
	p = &probe{done: make(chan struct{})}
	if !g.calls.spawn(func() { g.probe(p) }) {
		p.err = &Error{Op: "remote: probe", Kind: ErrUnavailable, Err: errClosed}
		close(p.done)
		return p, true
	}
	b.probing = p
	return p, true
}

// probe asks and moves the breaker before it tells those who wait.
func (g *Guard) probe(p *probe) {
	defer close(p.done)
	ctx, cancel := g.probeContext()
	defer cancel()
	p.err = g.ask(ctx)
	switch {
	case p.err == nil:
		g.restore()
	case errors.Is(p.err, context.Canceled): // by Close
	default:
		g.trip(reasonOf(p.err))
	}
	g.breaker.mu.Lock()
	defer g.breaker.mu.Unlock()
	g.breaker.probing = nil
}

// ask may hang.
func (g *Guard) ask(ctx context.Context) error {
	var err error
	if prober, ok := g.inner.(Prober); ok {
		err = prober.Probe(ctx)
	} else {
		_, err = g.inner.Stat(ctx, probeKey)
	}
	switch {
	case answered(err):
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Op: "remote: probe", Kind: ErrUnavailable,
			Err: hungError("no answer within " + rounded(g.o.OpTimeout).String())}
	}
	return err
}
