package store

import (
	"sync"
	"time"
)

// patience bounds what lookups may wait for the remote in total, whatever the
// remote does: answer slowly, hang, or hang now and then. A wait up to
// freeWait is a slow line and costs nothing; what is longer is taken from an
// account that refills at a tenth of real time. Waits of several threads at
// once are charged once: the promise is on the time of the build.
type patience struct {
	now func() time.Time
	max time.Duration

	mu      sync.Mutex
	left    time.Duration
	at      time.Time // of left
	charged time.Time // waits are charged up to here
}

const freeWait = 100 * time.Millisecond

func newPatience(total time.Duration, now func() time.Time) *patience {
	return &patience{now: now, max: total, left: total, at: now()}
}

// begin tells how long a lookup may wait; zero means not at all. end must be
// called after the wait with the time that begin returned.
func (p *patience) begin() (wait time.Duration, start time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now()
	if over := t.Sub(p.at); over > 0 {
		p.left = min(p.max, p.left+over/10)
		p.at = t
	}
	if p.left <= 0 {
		return 0, t
	}
	return p.left + freeWait, t
}

// end charges what a wait took beyond freeWait, as far as no other wait of the
// same time has been charged.
func (p *patience) end(start time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now()
	from := start.Add(freeWait)
	if from.Before(p.charged) {
		from = p.charged
	}
	if over := t.Sub(from); over > 0 {
		p.left -= over
		p.charged, p.at = t, t // no refill for the time spent waiting
	}
}
