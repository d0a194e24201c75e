package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

func (f *fixture) put(content []byte) error {
	return f.g.Put(f.Context(), key, remotetest.Bytes(content), remote.PutOptions{Create: true})
}

func (f *fixture) wantStored(want []byte) {
	f.Helper()
	if got := f.m.Snapshot()[key]; !bytes.Equal(got, want) {
		f.Errorf("remote holds %d bytes, want %d", len(got), len(want))
	}
}

func (f *fixture) open() io.ReadCloser {
	f.Helper()
	body, _, err := f.g.Get(f.Context(), key, 0)
	if err != nil {
		f.Fatalf("Get = %v", err)
	}
	return body
}

// A body that stops to move is given up, its goroutine left behind.
func TestStallInBody(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Set(key, remotetest.Pattern(1<<20, 1))
		body := f.open()
		buf := make([]byte, 1000)
		if _, err := io.ReadFull(body, buf); err != nil {
			f.Fatalf("Read = %v", err)
		}
		f.m.Hang("read")
		start := time.Now()
		_, err := io.Copy(io.Discard, body)
		f.want(err, remote.ErrUnavailable)
		if d := time.Since(start); d != 30*time.Second {
			f.Errorf("released after %v, want 30 s", d)
		}
		f.wantOpen(true)
		_, err = body.Read(buf)
		f.want(err, remote.ErrUnavailable)
		f.want(body.Close(), nil)
		if d := time.Since(start); d != 30*time.Second {
			f.Errorf("Read and Close took %v more, want no time", d-30*time.Second)
		}
	})
}

// A change or a listing that stands still makes the Guard ask whether the remote
// answers, long before it is given up: others must not wait for that.
func TestStandstillIsLookedInto(t *testing.T) {
	for name, test := range map[string]struct {
		hang   []string
		opened time.Duration // when the breaker opens
	}{
		"put":             {[]string{"commit", "probe"}, 10 * time.Second},
		"list":            {[]string{"list", "probe"}, 10 * time.Second},
		"remote is there": {[]string{"commit", "list"}, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, remote.GuardOptions{}, func(f *fixture) {
				var opened time.Duration
				start := time.Now()
				f.g.Watch(func(s remote.State) {
					if s.Open && opened == 0 {
						opened = time.Since(start)
					}
				})
				f.m.Hang(test.hang...)
				if name == "list" {
					f.want(f.g.List(f.Context(), "", func(remote.Info) error { return nil }), remote.ErrUnavailable)
				} else {
					f.want(f.put([]byte("x")), remote.ErrUnavailable)
				}
				synctest.Wait()
				if took := time.Since(start); opened != test.opened || took != 30*time.Second {
					t.Errorf("offline after %v, given up after %v, want %v and 30 s", opened, took, test.opened)
				}
			})
		})
	}
}

// One that moves slowly is not, and an open breaker does not cut it off.
func TestSlowBody(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		content := remotetest.Pattern(1<<20, 1)
		f.m.Set(key, content)
		body := f.open()
		f.m.Delay("read", 29*time.Second)
		f.m.Fail("probe", remote.ErrUnavailable)
		f.want(f.g.ProbeNow(f.Context()), remote.ErrUnavailable)
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, content) {
			f.Errorf("body = %d bytes, %v, want all", len(got), err)
		}
		f.want(body.Close(), nil)
	})
}

func TestBodyCancelled(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		ctx, cancel := context.WithTimeout(f.Context(), time.Second)
		defer cancel()
		body, _, err := f.g.Get(ctx, key, 0)
		if err != nil {
			f.Fatalf("Get = %v", err)
		}
		f.m.Hang("read")
		start := time.Now()
		_, err = body.Read(make([]byte, 10))
		f.want(err, context.DeadlineExceeded)
		if d := time.Since(start); d != time.Second || errors.Is(err, remote.ErrUnavailable) {
			f.Errorf("Read = %v after %v, want the caller's own deadline", err, d)
		}
		f.want(body.Close(), nil)
		f.wantOpen(false)
	})
}

// A backend that lies about a length is found out.
func TestBodyLength(t *testing.T) {
	f := newFixture(t, remote.GuardOptions{})
	defer f.close()
	content := remotetest.Pattern(1<<20, 1)
	f.m.Set(key, content)
	for _, n := range []int64{1, 300_000, 1<<20 - 1} {
		f.m.Short(n)
		body := f.open()
		got, err := io.ReadAll(body)
		f.want(err, remote.ErrCorrupt)
		if !bytes.Equal(got, content[:n]) {
			t.Errorf("short body gives %d bytes, want %d", len(got), n)
		}
		f.want(body.Close(), nil)
	}
	if n := f.g.Errors(); n != 3 {
		t.Errorf("Errors = %d, want 3", n)
	}
	f.wantOpen(false)
	f.m.Short(0)
	g := remote.NewGuard(longRemote{f.m}, remote.GuardOptions{})
	body, _, err := g.Get(t.Context(), key, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	f.want(err, remote.ErrCorrupt)
	if !bytes.Equal(got, content) {
		t.Errorf("long body gives %d bytes, want the announced %d", len(got), len(content))
	}
	f.want(body.Close(), nil)
	f.want(g.Close(t.Context()), nil)
}

// longRemote adds to every body.
type longRemote struct{ *remotetest.Memory }

func (l longRemote) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := l.Memory.Get(ctx, key, offset)
	return io.NopCloser(io.MultiReader(body, bytes.NewReader([]byte("more")))), info, err
}

// A slowSource gives a piece per interval.
type slowSource struct {
	remotetest.Bytes
	interval time.Duration
}

func (s slowSource) Open() (io.ReadCloser, error) {
	return io.NopCloser(&slowReader{bytes.NewReader(s.Bytes), s.interval}), nil
}

type slowReader struct {
	*bytes.Reader
	interval time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	time.Sleep(r.interval) // virtual
	return r.Reader.Read(p[:min(len(p), 10_000)])
}

func TestSlowPut(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		content := remotetest.Pattern(100_000, 1)
		err := f.g.Put(f.Context(), key, slowSource{content, 29 * time.Second}, remote.PutOptions{})
		f.want(err, nil)
		f.wantStored(content)
		err = f.g.Put(f.Context(), key, slowSource{content[1:], 31 * time.Second}, remote.PutOptions{})
		f.want(err, remote.ErrUnavailable)
		time.Sleep(time.Hour)
		f.wantStored(content) // also what was left behind gave up
	})
}

// A Put whose answer got lost finds its own object.
func TestExistAfterRetry(t *testing.T) {
	ours, theirs := remotetest.Pattern(200_000, 1), remotetest.Pattern(200_000, 2)
	lost := fmt.Errorf("%w: connection reset", remote.ErrUnavailable)
	tests := []struct {
		name  string
		setup func(f *fixture)
		want  error
		calls int64
	}{
		{"ours", func(f *fixture) { f.m.LoseNext("put", 1, lost) }, nil, 2},
		{"theirs", func(f *fixture) { f.m.FailNext("put", 1, lost); f.m.Set(key, theirs) }, remote.ErrExist, 2},
		{"theirs, shorter", func(f *fixture) { f.m.FailNext("put", 1, lost); f.m.Set(key, theirs[1:]) }, remote.ErrExist, 2},
		{"no retry", func(f *fixture) { f.m.Set(key, ours) }, remote.ErrExist, 1},
		{"compare fails", func(f *fixture) { f.m.LoseNext("put", 1, lost); f.m.FailNext("read", 1, lost) }, remote.ErrUnavailable, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			virtual(t, remote.GuardOptions{}, func(f *fixture) {
				f.m.Remove(key)
				test.setup(f)
				f.want(f.put(ours), test.want)
				f.wantCalls("put", test.calls)
			})
		})
	}
}

// The same over two calls of Put, as a sender does it after an outage.
func TestExistAfterOutage(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Remove(key)
		content := []byte("ours")
		f.m.LoseNext("put", 3, remote.ErrUnavailable)
		f.m.Fail("stat", remote.ErrUnavailable) // so that nothing can be compared
		f.want(f.put(content), remote.ErrUnavailable)
		f.m.Fail("stat", nil)
		f.want(f.put(content), nil)
		f.want(f.put(content), remote.ErrExist) // now it is certain
	})
}

// What was left behind may still happen: the next change waits for it, so that
// the order of changes of one key stays.
func TestChangesKeepOrder(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.m.Hang("commit")
		f.want(f.put([]byte("old")), remote.ErrUnavailable)
		time.Sleep(time.Second) // the probe closes the breaker
		synctest.Wait()
		f.wantOpen(false)

		f.want(f.g.Touch(f.Context(), key, time.Time{}), remote.ErrUnavailable)
		f.want(f.g.Touch(f.Context(), "ab/cd/sstate:other", time.Time{}), remote.ErrNotExist)
		var wg sync.WaitGroup
		wg.Go(func() {
			f.want(f.g.Put(f.Context(), key, remotetest.Bytes("new"), remote.PutOptions{}), nil)
		})
		time.Sleep(20 * time.Second)
		f.m.Release()
		wg.Wait()
		f.wantStored([]byte("new"))
	})
}

func TestBadSourceIsNoFault(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		f.want(f.g.Put(f.Context(), key, liar{}, remote.PutOptions{}), remote.ErrCorrupt)
		f.wantCalls("put", 1)
		if n := f.g.Errors(); n != 0 {
			f.Errorf("Errors = %d, want 0", n)
		}
	})
}

// liar is a source that is shorter than it says.
type liar struct{ remotetest.Bytes }

func (liar) Size() int64 { return 1 }

// While the consumer of a listing thinks the clock stands still, and it is
// never called after the end.
func TestSlowConsumer(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		for i := range 200 {
			f.m.Set(remotetest.Key(i), nil)
		}
		n := 0
		err := f.g.List(f.Context(), "", func(remote.Info) error {
			time.Sleep(time.Hour)
			n++
			return nil
		})
		if err != nil || n != 201 {
			f.Errorf("List = %v after %d objects, want success after 201", err, n)
		}
		ended := false
		own := errors.New("enough")
		err = f.g.List(f.Context(), "", func(remote.Info) error {
			if ended {
				f.Errorf("fn is called after List returned")
			}
			return own
		})
		ended = true
		f.want(err, own)
		synctest.Wait()
		if n := f.g.Errors(); n != 0 {
			f.Errorf("Errors = %d, want 0", n)
		}
	})
}

// A listing that moves without objects is not cut off.
func TestProgressOfList(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		g := remote.NewGuard(emptyFolders{f.m}, remote.GuardOptions{})
		f.want(g.List(f.Context(), "", func(remote.Info) error { return nil }), nil)
		f.want(g.Close(f.Context()), nil)
	})
}

// emptyFolders takes a minute to list nothing.
type emptyFolders struct{ *remotetest.Memory }

func (emptyFolders) List(ctx context.Context, _ string, _ func(remote.Info) error) error {
	for range 60 {
		time.Sleep(time.Second)
		remote.Progress(ctx)
	}
	return ctx.Err()
}

func TestListRetry(t *testing.T) {
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		for i := range 10 {
			f.m.Set(remotetest.Key(i), nil)
		}
		n := 0
		count := func(remote.Info) error { n++; return nil }
		f.m.FailNext("list", 2, remote.ErrUnavailable)
		f.want(f.g.List(f.Context(), "", count), nil)
		f.wantCalls("list", 3)
		if n != 11 {
			f.Errorf("List gives %d objects, want 11", n)
		}
		err := f.g.List(f.Context(), "", func(remote.Info) error {
			f.m.Fail("item", remote.ErrUnavailable)
			time.Sleep(time.Second)
			return nil
		})
		if f.m.Calls("list") != 4 {
			f.Errorf("List = %v, began %d times, want no second time after an object", err, f.m.Calls("list")-3)
		}
	})
}
