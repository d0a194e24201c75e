//go:build !race

// With the race detector the runtime allocates for itself.

package store

import (
	"context"
	"strings"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// lookupsThatMatter are what a build asks for by the thousand.
func lookupsThatMatter(t testing.TB) map[string]func() error {
	s, far, near, absent := quietStore(t)
	ctx := context.Background()
	look := func(path string) func() error {
		return func() error {
			_, err := s.Lookup(ctx, path)
			return err
		}
	}
	miss := look(absent)
	return map[string]func() error{
		"absent":        func() error { _ = miss(); return nil },
		"on the remote": look(far),
		"cached":        look(near),
		"folder":        look(parent(far)),
		"getattr":       func() error { _, err := s.Stat(ctx, near); return err },
	}
}

// TestLookupsDoNotAllocate: what is looked up again and again leaves nothing to
// the garbage collector.
func TestLookupsDoNotAllocate(t *testing.T) {
	for name, look := range lookupsThatMatter(t) {
		if err := look(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := testing.AllocsPerRun(200, func() { _ = look() }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkLookup is what package fs asks for.
func BenchmarkLookup(b *testing.B) {
	for name, look := range lookupsThatMatter(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = look()
			}
		})
	}
}

// quietStore has an index, and a key of each kind: on the remote, here as well,
// and nowhere. All are of one folder.
func quietStore(t testing.TB) (s *Store, far, near, absent string) {
	mem := remotetest.NewMemory()
	mem.SetTraits(remote.Traits{AtomicCreate: true})
	far = testKey(1, "package")
	near = strings.Replace(far, ":zlib:", ":near:", 1)
	absent = strings.Replace(far, ":zlib:", ":absent:", 1)
	for _, key := range []string{far, near} {
		mem.Set(remote.Key(key), []byte("content of "+key))
	}
	s, err := Open(context.Background(), Options{Dir: t.TempDir(), Remote: mem, Guard: quickGuard, MinFree: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(context.Background()) })
	o, err := s.Open(context.Background(), near)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	return s, far, near, absent
}
