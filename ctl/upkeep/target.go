package upkeep

import (
	"context"
	"errors"
	"time"

	"sstatefs/remote"
)

// Target is a remote that is looked after.
type Target struct {
	remote.Remote

	// Now is the time of this host (time.Now).
	Now func() time.Time

	// TouchInterval is how far the remote's times may lag behind the last use
	// of an object, as the mount in between has it; 0 without a mount.
	TouchInterval time.Duration
}

// ErrNoClock says that ages cannot be told: the remote's clock is not known.
var ErrNoClock = errors.New("the remote does not tell its time")

// Time is the time by the remote's clock, ErrNoClock if that cannot be learned.
// It may ask the remote.
func (t *Target) Time(ctx context.Context) (time.Time, error) {
	clock, ok := t.Remote.(remote.Clock)
	if !ok {
		return time.Time{}, ErrNoClock
	}
	offset, known := clock.Offset()
	if prober, can := t.Remote.(remote.Prober); !known && can {
		if err := prober.Probe(ctx); err != nil {
			return time.Time{}, err
		}
		offset, known = clock.Offset()
	}
	if !known {
		return time.Time{}, ErrNoClock
	}
	return t.Now().Add(offset), nil
}

// Progress tells how far work is.
type Progress struct {
	Stage string // what is being done: "listing", "deleting", "sending"

	Done, Total           int64 // objects; Total is 0 as long as it is unknown
	DoneBytes, TotalBytes int64
}

// A Report is told how work goes, often: it returns at once and may be called
// from several goroutines.
type Report func(Progress)

// Silent tells nobody.
func Silent(Progress) {}
