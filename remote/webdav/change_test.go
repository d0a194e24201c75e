package webdav

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/integration/servers"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// onEach runs a test on every server, with two remotes of one root, beside all
// others of the kind: most of it is waiting.
func onEach(t *testing.T, test func(t *testing.T, mine, other *DAV)) {
	t.Helper()
	t.Parallel()
	for _, kind := range servers.WebDAV() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := &site{server: servers.Start(t, kind)}
			address := s.fresh(t)
			mine := mustOpen(t, address, remote.OpenOptions{})
			other := mustOpen(t, address, remote.OpenOptions{Known: true, Learned: mine.Learned()})
			test(t, mine, other)
		})
	}
}

// at is the URL of a name for other tools.
func at(d *DAV, name string) string { return d.client.place.Load().at(name).String() }

// TestFoldersAreSpared: no folder is removed or replaced, whoever asks.
func TestFoldersAreSpared(t *testing.T) {
	onEach(t, func(t *testing.T, d, _ *DAV) {
		const folder = "ab/cd/sstate:folder"
		put(t, d, folder+"/sstate:x", []byte("x"), remote.PutOptions{Create: true})
		if err := d.Delete(t.Context(), folder, "ab", "ab/cd"); err != nil {
			t.Errorf("Delete of folders = %v", err)
		}
		if _, err := d.Stat(t.Context(), folder); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Stat of a folder = %v, want %v", err, remote.ErrNotExist)
		}
		if _, err := read(t, d, folder); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Get of a folder = %v, want %v", err, remote.ErrNotExist)
		}
		for _, o := range []remote.PutOptions{{}, {Create: true}, {Refresh: true}} {
			if err := d.Put(t.Context(), folder, remotetest.Bytes("x"), o); err == nil {
				t.Errorf("Put(%+v) over a folder succeeds", o)
			}
		}
		if got, err := read(t, d, folder+"/sstate:x"); string(got) != "x" || err != nil {
			t.Errorf("after that an object in the folder is %q, %v", got, err)
		}
		do(t, "MKCOL", at(d, "ab/.sstatefs-0123456789abcdef/"), nil, http.StatusCreated)
		if err := d.Delete(t.Context(), "ab/.sstatefs-0123456789abcdef"); err != nil {
			t.Errorf("Delete of a scratch folder = %v", err)
		}
		if _, ok, err := d.look(t.Context(), "ab/.sstatefs-0123456789abcdef/"); ok || err != nil {
			t.Errorf("the scratch folder is there: %t, %v", ok, err)
		}
	})
}

// TestVanishedFolder: a folder that is known and was removed is made again.
func TestVanishedFolder(t *testing.T) {
	onEach(t, func(t *testing.T, d, _ *DAV) {
		for _, size := range []int{10, directLimit + 1} {
			for range 2 {
				content := remotetest.Pattern(size, 1)
				put(t, d, key, content, remote.PutOptions{Create: true})
				if got, err := read(t, d, key); !bytes.Equal(got, content) || err != nil {
					t.Errorf("Get = %d bytes, %v, want %d", len(got), err, size)
				}
				do(t, "DELETE", at(d, "ab/"), nil, http.StatusNoContent)
			}
		}
	})
}

// A slowSource is read at a few MB a second, and counts that.
type slowSource struct {
	remotetest.Bytes
	n *atomic.Int64
}

func (s slowSource) Open() (io.ReadCloser, error) {
	return io.NopCloser(&slowReader{s.n, bytes.NewReader(s.Bytes)}), nil
}

type slowReader struct {
	n       *atomic.Int64
	content *bytes.Reader
}

func (r *slowReader) Read(p []byte) (int, error) {
	<-time.After(10 * time.Millisecond)
	n, err := r.content.Read(p)
	r.n.Add(int64(n))
	return n, err
}

// TestLargeIsNotSentInVain: a large object that exists is not sent to its end.
func TestLargeIsNotSentInVain(t *testing.T) {
	onEach(t, func(t *testing.T, d, _ *DAV) {
		content := remotetest.Pattern(8<<20, 1)
		put(t, d, key, content, remote.PutOptions{Create: true})
		src := slowSource{content, new(atomic.Int64)}
		err := d.Put(t.Context(), key, src, remote.PutOptions{Create: true})
		if n := src.n.Load(); !errors.Is(err, remote.ErrExist) || n > 4<<20 {
			t.Errorf("Put = %v after %d bytes of %d, want %v long before the end", err, n, len(content), remote.ErrExist)
		}
		if n := leftovers(t, d); n > 0 {
			t.Errorf("%d temporaries are left", n)
		}
	})
}

func leftovers(t *testing.T, d *DAV) (n int) {
	t.Helper()
	if err := d.Leftovers(t.Context(), func(remote.Info) error { n++; return nil }); err != nil {
		t.Fatalf("Leftovers = %v", err)
	}
	return n
}

// TestTouchAndOtherHost: a touch does not undo what another host does between
// its COPY and its MOVE, where the server heeds etags.
func TestTouchAndOtherHost(t *testing.T) {
	onEach(t, func(t *testing.T, d, other *DAV) {
		if !d.knows().ifs {
			t.Skip("the server heeds no etag of a destination: doc.go says what may happen")
		}
		for name, change := range map[string]func() error{
			"removal": func() error { return other.Delete(t.Context(), key) },
			"replacement": func() error {
				return other.Put(t.Context(), key, remotetest.Bytes("new"), remote.PutOptions{})
			},
		} {
			put(t, other, key, []byte("old"), remote.PutOptions{})
			v, err := d.head(t.Context(), "touch", key)
			if err != nil {
				t.Fatal(err)
			}
			temporary := temporaryFor(key)
			if err := d.copyAside(t.Context(), key, temporary); err != nil {
				t.Fatal(err)
			}
			if err := change(); err != nil {
				t.Fatal(err)
			}
			if err := d.moveOver(t.Context(), temporary, v); !errors.Is(err, errMoved) {
				t.Errorf("MOVE after a %s = %v, want %v", name, err, errMoved)
			}
			if got, err := read(t, d, key); string(got) == "old" || err != nil && !errors.Is(err, remote.ErrNotExist) {
				t.Errorf("after a %s Get = %q, %v", name, got, err)
			}
		}
	})
}

// TestLargeInPieces: a large object comes whole, from any offset, and one that
// is replaced meanwhile does not.
func TestLargeInPieces(t *testing.T) {
	onEach(t, func(t *testing.T, d, other *DAV) {
		content := remotetest.Pattern(45<<20, 1)
		put(t, d, key, content, remote.PutOptions{Create: true})
		for _, offset := range []int64{0, 5<<20 + 1, 40 << 20} {
			body, info, err := d.Get(t.Context(), key, offset)
			if err != nil {
				t.Fatalf("Get = %v", err)
			}
			got, err := io.ReadAll(body)
			_ = body.Close()
			if !bytes.Equal(got, content[offset:]) || err != nil || info.Size != int64(len(content)) {
				t.Errorf("Get from %d = %d bytes, %v, want %d", offset, len(got), err, len(content)-int(offset))
			}
		}
		body, _, err := d.Get(t.Context(), key, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		put(t, other, key, content[:len(content)-1], remote.PutOptions{})
		if n, err := io.Copy(io.Discard, body); !errors.Is(err, errReplaced) || !errors.Is(err, remote.ErrUnavailable) {
			t.Errorf("reading on after a replacement = %d bytes, %v, want %v", n, err, errReplaced)
		}
	})
}

// TestTimes: a server that takes times is given them, and folders have times
// only if they move.
func TestTimes(t *testing.T) {
	onEach(t, func(t *testing.T, d, _ *DAV) {
		put(t, d, key, []byte("x"), remote.PutOptions{Create: true, ModTime: longAgo()})
		info, err := d.Stat(t.Context(), key)
		if err != nil || d.knows().timeHeader != info.ModTime.Equal(longAgo()) {
			t.Errorf("Stat = %v, %v, takes times: %t", info.ModTime, err, d.knows().timeHeader)
		}
		err = d.Folders(t.Context(), "ab", func(f remote.Folder) error {
			if f.Name != "cd" || f.ModTime.IsZero() == d.knows().folderTimes {
				t.Errorf("folder %+v, folders have times: %t", f, d.knows().folderTimes)
			}
			return nil
		})
		if offset, ok := d.Offset(); err != nil || !ok || offset.Abs() > 2*time.Second {
			t.Errorf("Folders = %v, clock %v, %t, want ours", err, offset, ok)
		}
	})
}
