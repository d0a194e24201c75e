package store

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"sstatefs/remote"
)

// signs does what a build that signs begins with: a link of the signature.
func (r *rig) signs(archive, content string) error {
	tmp := r.scratchFile(archive+".sig", content)
	_, err := r.Link(r.t.Context(), tmp, archive+".sig")
	if e := r.Unlink(r.t.Context(), tmp); e != nil {
		r.t.Fatal(e)
	}
	return err
}

// TestSignaturesOfTwoBuilds: of two builds that sign the same archive at one moment
// the second gives way, as on a disk; what a build that was cut off left does not
// keep out a later one.
func TestSignaturesOfTwoBuilds(t *testing.T) {
	var c clock
	c.add(time.Hour)
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Now = c.now })
	archive := testKey(1, "package")
	if err := r.signs(archive, "sig 1"); err != nil {
		t.Fatal(err)
	}
	if err := r.signs(archive, "sig 2"); !errors.Is(err, syscall.EEXIST) {
		t.Errorf("a second signature = %v, want %v", err, syscall.EEXIST)
	}
	c.add(2 * orphanAge)
	if err := r.signs(archive, "sig 3"); err != nil {
		t.Errorf("a signature long after = %v", err)
	}
	if err := r.Rename(t.Context(), r.scratchFile(archive, "bytes 3"), archive, 0); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.wantRemote(archive, "bytes 3")
	r.wantRemote(archive+".sig", "sig 3")
}

// TestFullQueueRefusesSignatures: a build that signs drops its archive when the link
// of the signature fails; the rename of the archive must not fail.
func TestFullQueueRefusesSignatures(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish, o.QueueSize = PublishQueue, 100 })
	r.mem.Fail("put", remote.ErrUnavailable)
	first, second := testKey(1, "package"), testKey(2, "package")
	if err := r.signs(first, "sig"); err != nil {
		t.Fatal(err)
	}
	if err := r.Rename(t.Context(), r.scratchFile(first, string(make([]byte, 200))), first, 0); err != nil {
		t.Errorf("rename of the archive = %v", err)
	}
	if err := r.signs(second, "sig"); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("signature into a full queue = %v, want %v", err, syscall.ENOSPC)
	}
	r.wantMiss(second + ".sig")
	r.mem.Fail("put", nil)
	r.flush()
	if err := r.signs(second, "sig"); err != nil {
		t.Errorf("signature when there is room = %v", err)
	}
}

// TestCorruptSignedArchive: the next build replaces archive and signature.
func TestCorruptSignedArchive(t *testing.T) {
	for _, cached := range []bool{true, false} {
		r := newIndexedRig(t, nil)
		archive := testKey(1, "package")
		good := packed(t, "content")
		r.mem.Set(remote.Key(archive), good[:len(good)-3])
		r.mem.Set(remote.Key(archive+".sig"), []byte("old sig"))
		r.listed()
		if cached {
			r.wantContent(archive+".sig", "old sig")
		}
		if _, err := r.read(archive); err == nil {
			t.Fatal("a truncated archive was read")
		}
		r.wantMiss(archive)
		r.wantMiss(archive + ".sig")
		if err := r.signs(archive, "new sig"); err != nil {
			t.Errorf("cached %v: link of the signature = %v", cached, err)
		}
		if err := r.Rename(t.Context(), r.scratchFile(archive, string(good)), archive, 0); err != nil {
			t.Errorf("rename of the archive = %v", err)
		}
		r.flush()
		r.wantRemote(archive, string(good))
		r.wantRemote(archive+".sig", "new sig")
		r.wantContent(archive, string(good))
		r.wantContent(archive+".sig", "new sig")
	}
}
