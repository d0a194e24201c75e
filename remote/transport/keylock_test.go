package transport

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeyLocks: who shares a key waits for one who has it alone, and the other
// way round; other keys do not matter.
func TestKeyLocks(t *testing.T) {
	for _, test := range []struct {
		name          string
		first, second func(*KeyLocks) func(context.Context) (func(), error)
		waits         bool
	}{
		{"share share", share, share, false},
		{"share alone", share, alone, true},
		{"alone share", alone, share, true},
		{"alone alone", alone, alone, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var k KeyLocks
				unlock, err := test.first(&k)(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				other, err := k.Alone(t.Context(), "other")
				if err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(time.Second, unlock)
				start := time.Now()
				second, err := test.second(&k)(t.Context())
				if waited := time.Since(start) > 0; err != nil || waited != test.waits {
					t.Errorf("the second waited %t, %v, want %t", waited, err, test.waits)
				}
				time.Sleep(2 * time.Second)
				second()
				other()
				if len(k.locks) != 0 {
					t.Errorf("%d locks are left", len(k.locks))
				}
			})
		})
	}
}

func share(k *KeyLocks) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) { return k.Share(ctx, "key") }
}

func alone(k *KeyLocks) func(context.Context) (func(), error) {
	return func(ctx context.Context) (func(), error) { return k.Alone(ctx, "key") }
}

// TestKeyLocksGivenUp: who stops waiting leaves nothing behind.
func TestKeyLocksGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k KeyLocks
		unlock, err := k.Share(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := k.Alone(ctx, "key"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Alone = %v, want %v", err, context.DeadlineExceeded)
		}
		unlock()
		if len(k.locks) != 0 {
			t.Errorf("%d locks are left", len(k.locks))
		}
	})
}
