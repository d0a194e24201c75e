//go:build !race

// With the race detector the runtime allocates for itself.

package fs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
	"sstatefs/store"
)

// requestsThatMatter are those of the availability check, as go-fuse hands them
// over, for an object that is cached and one that nobody has.
func requestsThatMatter(t testing.TB) (lookup, miss, getattr func()) {
	hash := fmt.Sprintf("%x", sha256.Sum256(nil))
	folder, base := hash[:2]+"/"+hash[2:4], "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:"+hash+"_package.tar.zst"
	mem := remotetest.NewMemory()
	mem.SetTraits(remote.Traits{AtomicCreate: true})
	mem.Set(remote.Key(folder+"/"+base), []byte("content"))
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir(), Remote: mem, MinFree: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(context.Background()) })
	o, err := s.Open(context.Background(), folder+"/"+base)
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	st := &state{store: s, notes: newNotifier(), indexed: true, ids: identities{aliases: map[store.FileID]fs.StableAttr{}}}
	st.root = &dirNode{st: st}
	raw := fs.NewNodeFS(st.root, &fs.Options{NullPermissions: true})
	at := func(parent uint64, name string) (out fuse.EntryOut) {
		if code := raw.Lookup(nil, &fuse.InHeader{NodeId: parent}, name, &out); !code.Ok() {
			t.Fatalf("lookup of %s: %v", name, code)
		}
		return out
	}
	leaf := at(at(1, hash[:2]).NodeId, hash[2:4])
	at(leaf.NodeId, base)
	dir := st.root.GetChild(hash[:2]).GetChild(hash[2:4]).Operations().(*dirNode)
	file := dir.GetChild(base).Operations().(*fileNode)
	absent := "sstate:none" + base[len("sstate:zlib"):]
	var entry fuse.EntryOut
	var attr fuse.AttrOut
	ctx := &fuse.Context{}
	return func() { _, _ = dir.Lookup(ctx, base, &entry) },
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
