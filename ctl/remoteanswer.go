package ctl

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"sstatefs/remote"
)

// Bounds of an answer.
const (
	// answerBuffer is how many bytes are gathered for one write.
	answerBuffer = 64 << 10

	// remoteWriteTimeout is how long a client may not read: a command that
	// lists waits meanwhile for what it does with the names.
	remoteWriteTimeout = 5 * time.Minute
)

// An answer is what a verb of the remote tells: items, or pieces of a body, one
// a line, blank lines as heartbeats, and in the end a line that is an object of
// JSON. The heartbeats come from a goroutine of their own, since the remote may
// take its time.
type answer struct {
	w    http.ResponseWriter
	conn *http.ResponseController

	mu  sync.Mutex // one writer at a time; guards what follows
	buf []byte
	err error // of the client's side
}

// reply runs a verb and tells its client how it goes. The verb ends with the
// client and with the mount.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, verb func(ctx context.Context, a *answer) (any, error)) {
	ctx, end := s.whileMounted(r.Context())
	defer end()
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	defer close(done)
	w.Header().Set("Content-Type", "application/x-ndjson")
	a := &answer{w: w, conn: http.NewResponseController(w)}
	wg.Go(func() { a.beat(done) })
	result, err := verb(ctx, a)
	if err != nil && endedWith(ctx, errEnding) {
		err = &remote.Error{Op: "mount", Kind: remote.ErrUnavailable, Err: errEnding}
	}
	a.end(result, err)
}

// whileMounted gives a context that ends with the mount, because of errEnding:
// the store ends next. end waits for what watches.
func (s *Server) whileMounted(parent context.Context) (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(parent)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-s.stopping:
			cancel(errEnding)
		case <-s.session.Gone():
			cancel(errEnding)
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(nil); wg.Wait() }
}

// beat sends what was gathered, or a blank line, once a second.
func (a *answer) beat(done <-chan struct{}) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.mu.Lock()
			if len(a.buf) == 0 {
				a.buf = append(a.buf, '\n')
			}
			a.flush()
			a.mu.Unlock()
		case <-done:
			return
		}
	}
}

// line adds a line that add appends to what was gathered.
func (a *answer) line(add func(b []byte) []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = append(add(a.buf), '\n')
	if len(a.buf) >= answerBuffer {
		a.flush()
	}
	return a.err
}

// info adds the line of an object.
func (a *answer) info(info remote.Info) error {
	return a.line(func(b []byte) []byte { return appendInfo(b, info) })
}

// piece adds a piece of a body: its length as a line, and then itself.
func (a *answer) piece(p []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = append(strconv.AppendInt(a.buf, int64(len(p)), 10), '\n')
	if len(a.buf)+len(p) < answerBuffer {
		a.buf = append(a.buf, p...)
		return a.err
	}
	a.flush()
	a.write(p)
	return a.err
}

// end adds the last line.
func (a *answer) end(result any, err error) {
	last := lastLine(outcome{result, err})
	if err != nil {
		last.Failures = failuresOf(err)
	}
	text, err := json.Marshal(last)
	if err != nil {
		return // the client misses a last line, and says so
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = append(append(a.buf, text...), '\n')
	a.flush()
}

// flush sends what was gathered. Called with mu held, as write is.
func (a *answer) flush() {
	a.write(a.buf)
	a.buf = a.buf[:0]
	if a.err == nil {
		a.err = a.conn.Flush()
	}
}

func (a *answer) write(p []byte) {
	if a.err == nil {
		a.err = a.conn.SetWriteDeadline(time.Now().Add(remoteWriteTimeout))
	}
	if a.err == nil {
		_, a.err = a.w.Write(p)
	}
}
