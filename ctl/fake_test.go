package ctl

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sstatefs/store"
)

// fakeStore is a store with a queue that drains when sent is closed.
type fakeStore struct {
	sent    chan struct{} // closed: everything is sent
	hang    chan struct{} // when not nil, Status hangs until it is closed
	refresh error         // of Refresh
	reading chan struct{} // when not nil, Verify goes on until it is ended, and then closes it

	mu     sync.Mutex // guards closed and warmed
	closed int        // calls of Close
	warmed []int64    // of the calls of Warm
}

func newFakeStore() *fakeStore { return &fakeStore{sent: make(chan struct{})} }

func (f *fakeStore) Status() store.Status {
	if f.hang != nil {
		<-f.hang
	}
	var s store.Status
	s.Remote.URL = "file:///srv/sstate"
	s.Remote.State = store.StateOK
	return s
}

func (f *fakeStore) Stats() store.Stats {
	var s store.Stats
	s.Lookups.Hit = 7
	return s
}

func (f *fakeStore) Flush(ctx context.Context, progress func(store.QueueStatus)) (store.Left, error) {
	progress(store.QueueStatus{Objects: 3, Bytes: 300})
	select {
	case <-f.sent:
		return store.Left{}, nil
	case <-ctx.Done():
		return store.Left{Objects: 3, Bytes: 300, Reason: "remote unavailable"}, ctx.Err()
	}
}

func (f *fakeStore) Refresh(context.Context) (store.IndexStatus, error) {
	return store.IndexStatus{Objects: 12, Complete: true}, f.refresh
}

func (f *fakeStore) Trim(context.Context) (store.TrimResult, error) {
	return store.TrimResult{Removed: store.Count{Objects: 2, Bytes: 20}}, nil
}

func (f *fakeStore) Verify(ctx context.Context, progress func(store.VerifyResult)) (store.VerifyResult, error) {
	r := store.VerifyResult{Checked: store.Count{Objects: 4, Bytes: 40}, Damaged: store.Count{Objects: 1, Bytes: 10}}
	progress(r)
	if f.reading != nil {
		<-ctx.Done()
		close(f.reading)
	}
	return r, ctx.Err()
}

func (f *fakeStore) Close(context.Context) (store.Left, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	select {
	case <-f.sent:
		return store.Left{}, nil
	default:
		return store.Left{Objects: 3, Bytes: 300}, nil
	}
}

func (f *fakeStore) closeCalls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// fakeMount is in use while busy or kept, and gone when gone is closed.
type fakeMount struct {
	mu       sync.Mutex // guards busy, kept and detached
	busy     bool
	kept     bool // it is mounted elsewhere too: unmounted here it goes on
	detached bool
	gone     chan struct{}
	once     sync.Once
}

func newFakeMount() *fakeMount { return &fakeMount{gone: make(chan struct{})} }

func (f *fakeMount) Wait()             { <-f.gone }
func (f *fakeMount) Passthrough() bool { return true }
func (f *fakeMount) end()              { f.once.Do(func() { close(f.gone) }) }

func (f *fakeMount) Unmount() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy {
		return syscall.EBUSY
	}
	f.detached = true
	if !f.kept {
		f.end()
	}
	return nil
}

func (f *fakeMount) UnmountLazy() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.detached = true
	if !f.busy {
		f.end()
	}
	return nil
}

func (f *fakeMount) isDetached() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.detached
}

// fakeListener gives the events that a test puts into it.
type fakeListener struct {
	events chan store.Event
	closed chan struct{}
	lost   atomic.Int64 // once nothing is in events
	once   sync.Once
}

func newFakeListener() *fakeListener {
	return &fakeListener{events: make(chan store.Event, 8), closed: make(chan struct{})}
}

func (f *fakeListener) C() <-chan store.Event { return f.events }
func (f *fakeListener) Lost() (store.Event, bool) {
	n := f.lost.Swap(0)
	return store.Event{Kind: store.EventLost, Count: n}, n > 0
}

func (f *fakeListener) Close() { f.once.Do(func() { close(f.closed) }) }

// testHost is a machine of its own below a temporary folder.
func testHost(t testing.TB) Host {
	t.Helper()
	root := t.TempDir()
	run := filepath.Join(root, "xdg")
	if err := os.Mkdir(run, 0o700); err != nil {
		t.Fatal(err)
	}
	return Host{UID: os.Getuid(), RuntimeDir: run, Root: root}
}

// testMount is a served session of fakes.
type testMount struct {
	host     Host
	store    *fakeStore
	mount    *fakeMount
	listener *fakeListener
	session  *Session
	server   *Server
	client   *Client
}

func serveFakes(t testing.TB) *testMount {
	t.Helper()
	m := &testMount{host: testHost(t), store: newFakeStore(), mount: newFakeMount(), listener: newFakeListener()}
	claim, err := m.host.Claim(MountInfo{Mountpoint: "/mnt/sstate", PID: os.Getpid(), UID: os.Getuid()})
	if err != nil {
		t.Fatal(err)
	}
	m.session = NewSession(m.store, m.mount, claim.Info())
	m.session.users = func(TableEntry) []User { return nil }
	m.session.wait = time.Second
	m.server, err = Serve(ServerOptions{
		Session: m.session, Claim: claim, Listen: func(int) Listener { return m.listener },
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
	return m
}

// testContext ends before the test's own watchdog does.
func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
