package store

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// told are the names that the mount was told of.
type told struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (r *rig) listen() *told {
	seen := &told{keys: map[string]bool{}}
	r.OnChange(func(key string) {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		seen.keys[key] = true
	})
	return seen
}

func (s *told) of(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[key]
}

// farRigs are stores that know their remote in different ways.
func farRigs(t *testing.T, test func(t *testing.T, r *rig)) {
	for name, set := range map[string]func(*remote.Traits){
		"index":  func(t *remote.Traits) { *t = remote.Traits{AtomicCreate: true} },
		"cheap":  func(*remote.Traits) {},
		"noList": func(t *remote.Traits) { *t = remote.Traits{AtomicCreate: true, NoList: true} },
	} {
		t.Run(name, func(t *testing.T) {
			test(t, newRig(t, func(_ *Options, traits *remote.Traits) { set(traits) }))
		})
	}
}

func TestSharedDelete(t *testing.T) {
	farRigs(t, func(t *testing.T, r *rig) {
		key, other := testKey(1, "package"), testKey(2, "package")
		r.mustPublish(key, "content")
		r.mustPublish(other, "other")
		r.flush()
		open, err := r.Open(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		seen := r.listen()
		if err := r.Shared().Delete(t.Context(), remote.Key(key), ".sstatefs-0123456789abcdef"); err != nil {
			t.Fatal(err)
		}
		r.wantMiss(key)
		r.wantContent(other, "other")
		if localID(r.layout.object(key)) != (FileID{}) {
			t.Error("the cached copy stays")
		}
		if !seen.of(key) {
			t.Error("the mount was not told")
		}
		if text, err := io.ReadAll(io.NewSectionReader(open, 0, 100)); string(text) != "content" {
			t.Errorf("an open handle reads %q, %v", text, err)
		}
		if n := r.Stats().Removed; n != 1 {
			t.Errorf("%d removed, want 1", n)
		}
		r.mustPublish(key, "anew")
		r.flush()
		r.wantRemote(key, "anew")
		r.wantContent(key, "anew")
	})
}

// What is not sent yet is newer than what was deleted.
func TestSharedDeleteOfWhatIsQueued(t *testing.T) {
	farRigs(t, func(t *testing.T, r *rig) {
		key := testKey(1, "package")
		r.mem.Fail("put", remote.ErrUnavailable)
		r.mustPublish(key, "content")
		if err := r.Shared().Delete(t.Context(), remote.Key(key)); err != nil {
			t.Fatal(err)
		}
		r.wantContent(key, "content")
		r.mem.Fail("put", nil)
		r.flush()
		r.wantRemote(key, "content")
		r.wantContent(key, "content")
	})
}

// stubborn is a remote that keeps some keys.
type stubborn struct {
	*remotetest.Memory
	keep remote.Key
}

func (s stubborn) Delete(ctx context.Context, keys ...remote.Key) error {
	var errs []error
	for _, key := range keys {
		if key == s.keep {
			errs = append(errs, &remote.Error{Op: "stubborn: delete", Key: key, Kind: remote.ErrPermission})
			continue
		}
		errs = append(errs, s.Memory.Delete(ctx, key))
	}
	return errors.Join(errs...)
}

func TestSharedDeleteInPart(t *testing.T) {
	kept, gone := testKey(1, "package"), testKey(2, "package")
	r := newRig(t, func(o *Options, traits *remote.Traits) {
		*traits = remote.Traits{AtomicCreate: true}
		o.Remote = stubborn{o.Remote.(*remotetest.Memory), remote.Key(kept)}
	})
	r.mustPublish(kept, "kept")
	r.mustPublish(gone, "gone")
	r.flush()
	err := r.Shared().Delete(t.Context(), remote.Key(kept), remote.Key(gone))
	if !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Delete = %v, want %v", err, remote.ErrPermission)
	}
	r.wantContent(kept, "kept")
	r.wantMiss(gone)
}

func TestSharedPut(t *testing.T) {
	farRigs(t, func(t *testing.T, r *rig) {
		key, fresh := testKey(1, "package"), testKey(2, "package")
		r.mustPublish(key, "content")
		r.flush()
		r.wantMiss(fresh)
		seen := r.listen()
		shared := r.Shared()
		if err := shared.Put(t.Context(), remote.Key(key), remotetest.Bytes("repaired content"), remote.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		err := shared.Put(t.Context(), remote.Key(fresh), remotetest.Bytes("fresh"), remote.PutOptions{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		err = shared.Put(t.Context(), remote.Key(fresh), remotetest.Bytes("x"), remote.PutOptions{Create: true})
		if !errors.Is(err, remote.ErrExist) {
			t.Errorf("Put = %v, want %v", err, remote.ErrExist)
		}
		r.wantContent(key, "repaired content")
		r.wantContent(fresh, "fresh")
		if !seen.of(key) || !seen.of(fresh) {
			t.Error("the mount was not told")
		}
	})
}

func TestSharedTouch(t *testing.T) {
	farRigs(t, func(t *testing.T, r *rig) {
		key := testKey(1, "package")
		r.mem.Set(remote.Key(key), []byte("content"))
		r.filled()
		then := time.Now().Add(-100 * time.Hour).Truncate(time.Second)
		if err := r.Shared().Touch(t.Context(), remote.Key(key), then); err != nil {
			t.Fatal(err)
		}
		if r.index != nil {
			if st, ok := r.index.at(remote.Key(key)); !ok || !st.time().Equal(then) {
				t.Errorf("the index shows %v, %v, want %v", st.time(), ok, then)
			}
		}
		if err := r.Shared().Touch(t.Context(), remote.Key(key), time.Time{}); err != nil {
			t.Fatal(err)
		}
		e, err := r.Lookup(t.Context(), key)
		if err != nil || time.Since(e.Mtime) > time.Minute {
			t.Errorf("Lookup = %v, %v, want a time of now", e.Mtime, err)
		}
		r.mem.Remove(remote.Key(key))
		if err := r.Shared().Touch(t.Context(), remote.Key(key), time.Time{}); !errors.Is(err, remote.ErrNotExist) {
			t.Errorf("Touch = %v, want %v", err, remote.ErrNotExist)
		}
		r.wantMiss(key) // found out, though the index knew it
	})
}

func TestSharedOfAReadOnlyMount(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.ReadOnly = true })
	key := remote.Key(testKey(1, "package"))
	r.mem.Set(key, []byte("content"))
	shared := r.Shared()
	if !shared.Traits().ReadOnly {
		t.Error("Traits do not say that it is read-only")
	}
	for op, err := range map[string]error{
		"Put":    shared.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}),
		"Touch":  shared.Touch(t.Context(), key, time.Time{}),
		"Delete": shared.Delete(t.Context(), key),
		"Abort":  shared.AbortUpload(t.Context(), key, "id"),
	} {
		if !errors.Is(err, remote.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", op, err, remote.ErrUnsupported)
		}
	}
	r.wantRemote(string(key), "content")
}

// What was used here a moment ago looks used to whoever cleans, also before the
// remote has heard of it.
func TestSharedSweepKnowsUses(t *testing.T) {
	farRigs(t, func(t *testing.T, r *rig) {
		if r.Shared().Traits().NoList {
			return
		}
		used, unused := remote.Key(testKey(1, "package")), remote.Key(testKey(2, "package"))
		old := time.Now().Add(-1000 * time.Hour)
		for _, key := range []remote.Key{used, unused} {
			r.mem.Set(key, []byte("content"))
			if err := r.mem.Touch(t.Context(), key, old); err != nil {
				t.Fatal(err)
			}
		}
		r.touches.keep(string(used))
		times := map[remote.Key]time.Time{}
		err := r.Shared().Sweep(t.Context(), func(_ string, files []remote.Info) error {
			for _, info := range files {
				times[info.Key] = info.ModTime
			}
			return nil
		})
		if err != nil || time.Since(times[used]) > time.Minute || time.Since(times[unused]) < 999*time.Hour {
			t.Errorf("Sweep = %v, times %v, want now and long ago", err, times)
		}
	})
}

// TestSharedSweepWhileTouching: nor is what the remote is being told of just now
// shown with its old time.
func TestSharedSweepWhileTouching(t *testing.T) {
	r, keys := touchRig(t, remote.Traits{}, 4, 4)
	r.mem.Hang("touch")
	defer r.mem.Release()
	r.touchEachOf(keys, 1)
	eventually(t, "the first is being sent", func() bool { return r.mem.Calls("touch") > 0 })
	err := r.Shared().Sweep(t.Context(), func(_ string, files []remote.Info) error {
		for _, info := range files {
			if age := time.Since(info.ModTime); age > time.Minute {
				t.Errorf("%s looks used %v ago", info.Key, age)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	r.mem.Release()
	eventually(t, "all are sent", func() bool { return r.Stats().Touches.Sent == 4 })
	for _, key := range keys {
		if r.touches.isPending(key) {
			t.Errorf("%s is still to be sent", key)
		}
	}
}

// answersLate is a remote whose looks come late when it is armed: what they tell is
// old by then.
type answersLate struct {
	*remotetest.Memory
	armed *atomic.Bool
	asked chan struct{}
	until chan struct{}
}

func (l answersLate) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	info, err := l.Memory.Stat(ctx, key)
	if l.armed.CompareAndSwap(true, false) {
		close(l.asked)
		<-l.until
	}
	return info, err
}

// TestRelearnedBeforePublish: a look at the remote that began before a publish does
// not make that a miss.
func TestRelearnedBeforePublish(t *testing.T) {
	late := answersLate{armed: &atomic.Bool{}, asked: make(chan struct{}), until: make(chan struct{})}
	r := newRig(t, func(o *Options, tr *remote.Traits) {
		late.Memory = o.Remote.(*remotetest.Memory)
		o.Remote, o.Publish, tr.CheapStat = late, PublishQueue, false
	})
	r.listed()
	key := testKey(1, "package")
	done := make(chan struct{})
	late.armed.Store(true)
	go func() {
		defer close(done)
		_ = r.relearn(context.Background(), remote.Key(key))
	}()
	<-late.asked
	r.mustPublish(key, "content")
	time.Sleep(100 * time.Millisecond) // it would be sent by now
	close(late.until)
	<-done
	r.flush()
	r.wantRemote(key, "content")
	r.wantContent(key, "content")
}
