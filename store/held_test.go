package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
)

// hold publishes n objects that the remote refuses.
func (r *rig) hold(n int) (keys []string) {
	r.t.Helper()
	r.mem.Fail("put", remote.ErrPermission)
	for i := range n {
		keys = append(keys, testKey(i, "package"))
		r.mustPublish(keys[i], fmt.Sprint("content ", i))
	}
	eventually(r.t, "all are held", func() bool { return r.queue.heldCount() == n })
	return keys
}

// TestHeldTriedAgainByMany: a flush and the hourly try, or two flushes, may want
// the same objects sent at the same moment.
func TestHeldTriedAgainByMany(t *testing.T) {
	const objects, sides = 100, 4
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	keys := r.hold(objects)
	r.mem.Delay("put", 20*time.Millisecond)
	r.mem.Fail("put", nil)
	var wg sync.WaitGroup
	for range sides {
		wg.Go(r.retryHeld)
	}
	wg.Wait()
	r.flush()
	for i, key := range keys {
		r.wantRemote(key, fmt.Sprint("content ", i))
	}
	if n := r.damaged.Load(); n > 0 {
		t.Errorf("%d objects set aside", n)
	}
}

// TestHeldThatCannotBeMoved: what the disk does not let back into the queue is
// held until it does.
func TestHeldThatCannotBeMoved(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	key := r.hold(1)[0]
	folder := r.queue.dir(false) + "/" + r.queue.heldEntries()[0].folder
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o644); err != nil { // nothing can be below it
		t.Fatal(err)
	}
	r.mem.Fail("put", nil)
	r.retryHeld()
	if st := r.Status().Queue; st.Held != 1 || st.Objects != 0 {
		t.Errorf("queue = %+v, want one that is held", st)
	}
	r.wantContent(key, "content 0")
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.wantRemote(key, "content 0")
}

// TestWithFoldersSaysWhatIsMissing: a source that is gone is no success.
func TestWithFoldersSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	if err := linkInto(filepath.Join(dir, "gone"), filepath.Join(dir, "a/b/c")); !os.IsNotExist(err) {
		t.Errorf("linkInto of what is not there = %v, want %v", err, os.ErrNotExist)
	}
}

// TestHeldOnAFullDisk: what cannot be moved back at the start for want of room stays
// held, and is sent when there is some.
func TestHeldOnAFullDisk(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	key := r.hold(1)[0]
	e := r.queue.heldEntries()[0]
	r.queue.mu.Lock()
	r.queue.unhold(e) // as the next daemon begins
	r.queue.hide(e.ino, -1)
	r.queue.mu.Unlock()
	fresh := *e
	fresh.tried, fresh.answered = make(chan struct{}), false
	r.queue.keepHeld(&fresh, "no space left on device")
	if q := r.Status().Queue; q.Held != 1 || q.HeldReason != "no space left on device" {
		t.Errorf("status %+v", q)
	}
	r.mem.Fail("put", nil)
	r.retryHeld()
	r.flush()
	r.wantRemote(key, "content 0")
	if n := r.queue.hiddenNames(fresh.ino); n != 0 {
		t.Errorf("%d names hidden of what is sent", n)
	}
}

// TestHeldLeaveTheDiskItsRoom: what the remote refuses stops no publish before it
// fills the cache, which nothing could trim then.
func TestHeldLeaveTheDiskItsRoom(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish, o.QueueSize, o.CacheSize = PublishQueue, 45, 45 })
	keys := r.hold(5) // of 9 bytes each
	late := testKey(9, "package")
	if err := r.publish(late, "content 9"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("publish into a cache of refused objects = %v, want %v", err, syscall.ENOSPC)
	}
	r.mustPublish(late+".siginfo", "signatures go on")
	r.mem.Fail("put", nil)
	r.flush()
	if n := r.queue.heldSize(); n != 0 {
		t.Errorf("%d bytes are held of nothing", n)
	}
	r.mustPublish(late, "content 9")
	for i, key := range keys {
		r.wantRemote(key, fmt.Sprint("content ", i))
	}
}
