package remote

import "slices"

// Watch calls f after every change of State, in order and never twice at a
// time, from a goroutine of the Guard that holds no lock. Changes that come
// faster than the watchers return wait for their turn. f must not call Close.
func (g *Guard) Watch(f func(State)) {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watchers = append(b.watchers, f)
}

// notifyLocked hands the present state to the watchers. The caller holds mu.
func (g *Guard) notifyLocked() {
	b := &g.breaker
	b.pending = append(b.pending, b.state)
	if !b.notifying {
		b.notifying = g.calls.spawn(g.notify)
	}
}

// notify tells all that is pending.
func (g *Guard) notify() {
	for {
		state, flipped, watchers := g.nextPending()
		if state == nil {
			return
		}
		if flipped && state.Open {
			g.o.Logger.Warn("remote is offline", "remote", g.String(), "reason", state.Reason)
		} else if flipped {
			g.o.Logger.Info("remote is back", "remote", g.String())
		}
		for _, f := range watchers {
			f(*state)
		}
	}
}

// nextPending takes the next state to tell, nil if there is none. It flipped
// when more than the reason changed.
func (g *Guard) nextPending() (state *State, flipped bool, watchers []func(State)) {
	b := &g.breaker
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.pending) == 0 {
		b.notifying = false
		return nil, false, nil
	}
	next := b.pending[0]
	b.pending = b.pending[1:]
	flipped = next.Open != b.told
	b.told = next.Open
	return &next, flipped, slices.Clone(b.watchers)
}
