package fs

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
	"sstatefs/store"
)

// A rig is the file system without a kernel, over a remote with one object.
type rig struct {
	st           *state
	raw          fuse.RawFileSystem
	mem          *remotetest.Memory
	folder, base string
}

func newRig(t testing.TB) *rig {
	t.Helper()
	hash := fmt.Sprintf("%x", sha256.Sum256(nil))
	r := &rig{
		mem: remotetest.NewMemory(), folder: hash[:2] + "/" + hash[2:4],
		base: "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + hash + "_package.tar.zst",
	}
	r.mem.SetTraits(remote.Traits{AtomicCreate: true})
	r.mem.Set(remote.Key(r.path()), []byte("content"))
	s, err := store.Open(context.Background(), store.Options{Dir: t.TempDir(), Remote: r.mem, MinFree: 1e-9})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.Close(context.Background()) })
	r.st = &state{store: s, notes: newNotifier(), indexed: true, ids: identities{aliases: map[store.FileID]fs.StableAttr{}}}
	r.st.root = &dirNode{st: r.st}
	r.raw = fs.NewNodeFS(r.st.root, &fs.Options{NullPermissions: true})
	return r
}

// path is the object's.
func (r *rig) path() string { return r.folder + "/" + r.base }

// look looks the object up, and its folders.
func (r *rig) look(t testing.TB) (*dirNode, *fileNode) {
	t.Helper()
	up, leaf, _ := strings.Cut(r.folder, "/")
	parent := uint64(1)
	for _, name := range []string{up, leaf, r.base} {
		var out fuse.EntryOut
		if code := r.raw.Lookup(nil, &fuse.InHeader{NodeId: parent}, name, &out); !code.Ok() {
			t.Fatalf("lookup of %s: %v", name, code)
		}
		parent = out.NodeId
	}
	dir := r.st.root.GetChild(up).GetChild(leaf).Operations().(*dirNode)
	return dir, dir.GetChild(r.base).Operations().(*fileNode)
}
