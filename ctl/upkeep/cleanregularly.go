package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// A Regular cleans a target again and again, for as long as Run runs.
type Regular struct {
	Target  *Target
	Options CleanOptions
	Every   time.Duration

	// Marker is the file that remembers the last run, so that who is restarted
	// does not begin to count anew.
	Marker string
	Logger *slog.Logger

	mu     sync.Mutex // guards what follows
	status RegularStatus
}

// RegularStatus is what became of cleaning regularly. The JSON keys are stable.
type RegularStatus struct {
	EverySeconds float64     `json:"every_seconds"`
	Running      bool        `json:"running"`
	Next         time.Time   `json:"next"`           // by this host's clock
	Last         *RegularRun `json:"last,omitempty"` // nil before the first
}

// RegularRun is one run. The JSON keys are stable.
type RegularRun struct {
	Begun    time.Time `json:"begun"` // by this host's clock
	Seconds  float64   `json:"seconds"`
	LookedAt int64     `json:"looked_at_objects"`
	Removed  int64     `json:"removed_objects"`
	Bytes    int64     `json:"removed_bytes"`
	Failed   int64     `json:"failed_objects"`
	Error    string    `json:"error,omitempty"` // why it ended early
}

const (
	// firstDelay bounds how long the first run, and one that is overdue, waits:
	// hosts that start together must not list together.
	firstDelay = time.Hour
	// retryDelay bounds the time before the next try after a run that failed.
	retryDelay = time.Hour
)

// Run cleans until ctx ends.
func (r *Regular) Run(ctx context.Context) {
	r.mu.Lock()
	r.status = RegularStatus{EverySeconds: r.Every.Seconds(), Last: r.recall()}
	r.mu.Unlock()
	for {
		next := r.next()
		timer := time.NewTimer(time.Until(next))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		r.once(ctx)
		if ctx.Err() != nil {
			return
		}
	}
}

// Status tells when it ran last and will next.
func (r *Regular) Status() RegularStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// next decides when the next run begins.
func (r *Regular) next() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	due := now
	last := r.status.Last
	switch {
	case last == nil || last.Begun.After(now): // or the clock was set back
	case last.Error != "":
		due = last.Begun.Add(min(r.Every, retryDelay))
	default:
		due = last.Begun.Add(r.Every)
	}
	spread := min(r.Every/4, firstDelay)
	if due.Before(now) {
		due = now
	}
	r.status.Next = due.Add(rand.N(spread + 1)).UTC()
	return r.status.Next
}

// once cleans, and says in one line how that went.
func (r *Regular) once(ctx context.Context) {
	r.mu.Lock()
	r.status.Running = true
	r.mu.Unlock()
	run := &RegularRun{Begun: time.Now().UTC()}
	result, err := Clean(ctx, r.Target, r.Options, Silent)
	run.Seconds = result.Seconds
	run.LookedAt, run.Failed = result.LookedAt.Total.Objects, result.Failed.Objects
	run.Removed, run.Bytes = result.Removed.Total.Objects, result.Removed.Total.Bytes
	counts := []any{"looked_at", run.LookedAt, "removed", run.Removed, "freed_bytes", run.Bytes}
	switch {
	case ctx.Err() != nil:
		run.Error = "interrupted: the mount ended"
	case err != nil:
		run.Error = firstLine(err)
		r.Logger.Warn("cleaning the remote failed", append(counts, "error", run.Error)...)
	case run.Failed > 0:
		r.Logger.Warn("cleaned the remote, in part", append(counts, "failed", run.Failed, "error", result.FailedReason)...)
	default:
		r.Logger.Info("cleaned the remote", counts...)
	}
	if result.Warning != "" && r.Status().Last == nil {
		r.Logger.Warn("cleaning the remote: " + result.Warning)
	}
	if err := r.remember(run); err != nil {
		r.Logger.Warn("cannot note that the remote was cleaned", "error", err)
	}
	r.mu.Lock()
	r.status.Running, r.status.Last = false, run
	r.mu.Unlock()
}

// recall reads the marker: nil if there is none that makes sense.
func (r *Regular) recall() *RegularRun {
	text, err := os.ReadFile(r.Marker)
	var run RegularRun
	if err != nil || json.Unmarshal(text, &run) != nil || run.Begun.IsZero() {
		return nil
	}
	return &run
}

// remember writes the marker, whole or not at all.
func (r *Regular) remember(run *RegularRun) error {
	text, err := json.Marshal(run)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(r.Marker), filepath.Base(r.Marker)+".*")
	if err != nil {
		return err
	}
	_, err = temp.Write(append(text, '\n'))
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), r.Marker)
	}
	if err != nil {
		os.Remove(temp.Name())
		return fmt.Errorf("%s: %w", r.Marker, err)
	}
	return nil
}
