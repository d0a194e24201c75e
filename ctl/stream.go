package ctl

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// heartbeat is the longest silence of a stream. A client takes a silence of
// several of them for a hung daemon.
const heartbeat = time.Second

// lineWriter writes a stream. A client that does not read is cut off, unless
// the writer is patient.
type lineWriter struct {
	w       http.ResponseWriter
	conn    *http.ResponseController
	patient bool
}

func newLineWriter(w http.ResponseWriter) *lineWriter {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &lineWriter{w: w, conn: http.NewResponseController(w)}
}

func (l *lineWriter) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.raw(append(text, '\n'))
}

func (l *lineWriter) blank() error { return l.raw([]byte("\n")) }

func (l *lineWriter) raw(text []byte) error {
	if !l.patient {
		if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return err
		}
	}
	if _, err := l.w.Write(text); err != nil {
		return err
	}
	return l.conn.Flush()
}

// latest keeps the last progress that a verb reported.
type latest struct {
	mu       sync.Mutex // guards progress
	progress Progress
}

func (l *latest) set(p Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.progress = p
}

func (l *latest) get() Progress {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.progress
}

// outcome is how a verb ended.
type outcome struct {
	result any
	err    error
}

// stream runs a long verb and tells how it goes, then how it ended. When the
// client goes away the verb's context ends, and stream waits for it.
func stream(
	w http.ResponseWriter, r *http.Request,
	verb func(ctx context.Context, progress func(Progress)) (any, error),
) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	var now latest
	done := make(chan outcome, 1)
	go func() {
		result, err := verb(ctx, now.set)
		done <- outcome{result, err}
	}()
	out := newLineWriter(w)
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case o := <-done:
			_ = out.write(lastLine(o)) // fails when the client is gone: nobody to tell
			return
		case <-beat.C:
			p := now.get()
			if out.write(line{Progress: &p}) != nil {
				cancel()
				<-done
				return
			}
		}
	}
}

func lastLine(o outcome) line {
	if o.err != nil {
		return line{Error: asError(o.err)}
	}
	text, err := json.Marshal(o.result)
	if err != nil {
		return line{Error: asError(err)}
	}
	return line{Result: text}
}
