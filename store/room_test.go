package store

import (
	"context"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// gated is a remote whose downloads stop before their first byte until the gate
// opens.
type gated struct {
	*remotetest.Memory
	gate chan struct{}

	mu       sync.Mutex
	asked    map[remote.Key]bool
	taken    int // downloads that are being read
	declined int // that were closed unread
}

func (g *gated) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := g.Memory.Get(ctx, key, offset)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil || g.asked[key] {
		return body, info, err // who was refused room reads past the cache
	}
	g.asked[key] = true
	return &gatedBody{ReadCloser: body, by: g}, info, nil
}

type gatedBody struct {
	io.ReadCloser
	by   *gated
	read sync.Once
}

func (b *gatedBody) Read(p []byte) (int, error) {
	b.read.Do(func() { b.by.count(&b.by.taken) })
	<-b.by.gate
	return b.ReadCloser.Read(p)
}

func (b *gatedBody) Close() error {
	b.read.Do(func() { b.by.count(&b.by.declined) })
	return b.ReadCloser.Close()
}

func (g *gated) count(what *int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	*what++
}

func (g *gated) counts() (taken, declined int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken, g.declined
}

// Of many downloads that begin together only those are kept that the quota has
// room for; who reads the others does not notice.
func TestQuotaUnderParallelFetches(t *testing.T) {
	const readers, size, limit = 64, 10_000, 100_000
	var far *gated
	r := newRig(t, func(o *Options, _ *remote.Traits) {
		far = &gated{Memory: o.Remote.(*remotetest.Memory), gate: make(chan struct{}), asked: map[remote.Key]bool{}}
		o.Remote, o.CacheSize = far, limit
		o.Guard.StallTimeout = time.Minute
	})
	var wg sync.WaitGroup
	for _, key := range warmKeys(r, readers, size) {
		wg.Go(func() {
			if got, err := r.read(key); err != nil || len(got) != size {
				t.Errorf("read: %d bytes, %v", len(got), err)
			}
		})
	}
	eventually(t, "all have room or go without", func() bool {
		taken, declined := far.counts()
		return taken+declined == readers
	})
	if taken, _ := far.counts(); taken*size > limit || taken < limit/size/2 {
		t.Errorf("%d downloads of %d bytes come into a cache of %d", taken, size, limit)
	}
	close(far.gate)
	wg.Wait()
	if c := r.Stats().Cache; c.Bytes > limit || c.Objects < limit/size/2 {
		t.Errorf("the cache holds %d objects, %d bytes", c.Objects, c.Bytes)
	}
	eventually(t, "nothing stays reserved", func() bool { return r.free.coming.Load() == 0 })
}

// Of several writers that find the disk full together one makes room, which is
// for all of them.
func TestRoomIsMadeForAllWhoWait(t *testing.T) {
	const writers = 8
	r := newRig(t, nil)
	key := warmKeys(r, 1, 1000)[0]
	if _, err := r.read(key); err != nil {
		t.Fatal(err)
	}
	object := r.layout.object(key)
	var full, wg sync.WaitGroup
	full.Add(writers)
	for range writers {
		first := true
		wg.Go(func() {
			err := r.withRoomFor(func() error {
				if !first {
					if _, err := os.Lstat(object); err == nil {
						return syscall.ENOSPC
					}
					return nil
				}
				first = false
				full.Done()
				full.Wait() // all have failed before one trims
				return syscall.ENOSPC
			})
			if err != nil {
				t.Errorf("a write failed after another had made room: %v", err)
			}
		})
	}
	wg.Wait()
	if err := r.withRoomFor(func() error { return syscall.ENOSPC }); err != syscall.ENOSPC { //nolint:errorlint // the very one
		t.Errorf("a disk full of other things: %v", err)
	}
}

// A stop that could not bring the cache to disk is no clean one: what the disk
// has lost is found by the next start.
func TestStopThatDidNotSyncIsNotClean(t *testing.T) {
	r := newRig(t, nil)
	r.mustPublish(testKey(1, "package"), "content")
	r.flush()
	if err := os.Mkdir(r.layout.path("synced"), 0o755); err != nil { // so that it cannot be marked
		t.Fatal(err)
	}
	if _, err := r.Close(t.Context()); err == nil {
		t.Error("Close says that all is well")
	}
	if _, err := os.Stat(r.layout.path("running")); err != nil {
		t.Errorf("the stop counts as clean: %v", err)
	}
}

// block puts a file where a folder of the cache was, as a disk that takes nothing,
// and returns what undoes that. There is no moment with neither: what is gone from
// the queue counts as damaged.
func (r *rig) block(part string) (undo func()) {
	r.t.Helper()
	dir := r.layout.path(part)
	if err := os.WriteFile(dir+"-away", nil, 0o644); err != nil {
		r.t.Fatal(err)
	}
	swap := func() {
		if err := unix.Renameat2(unix.AT_FDCWD, dir, unix.AT_FDCWD, dir+"-away", unix.RENAME_EXCHANGE); err != nil {
			r.t.Fatal(err)
		}
	}
	swap()
	return swap
}

// What the disk does not take is read from the remote.
func TestFetchThatCannotBeKept(t *testing.T) {
	for _, part := range []string{"fetch", "objects"} {
		t.Run(part, func(t *testing.T) {
			r := newRig(t, nil)
			key := testKey(1, "package")
			r.mem.Set(remote.Key(key), packed(t, "content"))
			undo := r.block(part)
			r.wantContent(key, string(packed(t, "content")))
			result, err := r.Warm(t.Context(), []string{key}, WarmOptions{Jobs: 1}, nil)
			if err != nil || result.Failed != 1 || result.Full {
				t.Errorf("Warm() = %+v, %v, want a failure", result, err)
			}
			undo()
			r.wantContent(key, string(packed(t, "content")))
			if n := r.Stats().Fetched.Objects; n != 1 {
				t.Errorf("%d objects fetched, want 1", n)
			}
		})
	}
}

// A removal that the disk refuses changes nothing: what was acknowledged is still
// sent.
func TestRemovalThatFails(t *testing.T) {
	for _, part := range []string{"removed", "queue"} {
		t.Run(part, func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
			r.mem.Fail("put", &remote.Error{Op: "put", Kind: remote.ErrUnavailable})
			key := testKey(1, "package")
			r.mustPublish(key, "content")
			undo := r.block(part)
			err := r.Unlink(t.Context(), key)
			undo()
			if err == nil {
				t.Fatal("the removal was accepted")
			}
			r.wantContent(key, "content")
			r.mem.Fail("put", nil)
			r.flush()
			r.wantRemote(key, "content")
			r.wantContent(key, "content")
		})
	}
}

// A trim for the quota waits until the cache is counted; when the disk gets full
// meanwhile it trims for that.
func TestFreeSpaceIsKeptWhileCounting(t *testing.T) {
	const size = 1000
	var c clock
	c.add(time.Hour)
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Now, o.CacheSize = c.now, 100*size })
	keys := warmKeys(r, 10, size)
	for _, key := range keys {
		r.wantContent(key, r.content(key))
	}
	<-r.usage.complete
	r.usage = newUsage()
	r.usage.before = &Count{Objects: 200, Bytes: 200 * size} // more than may be, if that is true
	disk := func(free int64) {
		r.free.mu.Lock()
		defer r.free.mu.Unlock()
		r.free.bytes, r.free.total, r.free.at = free, 1<<40, c.now()
	}
	here := func() (n int) {
		for _, key := range keys {
			if localID(r.layout.object(key)) != (FileID{}) {
				n++
			}
		}
		return n
	}
	disk(1 << 39)
	round, _ := r.trimBehind(0)
	time.Sleep(3 * countingPause / 2)
	if n := here(); n != len(keys) {
		t.Errorf("%d of %d objects are left by a trim for a count that is not known", n, len(keys))
	}
	disk(r.minFree() - size/2)
	select {
	case <-round:
	case <-time.After(10 * countingPause):
		t.Error("the trim waits for the count")
	}
	if n := here(); n == len(keys) || r.usage.isComplete() {
		t.Errorf("%d of %d objects are left on a disk that is full", n, len(keys))
	}
}
