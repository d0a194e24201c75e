package store

import (
	"context"
	"time"
)

// Flush sends what is in the queue now and waits for it. It ends early when
// every entry that is left has failed once more, and says why. progress, if not
// nil, is called now and then.
func (s *Store) Flush(ctx context.Context, progress func(QueueStatus)) (Left, error) {
	probe, cancel := context.WithTimeout(ctx, 5*time.Second)
	_ = s.guard.ProbeNow(probe)
	cancel()
	s.retryHeld()
	tries := s.queue.hurry(true)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n := 0; !s.queue.settled(tries) && !s.guard.State().Open; n++ {
		select {
		case <-ctx.Done():
			return s.whatIsLeft(), ctx.Err()
		case <-s.ctx.Done():
			return s.whatIsLeft(), nil
		case <-tick.C:
		}
		if progress != nil && n%10 == 0 {
			progress(s.queue.status())
		}
	}
	s.feed.tell(ctx)
	return s.whatIsLeft(), nil
}

// settled reports whether each of these entries is done or was tried in vain.
func (q *queue) settled(tries map[*entry]uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for e, n := range tries {
		// A parked signature follows its archive, which is in the map too; if it
		// waits for one that nobody published there is nothing to wait for.
		if e.state == sending || e.state == waiting && e.tries == n {
			return false
		}
	}
	return true
}

// whatIsLeft sums up what is not sent.
func (s *Store) whatIsLeft() Left {
	q := s.queue.status()
	l := Left{Objects: q.Objects, Bytes: q.Bytes, Held: q.Held}
	switch st := s.guard.State(); {
	case l.Objects == 0 && l.Held == 0:
	case st.Open:
		l.Reason = st.Reason
	case q.LastErr != "":
		l.Reason = q.LastErr
	default:
		l.Reason = q.HeldReason
	}
	return l
}
