package ctl

import (
	"context"
	"testing"
	"time"

	"sstatefs/store"
)

// Who verifies and gives up ends the reading; so does the end of the mount.
func TestTrimVerifiedEnds(t *testing.T) {
	for name, end := range map[string]func(m *testMount, cancel func()){
		"by its caller":  func(_ *testMount, cancel func()) { cancel() },
		"with the mount": func(m *testMount, _ func()) { m.mount.end() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := serveFakes(t)
			m.store.reading = make(chan struct{})
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			told := store.VerifyResult{}
			_, err := m.client.TrimVerified(ctx, func(now store.VerifyResult) {
				told = now
				end(m, cancel)
			})
			if err == nil || told.Checked.Objects != 4 {
				t.Errorf("TrimVerified() = %v after %+v", err, told)
			}
			select {
			case <-m.store.reading:
			case <-time.After(10 * time.Second):
				t.Error("the reading goes on")
			}
		})
	}
}
