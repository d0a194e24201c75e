package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
	"sstatefs/store"
)

// serveRemote serves a remote and gives it as a command sees it.
func serveRemote(t *testing.T, r remote.Remote) (*testMount, remote.Remote) {
	t.Helper()
	m := &testMount{host: testHost(t), store: newFakeStore(), mount: newFakeMount(), listener: newFakeListener()}
	claim, err := m.host.Claim(MountInfo{
		Mountpoint: "/mnt/sstate", PID: os.Getpid(), UID: os.Getuid(), CacheDir: t.TempDir(), Version: "1.0",
	})
	if err != nil {
		t.Fatal(err)
	}
	m.session = NewSession(m.store, m.mount, claim.Info())
	m.server, err = Serve(ServerOptions{
		Session: m.session, Claim: claim, Remote: r, Listen: func(int) Listener { return m.listener },
	})
	if err != nil {
		t.Fatal(err)
	}
	m.client = newClient(claim.Info())
	t.Cleanup(func() {
		if err := m.server.Close(); err != nil {
			t.Errorf("Server.Close() = %v", err)
		}
		m.mount.end()
		m.session.Wait()
	})
	far, err := m.client.Remote(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return m, far
}

// A remote keeps all its promises on the way through a mount.
func TestRemoteSuite(t *testing.T) {
	remotetest.Suite(t, func(t *testing.T) remotetest.Harness {
		_, far := serveRemote(t, remotetest.NewMemory())
		return remotetest.Harness{Remote: far}
	})
}

// And so it does with a store in between, which keeps its books meanwhile.
func TestRemoteSuiteOfAStore(t *testing.T) {
	remotetest.Suite(t, func(t *testing.T) remotetest.Harness {
		s, err := store.Open(testContext(t), store.Options{Dir: t.TempDir(), Remote: remotetest.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := s.Close(context.Background()); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
		_, far := serveRemote(t, s.Shared())
		return remotetest.Harness{Remote: far}
	})
}

func TestRemoteKeepsErrors(t *testing.T) {
	m := remotetest.NewMemory()
	_, far := serveRemote(t, m)
	for _, kind := range []error{
		remote.ErrNotExist, remote.ErrExist, remote.ErrPermission, remote.ErrUnavailable, remote.ErrCorrupt, remote.ErrUnsupported,
	} {
		m.FailNext("stat", 1, kind)
		_, err := far.Stat(testContext(t), remotetest.Key(1))
		var e *remote.Error
		if !errors.Is(err, kind) || !errors.As(err, &e) || e.Key != remotetest.Key(1) {
			t.Errorf("Stat() = %v, want %v of %s", err, kind, remotetest.Key(1))
		}
	}
}

// severalErrors is a remote whose Delete fails for some.
type severalErrors struct{ *remotetest.Memory }

func (severalErrors) Delete(context.Context, ...remote.Key) error {
	one := &remote.Error{Op: "x: delete", Key: "a b%\xff", Kind: remote.ErrPermission, Err: errors.New("no rights")}
	two := &remote.Error{Op: "x: delete", Key: "c", Kind: remote.ErrUnavailable}
	return errors.Join(errors.Join(one), two)
}

func TestRemoteKeepsJoinedErrors(t *testing.T) {
	_, far := serveRemote(t, severalErrors{remotetest.NewMemory()})
	want := severalErrors{}.Delete(testContext(t))
	err := far.Delete(testContext(t), "a", "c")
	if err == nil || err.Error() != want.Error() || !errors.Is(err, remote.ErrPermission) || !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Delete() = %q, want %q", err, want)
	}
	var e *remote.Error
	if !errors.As(err, &e) || e.Key != "a b%\xff" {
		t.Errorf("first key = %q", e.Key)
	}
}

// full is a remote of very many objects.
type full struct {
	*remotetest.Memory
	n int
}

func (f full) List(_ context.Context, _ string, fn func(remote.Info) error) error {
	now := time.Now()
	for i := range f.n {
		if err := fn(remote.Info{Key: remotetest.Key(i), Size: int64(i), ModTime: now}); err != nil {
			return err
		}
	}
	return nil
}

func TestRemoteListIsCheap(t *testing.T) {
	const n = 200_000
	_, far := serveRemote(t, full{remotetest.NewMemory(), n})
	start, got := time.Now(), 0
	err := far.List(testContext(t), "", func(info remote.Info) error {
		if info.Key != remotetest.Key(got) || info.Size != int64(got) {
			return fmt.Errorf("%d is %+v", got, info)
		}
		got++
		return nil
	})
	took := time.Since(start)
	t.Logf("%d objects in %v", n, took)
	if err != nil || got != n {
		t.Errorf("List() = %v after %d objects, want %d", err, got, n)
	}
}

// slowSource lets its reader wait.
type slowSource struct {
	remotetest.Bytes
	wait <-chan struct{}
}

func (s slowSource) Open() (io.ReadCloser, error) {
	<-s.wait
	return s.Bytes.Open()
}

// Commands that use the remote as much as they can must not keep the others
// from asking how the mount is.
func TestManyRemoteCallsLeaveRoom(t *testing.T) {
	h := newHanging()
	mount, far := serveRemote(t, h)
	ctx, cancel := context.WithCancel(testContext(t))
	others := make([]remote.Remote, 5)
	for i := range others {
		var err error
		if others[i], err = mount.client.Remote(ctx); err != nil {
			t.Fatal(err)
		}
	}
	var commands sync.WaitGroup
	var filled atomic.Bool // all slots were in use
	insist := func(call func() error) {
		// Who is slow to ask loses his connection to others, on a busy machine.
		commands.Go(func() {
			for call() != nil && ctx.Err() == nil && !filled.Load() {
				time.Sleep(time.Millisecond)
			}
		})
	}
	for _, other := range others {
		for i := range 60 {
			insist(func() error { _, err := other.Stat(ctx, remotetest.Key(i)); return err })
		}
	}
	for range 2 * remoteStreams {
		insist(func() error { return far.List(ctx, "", func(remote.Info) error { return nil }) })
	}
	for range remoteCalls + remoteStreams { // as many as there are slots
		h.await(t, h.begun)
	}
	filled.Store(true)
	for range 20 {
		if _, err := mount.client.Status(testContext(t)); err != nil {
			t.Errorf("Status() = %v while the remote is busy", err)
		}
	}
	if _, err := mount.client.Trim(testContext(t)); err != nil {
		t.Errorf("Trim() = %v while the remote is busy", err)
	}
	cancel()
	commands.Wait()
}

// hanging is a remote whose calls last until their context ends.
type hanging struct {
	*remotetest.Memory
	begun, ended chan struct{}
}

func (h hanging) hang(ctx context.Context) error {
	h.begun <- struct{}{}
	<-ctx.Done()
	h.ended <- struct{}{}
	return remote.Ended(ctx, "hanging", "")
}

func (h hanging) List(ctx context.Context, _ string, _ func(remote.Info) error) error {
	return h.hang(ctx)
}

func (h hanging) Stat(ctx context.Context, _ remote.Key) (remote.Info, error) {
	return remote.Info{}, h.hang(ctx)
}

// await waits for a call to begin or end.
func (h hanging) await(t *testing.T, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		t.Fatal("the remote is not asked as often as it should be, or is asked for ever")
	}
}

func newHanging() hanging {
	const most = 1000 // calls of a test
	return hanging{remotetest.NewMemory(), make(chan struct{}, most), make(chan struct{}, most)}
}

func TestRemoteWorkEndsWithItsClient(t *testing.T) {
	h := newHanging()
	_, far := serveRemote(t, h)
	ctx, cancel := context.WithCancel(testContext(t))
	go func() { <-h.begun; cancel() }()
	err := far.List(ctx, "", func(remote.Info) error { return nil })
	if !errors.Is(err, context.Canceled) || errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("List() = %v, want %v", err, context.Canceled)
	}
	h.await(t, h.ended)
}

func TestRemoteWorkEndsWithTheMount(t *testing.T) {
	h := newHanging()
	m, far := serveRemote(t, h)
	go func() { <-h.begun; m.mount.end() }()
	err := far.List(testContext(t), "", func(remote.Info) error { return nil })
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "the mount is ending") {
		t.Errorf("List() = %v, want %v", err, remote.ErrUnavailable)
	}
	h.await(t, h.ended)
	if err := m.server.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = far.Stat(testContext(t), remotetest.Key(1))
	if !errors.Is(err, remote.ErrUnavailable) || !IsKind(err, KindDead) {
		t.Errorf("Stat() after the end = %v, want KindDead", err)
	}
}

// A body or listing that is cut must not look whole.
func TestRemoteCut(t *testing.T) {
	mem := remotetest.NewMemory()
	mem.Set(remotetest.Key(1), remotetest.Pattern(3<<20, 1))
	m, far := serveRemote(t, mem)
	body, _, err := far.Get(testContext(t), remotetest.Key(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	_ = m.server.http.Close() // as kill does
	if n, err := io.Copy(io.Discard, body); !errors.Is(err, remote.ErrUnavailable) || !IsKind(err, KindUnreachable) {
		t.Errorf("the rest = %d bytes, %v, want KindUnreachable", n, err)
	}
}

// cutting is a remote whose listing kills the daemon.
type cutting struct {
	*remotetest.Memory
	cut func()
}

func (c *cutting) List(_ context.Context, _ string, fn func(remote.Info) error) error {
	err := fn(remote.Info{Key: remotetest.Key(1)})
	c.cut()
	return err
}

func TestRemoteListCut(t *testing.T) {
	c := &cutting{Memory: remotetest.NewMemory()}
	m, far := serveRemote(t, c)
	c.cut = func() { _ = m.server.http.Close() }
	err := far.List(testContext(t), "", func(remote.Info) error { return nil })
	if !errors.Is(err, remote.ErrUnavailable) || !IsKind(err, KindUnreachable) {
		t.Errorf("List() that is cut = %v, want KindUnreachable", err)
	}
}

// A client that dies while it sends has begun nothing.
func TestRemotePutOfADyingClient(t *testing.T) {
	mem := remotetest.NewMemory()
	_, far := serveRemote(t, mem)
	ctx, cancel := context.WithCancel(testContext(t))
	wait := make(chan struct{})
	go func() { cancel(); close(wait) }()
	err := far.Put(ctx, remotetest.Key(1), slowSource{remotetest.Pattern(1<<20, 1), wait}, remote.PutOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Put() = %v, want %v", err, context.Canceled)
	}
	if n := mem.Calls("put"); n != 0 {
		t.Errorf("the remote saw %d puts", n)
	}
}

func TestRemoteFacts(t *testing.T) {
	mem := remotetest.NewMemory()
	mem.SetTraits(remote.Traits{ReadOnly: true, ListPerFolder: true, Touch: remote.TouchByPut, TimeResolution: time.Second})
	_, far := serveRemote(t, mem)
	if got := far.Traits(); got != mem.Traits() {
		t.Errorf("Traits() = %+v, want %+v", got, mem.Traits())
	}
	if far.String() != "memory" {
		t.Errorf("String() = %s", far)
	}
	err := far.Put(testContext(t), remotetest.Key(1), remotetest.Bytes("x"), remote.PutOptions{})
	if !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Put() = %v, want %v", err, remote.ErrUnsupported)
	}
}

// A daemon of before cannot be asked for its remote.
func TestRemoteOfAnOlderDaemon(t *testing.T) {
	m := serveFakes(t)
	_, err := m.client.Remote(testContext(t))
	if !errors.Is(err, remote.ErrUnsupported) || !IsKind(err, KindUnsupported) {
		t.Errorf("Remote() = %v, want KindUnsupported", err)
	}
}
