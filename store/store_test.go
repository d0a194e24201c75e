package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// testKey names the archive number n of a recipe.
func testKey(n int, task string) string {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(n, task))))
	return h[:2] + "/" + h[2:4] + "/sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_" + task + ".tar.zst"
}

// rig is a store with a remote that can be made to misbehave.
type rig struct {
	*Store
	t   *testing.T
	mem *remotetest.Memory
	opt Options
}

// quickGuard keeps the tests of outages short.
var quickGuard = remote.GuardOptions{
	OpTimeout: 200 * time.Millisecond, StallTimeout: 400 * time.Millisecond,
	RetryDelay: time.Millisecond, ProbeInterval: 10 * time.Millisecond,
}

func newRig(t *testing.T, set func(*Options, *remote.Traits)) *rig {
	t.Helper()
	r := &rig{t: t, mem: remotetest.NewMemory()}
	traits := remote.Traits{CheapStat: true, AtomicCreate: true}
	r.opt = Options{Dir: t.TempDir(), Remote: r.mem, Guard: quickGuard, MinFree: 1e-9, PublishTimeout: 5 * time.Second}
	if testing.Verbose() {
		r.opt.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	if set != nil {
		set(&r.opt, &traits)
	}
	r.mem.SetTraits(traits)
	r.open()
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.t.Helper()
	s, err := Open(context.Background(), r.opt)
	if err != nil {
		r.t.Fatalf("Open: %v", err)
	}
	r.Store = s
}

func (r *rig) close() {
	r.mem.Release()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	r.Close(ctx)
}

// crash ends the store as kill -9 would: nothing is drained or marked.
func (r *rig) crash() {
	r.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r.guard.Close(ctx)
	r.wg.Wait()
	r.lockFile.Close()
	r.closed.Do(func() {})
}

// scratchFile makes a temporary as BitBake does and returns its path.
func (r *rig) scratchFile(key, content string) string {
	r.t.Helper()
	tmp := key + "abcd1234"
	if strings.HasSuffix(key, ".siginfo") {
		tmp = parent(key) + "/sigtask.abcd1234"
	}
	r.mkdirs(parent(key))
	f, _, err := r.CreateFile(context.Background(), tmp, os.O_RDWR|os.O_EXCL, 0o664, Caller{})
	if err != nil {
		r.t.Fatalf("CreateFile: %v", err)
	}
	defer f.Close()
	if _, err := f.WriteString(content); err != nil {
		r.t.Fatal(err)
	}
	return tmp
}

func (r *rig) mkdirs(dir string) {
	r.t.Helper()
	for i, c := range dir + "/" {
		if c != '/' {
			continue
		}
		if _, err := r.Mkdir(context.Background(), dir[:i], 0o775, Caller{}); err != nil && !errors.Is(err, os.ErrExist) {
			r.t.Fatalf("Mkdir(%q): %v", dir[:i], err)
		}
	}
}

// publish links a temporary to key and removes it.
func (r *rig) publish(key, content string) error {
	r.t.Helper()
	tmp := r.scratchFile(key, content)
	_, err := r.Link(context.Background(), tmp, key)
	if e := r.Unlink(context.Background(), tmp); e != nil {
		r.t.Fatalf("Unlink(tmp): %v", e)
	}
	return err
}

func (r *rig) mustPublish(key, content string) {
	r.t.Helper()
	if err := r.publish(key, content); err != nil {
		r.t.Fatalf("publish %s: %v", key, err)
	}
}

func (r *rig) read(key string) (string, error) {
	o, err := r.Open(context.Background(), key)
	if err != nil {
		return "", err
	}
	defer o.Close()
	b, err := io.ReadAll(io.NewSectionReader(o, 0, 1<<30))
	return string(b), err
}

func (r *rig) wantContent(key, want string) {
	r.t.Helper()
	if got, err := r.read(key); err != nil || got != want {
		r.t.Errorf("read = %q, %v, want %q", got, err, want)
	}
}

func (r *rig) wantRemote(key, want string) {
	r.t.Helper()
	if got := string(r.mem.Snapshot()[remote.Key(key)]); got != want {
		r.t.Errorf("remote has %q, want %q", got, want)
	}
}

func (r *rig) wantMiss(key string) {
	r.t.Helper()
	if _, err := r.Lookup(context.Background(), key); !errors.Is(err, syscall.ENOENT) {
		r.t.Errorf("Lookup = %v, want ENOENT", err)
	}
}

func (r *rig) flush() Left {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	left, err := r.Flush(ctx, nil)
	if err != nil {
		r.t.Fatalf("Flush: %v", err)
	}
	return left
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func TestPublishIsSentAndFetched(t *testing.T) {
	for _, mode := range []PublishMode{PublishThrough, PublishQueue} {
		t.Run(string(mode), func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = mode })
			key := testKey(1, "package")
			r.wantMiss(key)
			r.mustPublish(key, "content")
			if mode == PublishThrough {
				r.wantRemote(key, "content")
			}
			r.wantContent(key, "content")
			if left := r.flush(); left.Objects != 0 {
				t.Errorf("left %+v", left)
			}
			r.wantRemote(key, "content")
			e, err := r.Stat(context.Background(), key)
			if err != nil || e.Nlink != 1 || !e.Local || !e.Object {
				t.Errorf("Stat = %+v, %v", e, err)
			}
		})
	}
}

func TestFirstCreateWins(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	key := testKey(1, "package")
	r.mem.Fail("put", remote.ErrUnavailable)
	r.mustPublish(key, "ours")
	r.mem.Set(remote.Key(key), []byte("theirs, first"))
	r.mem.Fail("put", nil)
	r.flush()
	r.wantContent(key, "theirs, first")
	r.wantRemote(key, "theirs, first")
	if err := r.publish(key, "again"); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("second publish: %v, want EEXIST", err)
	}
}

// TestReadableWhileItLoses: a build that was told an object is there reads it
// a moment later, also when it gives way to another host's just then.
func TestReadableWhileItLoses(t *testing.T) {
	r := newRig(t, func(o *Options, tr *remote.Traits) { o.Publish, tr.CheapStat = PublishQueue, false })
	key := testKey(1, "package")
	r.mem.Fail("put", remote.ErrUnavailable)
	r.mustPublish(key, "ours")
	r.mem.Set(remote.Key(key), []byte("theirs"))
	r.mem.Delay("stat", 20*time.Millisecond)
	r.mem.Fail("put", nil)
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		r.flush()
	}()
	for done := false; !done; {
		select {
		case <-flushed:
			done = true
		default:
		}
		if got, err := r.read(key); err != nil || got != "ours" && got != "theirs" {
			t.Errorf("read = %q, %v", got, err)
			<-flushed
			return
		}
	}
	r.wantContent(key, "theirs")
}

// TestReadWhileItIsReplaced: some servers remove an object before they put
// another in its place.
func TestReadWhileItIsReplaced(t *testing.T) {
	r := newRig(t, func(_ *Options, tr *remote.Traits) { tr.CheapStat = false })
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("content"))
	r.mem.FailNext("get", 1, remote.ErrNotExist)
	if _, err := r.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.wantContent(key, "content")
}

func TestRenameReplaces(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package") + ".siginfo"
	for _, text := range []string{"one", "two"} {
		tmp := r.scratchFile(key, text)
		if err := r.Rename(context.Background(), tmp, key, 0); err != nil {
			t.Fatalf("Rename: %v", err)
		}
		r.wantRemote(key, text)
		r.wantContent(key, text)
	}
}

func TestEmptyArchiveIsNeverPublished(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	if err := r.publish(key, ""); !errors.Is(err, syscall.EIO) {
		t.Errorf("link of an empty archive: %v, want EIO", err)
	}
	tmp := r.scratchFile(key, "")
	if err := r.Rename(context.Background(), tmp, key, 0); err != nil {
		t.Errorf("rename of an empty archive: %v, want nil: it would fail the build", err)
	}
	r.wantMiss(key)
	if _, err := r.Stat(context.Background(), key+".partial"); err != nil {
		t.Errorf("NAME.partial: %v", err)
	}
	r.mem.Set(remote.Key(key), nil)
	r.wantMiss(key)
	r.mustPublish(key, "whole")
	r.flush()
	r.wantRemote(key, "whole")
}

func TestSignatureBelongsToItsArchive(t *testing.T) {
	archive := testKey(1, "package")
	t.Run("kept until the archive is sent", func(t *testing.T) {
		r := newRig(t, nil)
		r.mustPublish(archive+".sig", "sig")
		r.wantRemote(archive+".sig", "")
		tmp := r.scratchFile(archive, "bytes")
		if err := r.Rename(context.Background(), tmp, archive, 0); err != nil {
			t.Fatal(err)
		}
		r.wantRemote(archive, "bytes")
		eventually(t, "the signature follows", func() bool { return r.mem.Snapshot()[remote.Key(archive+".sig")] != nil })
	})
	t.Run("dropped at the next start when its archive never came", func(t *testing.T) {
		r := newRig(t, nil)
		r.mustPublish(archive+".sig", "sig")
		r.crash()
		r.open()
		r.wantMiss(archive + ".sig")
		if left := r.flush(); left != (Left{}) {
			t.Errorf("left %+v", left)
		}
	})
	t.Run("replaced when its archive never came", func(t *testing.T) {
		var c clock
		c.add(time.Hour)
		r := newRig(t, func(o *Options, _ *remote.Traits) { o.Now = c.now })
		r.mustPublish(archive+".sig", "of a build that was cut off")
		c.add(2 * orphanAge)
		r.mustPublish(archive+".sig", "sig")
		r.mustPublish(archive, "bytes")
		eventually(t, "the signature follows", func() bool {
			return string(r.mem.Snapshot()[remote.Key(archive+".sig")]) == "sig"
		})
	})
	t.Run("dropped when the archive lost", func(t *testing.T) {
		r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
		r.mem.Fail("put", remote.ErrUnavailable)
		r.mustPublish(archive+".sig", "our sig")
		r.mustPublish(archive, "our bytes")
		r.mem.Set(remote.Key(archive), []byte("their bytes, longer"))
		r.mem.Fail("put", nil)
		if left := r.flush(); left.Objects != 0 {
			t.Errorf("left %+v", left)
		}
		r.wantRemote(archive+".sig", "")
		r.wantMiss(archive + ".sig")
	})
}

// TestHangingRemote is promise 1: the bound is on the build, not on the call.
func TestHangingRemote(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprintf("indexed=%v", indexed), func(t *testing.T) {
			r := newRig(t, func(o *Options, tr *remote.Traits) {
				tr.CheapStat = !indexed
				o.PublishTimeout = 300 * time.Millisecond
				o.LookupPatience = 500 * time.Millisecond
			})
			r.mem.Hang("stat", "list", "folders", "names", "get", "put", "touch", "delete", "probe")
			start := time.Now()
			for i := range 5000 {
				r.wantMiss(testKey(i, "package"))
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("5000 lookups took %v", d)
			}
			start = time.Now()
			for i := range 20 {
				r.mustPublish(testKey(i, "deploy"), "x")
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("20 publishes took %v", d)
			}
			if st := r.Status(); st.Remote.State != StateOffline || st.Remote.Reason == "" || st.Queue.Objects != 20 {
				t.Errorf("status %+v %+v", st.Remote, st.Queue)
			}
			r.mem.Release()
			defer func() {
				if t.Failed() {
					t.Logf("%d on the remote, guard %+v, queue %+v", len(r.mem.Snapshot()), r.guard.State(), r.Status().Queue)
				}
			}()
			eventually(t, "all sent once it is back", func() bool { return len(r.mem.Snapshot()) == 20 })
			eventually(t, "state ok", func() bool { return r.Status().Remote.State == StateOK })
		})
	}
}

func TestRefusedIsHeldAndTriedAgain(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	r.mem.Fail("put", remote.ErrPermission)
	r.mustPublish(key, "x")
	eventually(t, "held", func() bool { return r.Status().Queue.Held == 1 })
	if st := r.Status(); st.Remote.State != StateDegraded {
		t.Errorf("state %+v", st.Remote)
	}
	r.wantContent(key, "x")
	r.crash()
	r.open()
	eventually(t, "held again after a remount", func() bool { return r.Status().Queue.Held == 1 })
	r.mem.Fail("put", nil)
	r.mustPublish(testKey(2, "package"), "y")
	eventually(t, "sent when the remote takes things again", func() bool { return len(r.mem.Snapshot()) == 2 })
}

func TestCrashLosesNothing(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	r.mem.Fail("put", remote.ErrUnavailable)
	const n = 20
	for i := range n {
		r.mustPublish(testKey(i, "package"), fmt.Sprint("content ", i))
	}
	if err := r.Unlink(context.Background(), testKey(0, "package")); err != nil {
		t.Fatal(err)
	}
	r.crash()
	os.RemoveAll(r.layout.object(testKey(1, "package"))) // as between the two links of a publish
	r.mem.Fail("put", nil)
	r.open()
	r.wantMiss(testKey(0, "package"))
	r.flush()
	for i := 1; i < n; i++ {
		r.wantRemote(testKey(i, "package"), fmt.Sprint("content ", i))
		r.wantContent(testKey(i, "package"), fmt.Sprint("content ", i))
	}
	if got := len(r.mem.Snapshot()); got != n-1 {
		t.Errorf("remote has %d objects, want %d", got, n-1)
	}
}

// TestCrashBehindARemoval: what was on its way when it was removed is not sent by
// the next daemon.
func TestCrashBehindARemoval(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	r.mem.Fail("put", remote.ErrUnavailable)
	r.mem.Hang("put")
	key := testKey(1, "package")
	r.mustPublish(key, "content")
	eventually(t, "on its way", func() bool { return r.mem.Calls("put") > 0 })
	if err := r.Unlink(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.mem.Release()
	r.mem.Fail("put", nil)
	r.open()
	r.flush()
	r.wantMiss(key)
	if got := r.mem.Snapshot(); len(got) != 0 {
		t.Errorf("the remote has %d objects, want none", len(got))
	}
}

func TestRemove(t *testing.T) {
	key := testKey(1, "package")
	for _, policy := range []UnlinkPolicy{UnlinkRemote, UnlinkLocal, UnlinkRefuse} {
		t.Run(string(policy), func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.Unlink = policy })
			r.mustPublish(key, "x")
			err := r.Unlink(context.Background(), key)
			if policy == UnlinkRefuse {
				if !errors.Is(err, syscall.EPERM) {
					t.Errorf("Unlink = %v, want EPERM", err)
				}
				r.wantContent(key, "x")
				return
			}
			if err != nil {
				t.Fatalf("Unlink: %v", err)
			}
			r.wantMiss(key)
			want := map[UnlinkPolicy]string{UnlinkLocal: "x"}[policy]
			r.wantRemote(key, want)
			r.crash()
			r.open()
			r.wantMiss(key)
			if policy == UnlinkRemote {
				r.mustPublish(key, "new")
				r.wantContent(key, "new")
				r.wantRemote(key, "new")
			}
		})
	}
}

// TestLateRemoval: a removal that waited, here over a remount, does not take
// what another host has published since.
func TestLateRemoval(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Now = c.now; o.Publish = PublishQueue })
	r.mem.SetClock(c.now)
	anew, old := testKey(1, "package"), testKey(2, "package")
	for _, key := range []string{anew, old} {
		r.mem.Set(remote.Key(key), []byte("first"))
	}
	r.mem.Fail("delete", remote.ErrUnavailable)
	for _, key := range []string{anew, old} {
		if err := r.Unlink(context.Background(), key); err != nil {
			t.Fatal(err)
		}
	}
	r.crash()
	c.add(time.Hour)
	r.mem.Set(remote.Key(anew), []byte("second"))
	// By the remote's clock the removal was asked for now, as the file of its
	// entry has this machine's time.
	if err := r.mem.Touch(context.Background(), remote.Key(anew), c.now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	r.mem.Fail("delete", nil)
	r.open()
	r.flush()
	r.wantRemote(anew, "second")
	r.wantContent(anew, "second")
	r.wantRemote(old, "")
}

func TestReadOnlyKeepsEverythingHere(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.ReadOnly = true; o.CacheSize = 1 })
	key := testKey(1, "package")
	r.mem.Set(remote.Key(testKey(2, "package")), []byte("shared"))
	r.mustPublish(key, "mine")
	if err := r.Unlink(context.Background(), testKey(2, "package")); err != nil {
		t.Fatal(err)
	}
	r.crash()
	r.open()
	if _, err := r.Trim(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.wantContent(key, "mine")
	r.wantMiss(testKey(2, "package"))
	r.wantRemote(key, "")
	r.wantRemote(testKey(2, "package"), "shared")
	if e, _ := r.Stat(context.Background(), key); e.Nlink != 1 {
		t.Errorf("nlink = %d, want 1", e.Nlink)
	}
}

func TestFetchIsSharedAndVerified(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte(strings.Repeat("x", 100_000)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if got, err := r.read(key); err != nil || len(got) != 100_000 {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
		}()
	}
	wg.Wait()
	if got := r.Stats().Fetched; got.Objects != 1 {
		t.Errorf("fetched %+v, want 1 object", got)
	}
	short := testKey(2, "package")
	r.mem.Set(remote.Key(short), []byte("0123456789"))
	r.mem.Short(5)
	if got, err := r.read(short); err == nil {
		t.Errorf("read of a short body = %q, want an error", got)
	}
	r.mem.Short(0)
	r.wantMiss(short)
	r.mustPublish(short, "right")
	r.wantRemote(short, "right")
	r.wantContent(short, "right")
}

func TestTrimKeepsTheQuota(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize = 10_000 })
	for i := range 20 {
		r.mem.Set(remote.Key(testKey(i, "package")), []byte(strings.Repeat("x", 1000)))
	}
	for i := range 20 {
		r.wantContent(testKey(i, "package"), strings.Repeat("x", 1000))
		if got := r.Stats().Cache.Bytes; got > 10_000 {
			t.Fatalf("cache has %d bytes", got)
		}
	}
	big := testKey(99, "package")
	r.mem.Set(remote.Key(big), []byte(strings.Repeat("y", 50_000)))
	r.wantContent(big, strings.Repeat("y", 50_000))
	if e, err := r.Stat(context.Background(), big); err != nil || e.Local {
		t.Errorf("too big an object is kept: %+v %v", e, err)
	}
}

func TestTouchReachesTheRemoteWhenOld(t *testing.T) {
	now := time.Now()
	old := now.Add(-48 * time.Hour)
	r := newRig(t, nil)
	r.mem.SetClock(func() time.Time { return old })
	stale, fresh := testKey(1, "package"), testKey(2, "package")
	r.mem.Set(remote.Key(stale), []byte("x"))
	r.mem.SetClock(func() time.Time { return now })
	r.mem.Set(remote.Key(fresh), []byte("x"))
	for _, key := range []string{stale, fresh} {
		for range 3 {
			if _, err := r.SetTimes(context.Background(), key, Times{Mtime: &now, Atime: &now, Now: true}); err != nil {
				t.Fatal(err)
			}
		}
		if e, err := r.Stat(context.Background(), key); err != nil || !e.Mtime.Equal(now) {
			t.Errorf("mtime = %v, %v, want %v", e.Mtime, err, now)
		}
	}
	eventually(t, "the old one is touched", func() bool { return r.Stats().Touches.Sent == 1 })
	if n := r.mem.Calls("touch"); n != 1 {
		t.Errorf("%d touches sent, want 1", n)
	}
}
