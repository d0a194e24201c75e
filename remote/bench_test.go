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

// endless lists as many objects as are wanted.
type endless struct {
	remote.Remote
	n int
}

func (e endless) List(_ context.Context, _ string, fn func(remote.Info) error) error {
	for range e.n {
		if err := fn(remote.Info{Key: "ab/cd/sstate:x", Size: 1}); err != nil {
			return err
		}
	}
	return nil
}

// What a Guard adds to each object of a listing: below 100 ns.
func BenchmarkGuardList(b *testing.B) {
	g := remote.NewGuard(endless{n: b.N}, remote.GuardOptions{})
	n := 0
	if err := g.List(b.Context(), "", func(remote.Info) error { n++; return nil }); err != nil || n != b.N {
		b.Fatalf("%d of %d objects, %v", n, b.N, err)
	}
	if err := g.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
