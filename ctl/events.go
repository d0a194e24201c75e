package ctl

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sstatefs/store"
)

// eventBuffer is how many events wait for a listener before it loses some: a
// build's burst of lookups while the command prints.
const eventBuffer = 4096

// lastWords is how long a reader of events has for what is left when the mount
// ends.
const lastWords = time.Second

// events follows the store until the client or the server ends. The query says
// which types of event are wanted, all if it does not. A reader may pause for
// as long as it likes: it loses events and is told how many.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	wanted, err := eventTypes(r.URL.Query().Get("types"))
	if err != nil {
		writeError(w, http.StatusBadRequest, &Error{Kind: KindRequest, Message: "request: " + err.Error()})
		return
	}
	select {
	case s.listeners <- struct{}{}:
		defer func() { <-s.listeners }()
	default:
		writeError(w, http.StatusServiceUnavailable, &Error{
			Kind: KindFailed, Message: "too many listeners follow the events of this mount",
		})
		return
	}
	listener := s.listen(eventBuffer)
	defer listener.Close()
	f := follower{out: newLineWriter(w), wanted: wanted, listener: listener}
	f.out.patient = true
	_ = f.out.conn.SetWriteDeadline(time.Time{}) // that of guard
	defer s.hurry(f.out)()
	f.follow(s.stopping, r.Context().Done())
}

// hurry bounds the writes of a patient writer from the end of the server on.
// The function it returns ends that and waits.
func (s *Server) hurry(out *lineWriter) func() {
	done := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case <-s.stopping:
			_ = out.conn.SetWriteDeadline(time.Now().Add(lastWords))
		case <-done:
		}
	})
	return func() {
		close(done)
		waiting.Wait()
	}
}

// follower tells one client what happens.
type follower struct {
	out      *lineWriter
	wanted   map[store.EventKind]bool
	listener Listener
}

// follow tells until it is told to stop, the client is gone or the store ends.
func (f *follower) follow(stopping, gone <-chan struct{}) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for err := f.out.blank(); err == nil; {
		select {
		case event, ok := <-f.listener.C():
			if !ok {
				_ = f.lost() // fails when the client is gone: nobody to tell
				return
			}
			err = f.tell(event)
		case <-beat.C:
			if err = f.lost(); err == nil {
				err = f.out.blank()
			}
		case <-stopping:
			f.rest()
			return
		case <-gone:
			return
		}
	}
}

func (f *follower) tell(event store.Event) error {
	if !f.wanted[event.Kind] {
		return nil
	}
	return f.out.write(event)
}

// lost tells how many events are missing, where nothing happens any more that
// would bring it up.
func (f *follower) lost() error {
	if event, ok := f.listener.Lost(); ok {
		return f.tell(event)
	}
	return nil
}

// rest tells what happened before the end.
func (f *follower) rest() {
	for {
		select {
		case event, ok := <-f.listener.C():
			if ok && f.tell(event) == nil {
				continue
			}
		default:
		}
		_ = f.lost() // as in follow
		return
	}
}

// eventTypes reads types of events, separated by commas; none are all of them.
// That some were lost is always told.
func eventTypes(text string) (map[store.EventKind]bool, error) {
	wanted := map[store.EventKind]bool{store.EventLost: true}
	if text == "" {
		for _, kind := range store.EventKinds() {
			wanted[kind] = true
		}
		return wanted, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		kind := store.EventKind(word)
		if !slices.Contains(store.EventKinds(), kind) {
			return nil, fmt.Errorf("unknown type of event %q", word)
		}
		wanted[kind] = true
	}
	return wanted, nil
}
