package store

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// An object that was fetched or sent, taken away as scratch, written to and
// published again is new content: an old checksum must not make it look damaged
// after a crash, or it would never be sent.
func TestReusedFileHasNoOldSum(t *testing.T) {
	for name, make := range map[string]func(r *rig, key string){
		"fetched": func(r *rig, key string) {
			r.mem.Set(remote.Key(key), []byte("content"))
			r.wantContent(key, "content")
		},
		"sent": func(r *rig, key string) {
			r.mustPublish(key, "content")
			r.flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options, _ *remote.Traits) { o.Publish = PublishQueue })
			old, key := testKey(1, "package"), testKey(2, "package")
			make(r, old)
			r.mkdirs(parent(key))
			scratch := parent(key) + "/reused"
			if err := r.Rename(t.Context(), old, scratch, 0); err != nil {
				t.Fatal(err)
			}
			f, err := r.OpenFile(scratch, os.O_RDWR)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.WriteAt(f, []byte("CONTENT"), 0); err != nil {
				t.Fatal(err)
			}
			f.Close()
			r.mem.Fail("put", remote.ErrUnavailable)
			if _, err := r.Link(t.Context(), scratch, key); err != nil {
				t.Fatal(err)
			}
			r.crash()
			r.mem.Fail("put", nil)
			r.open()
			r.wantContent(key, "CONTENT")
			r.flush()
			r.wantRemote(key, "CONTENT")
		})
	}
}

// A second name of an object stays sealed, also when it was published under one
// more name that another host was first with.
func TestSecondNameStaysSealed(t *testing.T) {
	r := newRig(t, func(o *Options, traits *remote.Traits) { traits.CheapStat, o.Refresh = false, time.Hour })
	if _, err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	one, other := testKey(1, "package"), testKey(2, "package")
	r.mustPublish(one, "content")
	r.flush()
	second := parent(one) + "/second"
	if _, err := r.Link(t.Context(), one, second); err != nil {
		t.Fatal(err)
	}
	r.mem.Set(remote.Key(other), []byte("theirs"))
	if _, err := r.Link(t.Context(), second, other); err != nil {
		t.Fatal(err)
	}
	r.flush()
	r.wantContent(other, "theirs")
	if f, err := r.OpenFile(second, os.O_RDWR); !errors.Is(err, syscall.EPERM) {
		f.Close()
		t.Errorf("OpenFile of a second name = %v, want %v", err, syscall.EPERM)
	}
	r.wantContent(one, "content")
}

// Where there are no extended attributes a file of its own has the sum.
func TestSumBesideTheObject(t *testing.T) {
	r := newRig(t, nil)
	r.sums.xattrs = false // before any object is there
	key := testKey(1, "package")
	beside, path := r.layout.path("sums", key), r.layout.object(key)
	r.mem.Set(remote.Key(key), []byte("content"))
	r.wantContent(key, "content")
	if got := r.sums.get(path, key); len(got) != 8 || r.checkFile(path, key) != nil {
		t.Errorf("sum of a download %q, check %v, want 8 digits that fit", got, r.checkFile(path, key))
	}
	if _, err := unix.Getxattr(path, shortSumAttr, nil); err == nil {
		t.Errorf("there is an attribute too")
	}
	for name, text := range map[string]string{"empty": "", "zeros": strings.Repeat("\x00", 8), "half": "0123", "words": "no digit"} {
		if err := os.WriteFile(beside, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := r.sums.get(path, key); got != "" {
			t.Errorf("a sum of %s is %q, want none", name, got)
		}
	}

	if err := os.WriteFile(beside, []byte("00000000"), 0o644); err != nil { // of what is replaced now
		t.Fatal(err)
	}
	tmp := r.scratchFile(key, "newer content")
	if err := r.Rename(t.Context(), tmp, key, 0); err != nil {
		t.Fatal(err)
	}
	r.flush()
	if got := r.sums.get(path, key); len(got) != 64 || r.checkFile(path, key) != nil {
		t.Errorf("sum of what was sent %q, check %v, want 64 digits that fit", got, r.checkFile(path, key))
	}
	if err := os.WriteFile(path, []byte("NEWER CONTENT"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := r.checkFile(path, key); !isDamage(err) {
		t.Errorf("check of damage = %v, want it found", err)
	}
	if err := r.Unlink(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(beside); !os.IsNotExist(err) {
		t.Errorf("the sum of a removed object stays: %v", err)
	}
}
