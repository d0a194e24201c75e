package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestEndingSoon: a start that is interrupted may take its time to end, but not
// for ever.
func TestEndingSoon(t *testing.T) {
	told := errors.New("told")
	for _, test := range []struct {
		name  string
		takes time.Duration // after the interruption
		want  error
	}{
		{"at once", 0, told}, {"in time", interruptedStart / 2, told}, {"never", 2 * interruptedStart, errHangs},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			err := endingSoon(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(test.takes)
				return told
			})
			if !errors.Is(err, test.want) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
			time.Sleep(test.takes) // nothing of it may be left
		})
	}
	if err := endingSoon(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("not interrupted: %v", err)
	}
}
