package store

import (
	"context"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// bySuffix is a remote on which puts of keys with an ending wait, or fail.
type bySuffix struct {
	*remotetest.Memory

	mu      sync.Mutex
	suffix  string
	fail    error
	waiting chan struct{} // closed to let them go on, nil if none waits
	begun   chan struct{} // gets one thing for each put of those
}

func (b *bySuffix) set(suffix string, fail error, waiting chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.suffix, b.fail, b.waiting = suffix, fail, waiting
}

func (b *bySuffix) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	b.mu.Lock()
	ours := b.suffix != "" && strings.HasSuffix(string(key), b.suffix)
	fail, waiting := b.fail, b.waiting
	b.mu.Unlock()
	if ours && waiting != nil {
		b.begun <- struct{}{}
		<-waiting
	}
	if ours && fail != nil {
		return fail
	}
	return b.Memory.Put(ctx, key, src, opt)
}

// newSuffixRig has an index of a remote that can treat signatures in another way.
func newSuffixRig(t *testing.T, adjust func(*Options)) (*rig, *bySuffix) {
	b := &bySuffix{Memory: remotetest.NewMemory(), begun: make(chan struct{}, 100)}
	r := &rig{t: t, mem: b.Memory}
	r.opt = Options{Dir: t.TempDir(), Remote: b, Publish: PublishQueue, Guard: quickGuard, MinFree: 1e-9}
	if adjust != nil {
		adjust(&r.opt)
	}
	r.open()
	t.Cleanup(r.close)
	r.listed()
	return r, b
}

// signedBuild publishes as a build does that signs.
func (r *rig) signedBuild(archive, bytes, sig string) {
	r.t.Helper()
	if err := r.signs(archive, sig); err != nil {
		r.t.Fatal(err)
	}
	if err := r.Rename(r.t.Context(), r.scratchFile(archive, bytes), archive, 0); err != nil {
		r.t.Fatal(err)
	}
}

// TestSignatureOfReplacedArchive: another host has published the pair, and this one
// has heard of the archive only. What remains is of one host.
func TestSignatureOfReplacedArchive(t *testing.T) {
	for _, cached := range []bool{false, true} {
		r := newIndexedRig(t, nil)
		archive := testKey(1, "package")
		theirs, ours := packed(t, "theirs"), packed(t, "ours, and longer")
		r.mem.Set(remote.Key(archive), theirs)
		r.listed()
		if cached {
			r.wantContent(archive, string(theirs))
		}
		r.mem.Set(remote.Key(archive+".sig"), []byte("their sig"))
		r.signedBuild(archive, string(ours), "our sig")
		if left := r.flush(); left != (Left{}) {
			t.Errorf("cached %v: left %+v", cached, left)
		}
		r.wantRemote(archive, string(ours))
		r.wantRemote(archive+".sig", "our sig")
		r.wantContent(archive+".sig", "our sig")
	}
}

// TestSignatureWaitsForItsRename: an archive that was there before does not let a
// signature go before a build has renamed its own.
func TestSignatureWaitsForItsRename(t *testing.T) {
	r, _ := newSuffixRig(t, nil)
	archive := testKey(1, "package")
	bytes := packed(t, "theirs")
	r.mem.Set(remote.Key(archive), bytes)
	r.listed()
	r.wantContent(archive, string(bytes))
	begun := time.Now()
	if err := r.signs(archive, "sig"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is sent when no rename comes", func() bool { return !r.queue.pending(archive + ".sig") })
	if d := time.Since(begun); d < sigPause {
		t.Errorf("sent after %v, want %v at least", d, sigPause)
	}
	r.wantRemote(archive+".sig", "sig")
	if err := r.signs(testKey(2, "package"), "sig"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second is looked at", func() bool { return len(r.queue.chains) == 1 })
	if st := r.Status().Queue; st.LastErr != "" && st.LastErr != noArchive {
		t.Errorf("queue = %+v", st)
	}
}

// TestLateSignatureOfAnotherArchive: while a signature waits for the remote, another
// host replaces its archive.
func TestLateSignatureOfAnotherArchive(t *testing.T) {
	r, far := newSuffixRig(t, nil)
	archive := testKey(1, "package")
	far.set(".sig", &remote.Error{Op: "put", Kind: remote.ErrUnavailable}, nil)
	r.signedBuild(archive, string(packed(t, "ours")), "our sig")
	eventually(t, "the archive is sent, the signature tried", func() bool {
		return r.queue.unsent(archive) == 0 && strings.Contains(r.Status().Queue.LastErr, "put")
	})
	theirs := packed(t, "theirs, and longer")
	far.Set(remote.Key(archive), theirs)
	far.set("", nil, nil)
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(archive+".sig", "")
	r.wantContent(archive, string(theirs))
	r.wantMiss(archive + ".sig")
}

// TestSignatureThatStrays: a signature whose build was cut off does not wait for
// ever beside somebody else's archive.
func TestSignatureThatStrays(t *testing.T) {
	var c clock
	c.add(time.Hour)
	r, far := newSuffixRig(t, func(o *Options) { o.Now = c.now })
	archive := testKey(1, "package")
	if err := r.signs(archive, "sig of a cut-off build"); err != nil {
		t.Fatal(err)
	}
	far.Set(remote.Key(archive), packed(t, "theirs"))
	r.listed()
	c.add(orphanAge)
	r.queue.hurry(false)
	eventually(t, "it is dropped", func() bool { return !r.queue.pending(archive + ".sig") })
	r.wantMiss(archive + ".sig")
	r.wantRemote(archive+".sig", "")
}

// TestSignatureOfDamagedCopy: the copy here of an archive that was sent is found
// damaged. Its signature is good, and goes.
func TestSignatureOfDamagedCopy(t *testing.T) {
	r, far := newSuffixRig(t, nil)
	archive := testKey(1, "package")
	bytes := packed(t, "ours")
	goOn := make(chan struct{})
	far.set(".sig", nil, goOn)
	r.signedBuild(archive, string(bytes), "our sig")
	<-far.begun
	rewrite(t, r.layout.object(archive), flipped)
	if got, err := r.Verify(t.Context(), nil); err != nil || got.Damaged.Objects != 1 {
		t.Fatalf("Verify() = %+v, %v", got, err)
	}
	close(goOn)
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(archive+".sig", "our sig")
	r.wantContent(archive, string(bytes))
}

// TestTakeBackIsTriedAgain: what was sent of a signature whose archive lost goes from
// the remote, also if that fails first.
func TestTakeBackIsTriedAgain(t *testing.T) {
	r, far := newSuffixRig(t, nil)
	archive, sig := testKey(1, "package"), testKey(1, "package")+".sig"
	goOn := make(chan struct{})
	far.set(".sig", nil, goOn)
	r.signedBuild(archive, string(packed(t, "ours")), "our sig")
	<-far.begun
	r.dropSignature(sig)
	far.Fail("delete", &remote.Error{Op: "delete", Kind: remote.ErrUnavailable})
	close(goOn)
	eventually(t, "it was tried", func() bool { return far.Calls("delete") > 0 && r.queue.unsent(sig) > 0 })
	r.wantRemote(sig, "our sig")
	far.Fail("delete", nil)
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(sig, "")
	r.wantMiss(sig)
}

// TestHeldSignatureLetsTheNextIn: a signature that the remote refused goes with its
// archive; the next build's is no second one.
func TestHeldSignatureLetsTheNextIn(t *testing.T) {
	var c clock
	c.add(time.Hour)
	r, far := newSuffixRig(t, func(o *Options) { o.Now = c.now })
	archive := testKey(1, "package")
	far.set(".sig", &remote.Error{Op: "put", Kind: remote.ErrPermission}, nil)
	r.signedBuild(archive, string(packed(t, "first")), "first sig")
	eventually(t, "it is held", func() bool { return r.queue.heldCount() == 1 })
	far.Remove(remote.Key(archive))
	r.listed()
	c.add(2 * orphanAge)
	far.set("", nil, nil)
	second := packed(t, "second, and longer")
	r.signedBuild(archive, string(second), "second sig")
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(archive, string(second))
	r.wantRemote(archive+".sig", "second sig")
}

// TestCachedSignatureGoesWithItsArchive: a signature may have the size of another
// one, so it goes when its archive is replaced or leaves the cache.
func TestCachedSignatureGoesWithItsArchive(t *testing.T) {
	for _, how := range []string{"replaced", "trimmed"} {
		r := newIndexedRig(t, nil)
		archive := testKey(1, "package")
		old, fresh := packed(t, "old"), packed(t, "fresh, and longer")
		r.mem.Set(remote.Key(archive), old)
		r.mem.Set(remote.Key(archive+".sig"), []byte("sig 1"))
		r.listed()
		r.wantContent(archive, string(old))
		r.wantContent(archive+".sig", "sig 1")
		if how == "trimmed" {
			used(t, r.layout.object(archive), -time.Hour) // the older one goes first
			r.trim(t.Context(), 1)
			if _, err := os.Stat(r.layout.object(archive)); err == nil {
				t.Fatal("the archive was not trimmed")
			}
		}
		r.mem.Set(remote.Key(archive), fresh)
		r.mem.Set(remote.Key(archive+".sig"), []byte("sig 2"))
		r.listed()
		r.wantContent(archive, string(fresh))
		r.wantContent(archive+".sig", "sig 2")
	}
}

// used sets when a file was last used, in relation to now.
func used(t *testing.T, path string, ago time.Duration) {
	t.Helper()
	then := time.Now().Add(ago)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// TestHeldAreTriedOneByOne: what the remote refuses costs one try as long as it takes
// other objects only.
func TestHeldAreTriedOneByOne(t *testing.T) {
	r, far := newSuffixRig(t, nil)
	far.set(".siginfo", &remote.Error{Op: "put", Kind: remote.ErrPermission}, nil)
	const n = 20
	for i := range n {
		r.mustPublish(testKey(i, "package")+".siginfo", "refused")
	}
	eventually(t, "all are held", func() bool { return r.queue.heldCount() == n })
	r.mustPublish(testKey(0, "package"), "taken")
	eventually(t, "something is sent", func() bool { return r.takesAgain.Load() })
	before := far.Calls("put") // of those that are taken
	r.retryOneHeld()
	eventually(t, "it is held again", func() bool { return r.queue.heldCount() == n })
	if r.takesHeld.Load() {
		t.Error("a try that was refused says that the remote takes what was held")
	}
	far.set("", nil, nil)
	r.retryOneHeld()
	eventually(t, "it is sent", func() bool { return r.takesHeld.Load() })
	if got := far.Calls("put") - before; got != 1 {
		t.Errorf("%d puts, want 1", got)
	}
	if got := r.queue.heldCount(); got != n-1 {
		t.Errorf("%d are held, want %d", got, n-1)
	}
}

// TestSignatureOfVanishedArchive: an archive that is seen late is not one that was
// removed.
func TestSignatureOfVanishedArchive(t *testing.T) {
	var c clock
	c.add(time.Hour)
	r, far := newSuffixRig(t, func(o *Options) { o.Now = c.now })
	archive, sig := testKey(1, "package"), testKey(1, "package")+".sig"
	far.set(".sig", &remote.Error{Op: "put", Kind: remote.ErrUnavailable}, nil)
	r.signedBuild(archive, string(packed(t, "ours")), "our sig")
	eventually(t, "the archive is sent, the signature tried", func() bool {
		return r.queue.unsent(archive) == 0 && strings.Contains(r.Status().Queue.LastErr, "put")
	})
	far.Remove(remote.Key(archive))
	far.set("", nil, nil)
	for range 3 {
		if left := r.flush(); left.Objects != 1 {
			t.Fatalf("left %+v, want the signature", left)
		}
	}
	c.add(orphanAge)
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(sig, "")
	r.wantMiss(sig)
}

// TestFlushDoesNotWaitForStrays: a signature that waits for its archive is left, and
// not waited for.
func TestFlushDoesNotWaitForStrays(t *testing.T) {
	r, _ := newSuffixRig(t, nil)
	for i := range 100 {
		if err := r.signs(testKey(i, "package"), "sig of a cut-off build"); err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		begun := time.Now()
		if left := r.flush(); left.Objects != 100 {
			t.Errorf("left %+v", left)
		}
		if d := time.Since(begun); d > 5*time.Second {
			t.Errorf("flush took %v", d)
		}
	}
}

// TestSignatureBetweenLinkAndRename: what a flush finds between the two calls of a
// build, another host's new archive even, takes nothing from the build.
func TestSignatureBetweenLinkAndRename(t *testing.T) {
	r, far := newSuffixRig(t, nil)
	archive := testKey(1, "package")
	old := packed(t, "old")
	far.Set(remote.Key(archive), old)
	r.listed()
	r.wantContent(archive, string(old))
	far.Set(remote.Key(archive), packed(t, "theirs, and longer"))
	if err := r.signs(archive, "our sig"); err != nil {
		t.Fatal(err)
	}
	if left := r.flush(); left.Objects != 1 {
		t.Errorf("left %+v, want the signature", left)
	}
	ours := packed(t, "ours, and the longest of all")
	if err := r.Rename(t.Context(), r.scratchFile(archive, string(ours)), archive, 0); err != nil {
		t.Fatal(err)
	}
	if left := r.flush(); left != (Left{}) {
		t.Errorf("left %+v", left)
	}
	r.wantRemote(archive, string(ours))
	r.wantRemote(archive+".sig", "our sig")
}
