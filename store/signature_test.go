package store

import (
	"os"
	"testing"
	"time"

	"sstatefs/remote"
)

// signedRig has an archive with its signature here and on the remote, which is
// away since.
func signedRig(t *testing.T) (r *rig, archive, sig, content string) {
	t.Helper()
	r = newRig(t, func(o *Options, tr *remote.Traits) { o.Publish, tr.CheapStat = PublishQueue, false })
	archive, content = testKey(1, "package"), string(newModelContents().make("archive", modelOp{id: 79}))
	sig = archive + ".sig"
	r.mustPublish(sig, "signature")
	r.mustPublish(archive, content)
	if left := r.flush(); left != (Left{}) {
		t.Fatalf("left %+v", left)
	}
	r.wantRemote(sig, "signature")
	r.mem.Fail("", &remote.Error{Op: "all", Kind: remote.ErrUnavailable})
	return r, archive, sig, content
}

// wantRemoved brings the remote back, which is to lose the signature and no more.
func (r *rig) wantRemoved(archive, sig, content string) {
	r.t.Helper()
	r.mem.Fail("", nil)
	if left := r.flush(); left != (Left{}) {
		r.t.Errorf("left %+v", left)
	}
	r.wantMiss(sig)
	r.wantRemote(sig, "")
	r.wantContent(archive, content)
	if r.names.isRemoved(sig) {
		r.t.Errorf("%s stays hidden here, whoever publishes it", sig)
	}
}

// TestRemovalOfSignatureStands: a signature that was removed while the remote
// was away is removed, also when its archive is found damaged here meanwhile:
// only what was published of it goes with the archive.
func TestRemovalOfSignatureStands(t *testing.T) {
	ways := map[string]func(*rig, string){
		"verified": func(r *rig, _ string) {
			if _, err := r.Verify(t.Context(), nil); err != nil {
				r.t.Fatal(err)
			}
		},
		"after a power cut": func(r *rig, _ string) {
			r.crash()
			if err := os.WriteFile(r.layout.path("running"), []byte("another boot"), 0o644); err != nil {
				r.t.Fatal(err)
			}
			r.open()
			eventually(r.t, "all is checked", func() bool { return !r.unclean.Load() })
		},
	}
	for name, find := range ways {
		t.Run(name, func(t *testing.T) {
			r, archive, sig, content := signedRig(t)
			if err := r.Unlink(t.Context(), sig); err != nil {
				t.Fatal(err)
			}
			rewrite(t, r.layout.object(archive), flipped)
			find(r, archive)
			if _, err := os.Stat(r.layout.path("broken", archive)); err != nil {
				t.Fatalf("the damage was not found: %v", err)
			}
			r.wantMiss(sig)
			r.wantRemoved(archive, sig, content)
		})
	}
}

// A signature that is dropped with its archive does not show what was removed
// before it, in this run or the next.
func TestDroppedSignatureShowsNothing(t *testing.T) {
	for name, find := range map[string]func(*rig){
		"in this run": func(r *rig) {
			if _, err := r.Verify(t.Context(), nil); err != nil {
				r.t.Fatal(err)
			}
		},
		"in the next": func(r *rig) {
			r.saveIndex()
			r.crash()
			if err := os.RemoveAll(r.layout.path("objects")); err != nil {
				r.t.Fatal(err)
			}
			r.open()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, archive, sig, content := signedRig(t)
			if err := r.Unlink(t.Context(), sig); err != nil {
				t.Fatal(err)
			}
			r.mustPublish(sig, "another signature")
			rewrite(t, r.layout.object(archive), flipped)
			find(r)
			r.wantMiss(sig)
			r.wantRemoved(archive, sig, content)
		})
	}
}

// TestRemovalSentWhileArchiveBreaks: the removal is on its way when the archive
// is found damaged.
func TestRemovalSentWhileArchiveBreaks(t *testing.T) {
	r, archive, sig, content := signedRig(t)
	r.mem.Fail("", nil)
	eventually(t, "the remote is back", func() bool { return !r.guard.State().Open })
	r.mem.Delay("delete", 100*time.Millisecond)
	if err := r.Unlink(t.Context(), sig); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is being sent", func() bool { return r.queue.pending(sig) && r.queue.unsent(sig) == 0 })
	rewrite(t, r.layout.object(archive), flipped)
	if got, err := r.Verify(t.Context(), nil); err != nil || got.Damaged.Objects != 1 {
		t.Fatalf("Verify() = %+v, %v", got, err)
	}
	r.wantRemoved(archive, sig, content)
}
