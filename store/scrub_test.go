package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// rewrite changes the content of a file in place, as a bad disk does: what is
// noted of it stays.
func rewrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o664); err != nil {
		t.Fatal(err)
	}
}

func flipped(b []byte) []byte { b[len(b)/2] ^= 1; return b }

// damages are what a disk makes of a content.
var damages = []struct {
	name string
	to   func([]byte) []byte
}{
	{"a bit", flipped},
	{"cut off", func(b []byte) []byte { return b[:len(b)-3] }},
	{"nothing left", func([]byte) []byte { return nil }},
	{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }},
	{"zeros at the end", func(b []byte) []byte { clear(b[len(b)/2:]); return b }},
}

// Damage of a disk is found by the checksum, and without one by decoding; the
// object is set aside, told, and fetched again.
func TestVerifyFindsDamage(t *testing.T) {
	archive := newModelContents().make("archive", modelOp{id: 79})
	for _, d := range damages {
		for _, how := range []string{"fetched", "published", "without a checksum"} {
			t.Run(d.name+"/"+how, func(t *testing.T) {
				r := newRig(t, nil)
				key, good := testKey(1, "package"), testKey(2, "package")
				r.mem.Set(remote.Key(good), archive)
				r.wantContent(good, string(archive))
				if how == "published" {
					r.mustPublish(key, string(archive))
				} else {
					r.mem.Set(remote.Key(key), archive)
					r.wantContent(key, string(archive))
				}
				if how == "without a checksum" {
					forgetSums(t, r.layout.object(key))
				}
				rewrite(t, r.layout.object(key), d.to)
				heard := r.Listen(10)
				defer heard.Close()
				got, err := r.Verify(t.Context(), nil)
				if err != nil || got.Damaged.Objects != 1 || got.Checked.Objects != 1 || got.Unread != 0 || got.Unchecked.Objects != 0 {
					t.Fatalf("Verify() = %+v, %v, want one damaged, one right", got, err)
				}
				if e := <-heard.C(); e.Kind != EventWarning || e.Key != key || !strings.Contains(e.Message, "damaged") {
					t.Errorf("event %+v", e)
				}
				if aside, err := os.ReadFile(r.layout.path("broken", key)); err != nil || bytes.Equal(aside, archive) {
					t.Errorf("set aside: %d bytes, %v", len(aside), err)
				}
				r.wantContent(key, string(archive))
				got, err = r.Verify(t.Context(), nil)
				if err != nil || got.Checked.Objects != 2 || got.Damaged.Objects != 0 {
					t.Errorf("Verify() = %+v, %v, want two right", got, err)
				}
			})
		}
	}
}

func forgetSums(t *testing.T, path string) {
	t.Helper()
	for _, attr := range []string{sumAttr, shortSumAttr} {
		_ = unix.Removexattr(path, attr)
	}
	if isNoted(path) {
		t.Fatal("a checksum is still noted")
	}
}

// What nothing vouches for is neither right nor damaged.
func TestVerifyDoesNotGuess(t *testing.T) {
	r := newRig(t, nil)
	own, sig := testKey(1, "package"), testKey(2, "package")+".sig"
	for _, key := range []string{own, sig} {
		r.mem.Set(remote.Key(key), []byte("somebody's own kind of file"))
		r.wantContent(key, "somebody's own kind of file")
		forgetSums(t, r.layout.object(key))
	}
	got, err := r.Verify(t.Context(), nil)
	if err != nil || got.Unchecked.Objects != 2 || got.Damaged.Objects+got.Checked.Objects != 0 {
		t.Errorf("Verify() = %+v, %v, want two unchecked", got, err)
	}
	r.wantContent(own, "somebody's own kind of file")
}

// What waits for the remote and is damaged is not sent, and counted; what else
// waits is sent.
func TestVerifyOfWhatIsNotSent(t *testing.T) {
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
	r.mem.Fail("put", &remote.Error{Op: "put", Kind: remote.ErrUnavailable})
	r.mem.Fail("probe", &remote.Error{Op: "probe", Kind: remote.ErrUnavailable})
	archive := string(newModelContents().make("archive", modelOp{id: 79}))
	bad, good := testKey(1, "package"), testKey(2, "package")
	r.mustPublish(bad, archive)
	r.mustPublish(good, archive)
	eventually(t, "the remote is known to be away", func() bool { return r.Status().Remote.State == StateOffline })
	rewrite(t, r.layout.object(bad), flipped)
	eventually(t, "it is not being sent", func() bool {
		got, err := r.Verify(t.Context(), nil)
		return err == nil && got.Damaged.Objects == 1
	})
	if q := r.Status().Queue; q.Objects != 1 || q.Failed != 1 {
		t.Errorf("queue is %+v, want one waiting and one failed", q)
	}
	r.wantMiss(bad)
	r.mem.Fail("put", nil)
	r.mem.Fail("probe", nil)
	if left := r.flush(); left.Objects != 0 {
		t.Errorf("Flush() = %+v", left)
	}
	r.wantRemote(good, archive)
	if _, sent := r.mem.Snapshot()[remote.Key(bad)]; sent {
		t.Error("the damaged object was sent")
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	r := newRig(t, nil)
	for i := range 5 {
		key := testKey(i, "package")
		r.mem.Set(remote.Key(key), packed(t, "archive"))
		if _, err := r.read(key); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, err := r.Verify(ctx, func(VerifyResult) { cancel() })
	if !errors.Is(err, context.Canceled) || got.Checked.Objects != 1 {
		t.Errorf("Verify() = %+v, %v, want an end after the first", got, err)
	}
}
