package store

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A voucher is a remote that keeps checksums.
type voucher struct {
	*remotetest.Memory
	sums bool // and tells them, as they are sha256
}

func (v voucher) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := v.Memory.Get(ctx, key, offset)
	return vouched{body, v, sha256.Sum256([]byte(v.Snapshot()[key]))}, info, err
}

type vouched struct {
	io.ReadCloser
	by  voucher
	sum [sha256.Size]byte
}

func (vouched) Verifies() bool                      { return true }
func (b vouched) Sum256() ([sha256.Size]byte, bool) { return b.sum, b.by.sums }

// Every download has a checksum that tells damage after a crash: the one that
// the server vouches for, else one of its own.
func TestSumOfADownload(t *testing.T) {
	for _, test := range []struct {
		name   string
		remote func(*remotetest.Memory) remote.Remote
		digits int
	}{
		{"no checksum", func(m *remotetest.Memory) remote.Remote { return m }, 8},
		{"other checksum", func(m *remotetest.Memory) remote.Remote { return voucher{m, false} }, 8},
		{"sha256", func(m *remotetest.Memory) remote.Remote { return voucher{m, true} }, 64},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mem *remotetest.Memory
			r := newRig(t, func(o *Options, _ *remote.Traits) {
				mem = o.Remote.(*remotetest.Memory)
				o.Remote = test.remote(mem)
			})
			key := testKey(1, "package")
			r.mem.Set(remote.Key(key), []byte("content"))
			r.wantContent(key, "content")
			path := r.layout.object(key)
			got := r.sums.get(path, key)
			want, err := fileSum(path, got.newHash())
			if err != nil || got != want || len(got) != test.digits {
				t.Errorf("sum %q, the file's is %q, %v; want %d digits", got, want, err, test.digits)
			}
			r.crash()
			if err := os.WriteFile(path, []byte("CONTENT"), 0o644); err != nil {
				t.Fatal(err)
			}
			r.open()
			r.wantContent(key, "content")
			if _, err := os.Stat(r.layout.path("broken", key)); err != nil {
				t.Errorf("what is damaged is not set aside: %v", err)
			}
		})
	}
}

// A body that ends early is no object, and what came of it goes.
func TestShortDownloadLeavesNothing(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), make([]byte, 1<<20))
	r.mem.Short(1 << 19)
	if got, err := r.read(key); err == nil {
		t.Errorf("read %d bytes of a body that was cut, want an error", len(got))
	}
	// Whoever reads it while it comes hears of it before it is tried again.
	if !remotetest.Eventually(func() bool {
		left, err := os.ReadDir(r.layout.path("fetch"))
		return err == nil && len(left) == 0 && r.mem.Calls("get") == 2
	}) {
		t.Errorf("fetch/ is not empty after %d tries", r.mem.Calls("get"))
	}
	if id := localID(r.layout.object(key)); id != (FileID{}) {
		t.Error("the cut body is in the cache")
	}
}
