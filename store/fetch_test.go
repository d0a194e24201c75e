package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A cutting remote breaks the connection of every body after some bytes, as long
// as it is told to. The error is what net/http says then, as a backend wraps it.
type cutting struct {
	*remotetest.Memory
	after *atomic.Int64 // bytes, negative for never
	cause error
}

func (c cutting) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := c.Memory.Get(ctx, key, offset)
	n := c.after.Load()
	if err != nil || n < 0 {
		return body, info, err
	}
	broken := &remote.Error{Op: "cutting: get", Key: key, Kind: remote.ErrUnavailable, Err: fmt.Errorf("connection lost: %w", c.cause)}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, n), failing{broken}), body}, info, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// cutRig is a store whose remote breaks bodies with either end of io.
func cutRig(t *testing.T, set func(*Options), test func(t *testing.T, r *rig, after *atomic.Int64)) {
	for name, cause := range map[string]error{"in a body": io.ErrUnexpectedEOF, "before an answer": io.EOF} {
		t.Run(name, func(t *testing.T) {
			var after atomic.Int64
			test(t, newRig(t, func(o *Options, _ *remote.Traits) {
				o.Remote = cutting{o.Remote.(*remotetest.Memory), &after, cause}
				set(o)
			}), &after)
		})
	}
}

// An object that is too large for the cache is read from the remote: where the
// connection breaks is no end of the file, and the next read goes on.
func TestBrokenReadIsNoEnd(t *testing.T) {
	small := func(o *Options) { o.CacheSize = 100_000 }
	cutRig(t, small, func(t *testing.T, r *rig, after *atomic.Int64) {
		key, content := testKey(1, "package"), remotetest.Pattern(300_000, 1)
		r.mem.Set(remote.Key(key), content)
		after.Store(150_000)
		o, err := r.Open(t.Context(), key)
		if err != nil || o.File != nil {
			t.Fatalf("Open = %+v, %v, want an object that is not in the cache", o, err)
		}
		defer o.Close()
		got := make([]byte, 100_000)
		if n, err := o.ReadAt(got, 0); n != len(got) || err != nil {
			t.Fatalf("ReadAt(0) = %d, %v, want %d bytes", n, err, len(got))
		}
		if n, err := o.ReadAt(got, 100_000); !errors.Is(err, remote.ErrUnavailable) || err == io.EOF {
			t.Errorf("ReadAt(100,000) = %d, %v where the connection breaks, want %v", n, err, remote.ErrUnavailable)
		}
		after.Store(-1)
		for _, at := range []int64{100_000, 200_000} {
			if n, err := o.ReadAt(got, at); n != len(got) || err != nil || !bytes.Equal(got, content[at:at+int64(n)]) {
				t.Errorf("ReadAt(%d) = %d, %v of other content", at, n, err)
			}
		}
		if n, err := o.ReadAt(got, 250_000); n != 50_000 || err != io.EOF {
			t.Errorf("ReadAt(250,000) = %d, %v, want 50,000 bytes and the end", n, err)
		}
	})
}

// A connection that breaks says nothing about the object, wherever it does.
func TestBrokenDownloadIsNotCorrupt(t *testing.T) {
	cutRig(t, func(*Options) {}, func(t *testing.T, r *rig, after *atomic.Int64) {
		key, content := testKey(1, "package"), packed(t, string(remotetest.Pattern(300_000, 1)))
		r.mem.Set(remote.Key(key), content)
		for _, n := range []int64{0, 1, int64(len(content)) / 2, int64(len(content)) - 1, int64(len(content))} {
			after.Store(n)
			if got, err := r.read(key); !errors.Is(err, remote.ErrUnavailable) {
				t.Errorf("read of a body that breaks after %d bytes = %d bytes, %v, want %v", n, len(got), err, remote.ErrUnavailable)
			}
			if _, err := r.Lookup(t.Context(), key); err != nil {
				t.Errorf("Lookup = %v after that, want the object that is still there", err)
			}
		}
		after.Store(-1)
		r.wantContent(key, string(content))
	})
}

// TestReplacedDownload: who reads while others replace gets one of the contents.
func TestReplacedDownload(t *testing.T) {
	r := newRig(t, func(_ *Options, tr *remote.Traits) { tr.CheapStat = false })
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("one"))
	r.listed()
	r.mem.Fail("list", remote.ErrUnavailable) // of the first filling, which may still run
	r.mem.Set(remote.Key(key), []byte("another"))
	asked := r.mem.Calls("stat")
	r.mem.Hang("stat")
	read := make(chan error, 1)
	go func() {
		_, err := r.read(key)
		read <- err
	}()
	if !remotetest.Eventually(func() bool { return r.mem.Calls("stat") > asked }) {
		t.Error("an unlisted length is not doubted")
	}
	r.mem.Set(remote.Key(key), []byte("and a third"))
	r.mem.Release()
	if err := <-read; err != nil {
		t.Errorf("read = %v", err)
	}
	r.wantContent(key, "and a third")
}

// TestRemovedDownload: what was on its way when it was removed does not come back.
func TestRemovedDownload(t *testing.T) {
	r := newRig(t, func(_ *Options, tr *remote.Traits) { tr.CheapStat = false })
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("content"))
	r.listed()
	r.mem.Hang("read")
	read := make(chan error, 1)
	go func() {
		_, err := r.read(key)
		read <- err
	}()
	if !remotetest.Eventually(func() bool { return r.mem.Calls("read") > 0 }) {
		t.Error("nothing is read")
	}
	if err := r.Unlink(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.mem.Release()
	if err := <-read; err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("read = %v", err)
	}
	r.wantMiss(key)
	r.mustPublish(key, "anew")
	r.wantContent(key, "anew")
}
