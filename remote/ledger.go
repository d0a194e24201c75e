package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Why a call does not begin.
var (
	errClosed = errors.New("closed")
	errBusy   = errors.New("too many calls to it hang")
	errBehind = errors.New("an earlier change of this object still hangs")
)

// A flight is one goroutine that runs a backend call.
type flight struct {
	keys  []Key         // what the call changes
	done  chan struct{} // closed when the result may be read
	alarm *time.Timer   // to be stopped at the end, set before leave, or nil

	// Guarded by the ledger's mu.
	settled bool          // the result is there
	left    bool          // nobody waits for it any more
	gone    chan struct{} // closed when a flight that was left ends
}

// A ledger owns every goroutine of a Guard.
type ledger struct {
	slots chan struct{} // one token per flight
	quit  chan struct{} // closed by close

	// mu is taken while the breaker's mu is held, never the other way round.
	mu     sync.Mutex
	alive  int // goroutines
	left   int // of these, flights that were left behind
	closed bool
	idle   chan struct{}     // closed when closed and none is alive
	behind map[Key][]*flight // changes that were left behind
}

func (l *ledger) init(slots int) {
	l.slots = make(chan struct{}, slots)
	l.quit = make(chan struct{})
	l.idle = make(chan struct{})
	l.behind = make(map[Key][]*flight)
}

// enter waits until f may begin: there is a slot, and no change of the same
// keys is left behind. It gives up when expired fires.
func (l *ledger) enter(ctx context.Context, f *flight, expired <-chan time.Time) error {
	if err := l.takeSlot(ctx, expired); err != nil {
		return err
	}
	for {
		earlier, err := l.begin(f)
		if earlier == nil {
			if err != nil {
				<-l.slots
			}
			return err
		}
		select {
		case <-earlier:
			continue
		case <-ctx.Done():
			err = ctx.Err()
		case <-expired:
			err = errBehind
		}
		<-l.slots
		return err
	}
}

func (l *ledger) takeSlot(ctx context.Context, expired <-chan time.Time) error {
	select {
	case l.slots <- struct{}{}:
		return nil
	default:
	}
	if l.hanging() > 0 {
		return errBusy
	}
	select {
	case l.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-expired:
		return errBusy
	}
}

// begin counts f, or gives a channel to wait for before the next try.
func (l *ledger) begin(f *flight) (<-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if len(l.behind) > 0 {
		for _, key := range f.keys {
			if earlier := l.behind[key]; len(earlier) > 0 {
				return earlier[0].gone, nil
			}
		}
	}
	l.alive++
	return nil, nil
}

// settle says that f has its result. It is false when nobody wants it.
func (l *ledger) settle(f *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.settled = true
	return !f.left
}

// leave releases f's caller. It is false when the result is there after all.
func (l *ledger) leave(f *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.settled {
		return false
	}
	f.left = true
	f.gone = make(chan struct{})
	l.left++
	for _, key := range f.keys {
		l.behind[key] = append(l.behind[key], f)
	}
	return true
}

// end is the last thing that f's goroutine does.
func (l *ledger) end(f *flight) {
	<-l.slots
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.left {
		if f.alarm != nil {
			f.alarm.Stop()
		}
		l.left--
		l.forgetLocked(f)
		close(f.gone)
	}
	l.endLocked()
}

// forgetLocked takes f from the changes that were left behind. Others of the
// same keys may still hang.
func (l *ledger) forgetLocked(f *flight) {
	for _, key := range f.keys {
		rest := slices.DeleteFunc(l.behind[key], func(other *flight) bool { return other == f })
		if len(rest) == 0 {
			delete(l.behind, key)
		} else {
			l.behind[key] = rest
		}
	}
}

func (l *ledger) endLocked() {
	l.alive--
	if l.closed && l.alive == 0 {
		close(l.idle)
	}
}

// spawn runs f in a goroutine that close waits for. It is false, and f does
// not run, when the ledger is closed.
func (l *ledger) spawn(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.alive++
	go func() {
		defer func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.endLocked()
		}()
		f()
	}()
	return true
}

// hanging counts the flights that were left behind.
func (l *ledger) hanging() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left
}

// close refuses what is new and waits for what is there.
func (l *ledger) close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.quit)
		if l.alive == 0 {
			close(l.idle)
		}
	}
	l.mu.Unlock()
	select {
	case <-l.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("remote: close: %d calls still hang: %w", l.hanging(), ctx.Err())
	}
}
