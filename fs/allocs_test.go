//go:build !race

// With the race detector the runtime allocates for itself.

package fs

import (
	"context"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// requestsThatMatter are those of the availability check, as go-fuse hands them
// over, for an object that is cached and one that nobody has.
func requestsThatMatter(t testing.TB) (lookup, miss, getattr func()) {
	r := newRig(t)
	o, err := r.st.store.Open(context.Background(), r.path())
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	dir, file := r.look(t)
	absent := "sstate:none" + r.base[len("sstate:zlib"):]
	var entry fuse.EntryOut
	var attr fuse.AttrOut
	ctx := &fuse.Context{}
	return func() { _, _ = dir.Lookup(ctx, r.base, &entry) },
		func() { _, _ = dir.Lookup(ctx, absent, &entry) },
		func() { _ = file.Getattr(ctx, nil, &attr) }
}

// TestAllocationsOfRequests: a lookup makes the path, and nothing else.
func TestAllocationsOfRequests(t *testing.T) {
	lookup, miss, getattr := requestsThatMatter(t)
	for _, c := range []struct {
		name string
		do   func()
		most float64
	}{
		{"lookup", lookup, 1}, {"miss", miss, 1}, {"getattr", getattr, 0},
	} {
		if n := testing.AllocsPerRun(200, c.do); n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, n, c.most)
		}
	}
}

// BenchmarkRequest is what a request costs beside the kernel and go-fuse.
func BenchmarkRequest(b *testing.B) {
	lookup, miss, getattr := requestsThatMatter(b)
	for name, do := range map[string]func(){"lookup": lookup, "miss": miss, "getattr": getattr} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				do()
			}
		})
	}
}
