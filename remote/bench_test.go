package remote_test

import (
	"context"
	"testing"

	"sstatefs/remote"
)

// noop answers every Stat at once.
type noop struct{ remote.Remote }

func (noop) Stat(_ context.Context, key remote.Key) (remote.Info, error) {
	return remote.Info{Key: key}, nil
}

// What a Guard adds to a call: below 2 us.
func BenchmarkGuardStat(b *testing.B) {
	g := remote.NewGuard(noop{}, remote.GuardOptions{})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Stat(ctx, "ab/cd/sstate:x"); err != nil {
			b.Fatal(err)
		}
	}
	if err := g.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkGuardStatParallel(b *testing.B) {
	g := remote.NewGuard(noop{}, remote.GuardOptions{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := g.Stat(b.Context(), "ab/cd/sstate:x"); err != nil {
				b.Error(err)
			}
		}
	})
	if err := g.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
