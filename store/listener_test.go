package store

import (
	"testing"
	"time"
)

// Who fell behind is told how many events are missing, after those it still
// gets, and once.
func TestListenerIsToldWhatItLost(t *testing.T) {
	s := &Store{ledger: newLedger(time.Now)}
	li := s.Listen(2)
	defer li.Close()
	for range 5 {
		s.ledger.note(Event{Kind: EventTouch}, nil)
	}
	if e, ok := li.Lost(); ok {
		t.Errorf("Lost() = %+v while events wait", e)
	}
	<-li.C()
	<-li.C()
	if e, ok := li.Lost(); !ok || e.Kind != EventLost || e.Count != 3 || e.Time.IsZero() {
		t.Errorf("Lost() = %+v, %v, want 3", e, ok)
	}
	if e, ok := li.Lost(); ok {
		t.Errorf("Lost() = %+v a second time", e)
	}
	s.ledger.note(Event{Kind: EventTouch}, nil)
	if e := <-li.C(); e.Kind != EventTouch {
		t.Errorf("then came %+v", e)
	}
}
