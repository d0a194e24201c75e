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
	waiting int
	since   time.Time // of the oldest wait not yet charged
}

const freeWait = 100 * time.Millisecond

func newPatience(total time.Duration, now func() time.Time) *patience {
	return &patience{now: now, max: total, left: total, at: now()}
}

// begin tells how long a lookup may wait; zero means not at all. end must be
// called after the wait if it was not zero.
func (p *patience) begin() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now()
	p.left = min(p.max, p.left+t.Sub(p.at)/10)
	p.at = t
	if p.left <= 0 {
		return 0
	}
	if p.waiting == 0 {
		p.since = t
	}
	p.waiting++
	return p.left + freeWait
}

func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.now()
	p.waiting--
	if over := t.Sub(p.since) - freeWait; over > 0 {
		p.left -= over
		p.at = t // no refill for the time spent waiting
		p.since = t.Add(-freeWait)
	}
}
