package upkeep_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// meddling is a folder whose files somebody works on while they are sent.
type meddling struct {
	*upkeep.Folder
	meddle func(key remote.Key, read int64)
}

func (m meddling) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	m.meddle(key, 0)
	body, info, err := m.Folder.Get(ctx, key, offset)
	if err != nil {
		return nil, info, err
	}
	return &meddlingBody{body, m, key, 0}, info, nil
}

type meddlingBody struct {
	io.ReadCloser
	m    meddling
	key  remote.Key
	read int64
}

func (b *meddlingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), 64<<10)])
	if b.read += int64(n); n > 0 {
		b.m.meddle(b.key, b.read)
	}
	return n, err
}

func TestUploadCountsWhatChanges(t *testing.T) {
	for _, test := range []struct {
		name    string
		meddle  func(path string, read int64) error
		changed bool
	}{
		{"vanishes before", func(path string, read int64) error {
			if read == 0 {
				return os.Remove(path)
			}
			return nil
		}, true},
		{"vanishes meanwhile", func(path string, read int64) error {
			if read == 64<<10 {
				return os.Remove(path)
			}
			return nil
		}, false}, // what was opened can be read to its end
		{"cut meanwhile", func(path string, read int64) error {
			if read == 64<<10 {
				return os.Truncate(path, 128<<10)
			}
			return nil
		}, true},
		{"grows meanwhile", func(path string, read int64) error {
			if read == 64<<10 {
				return appendTo(path, -1)
			}
			return nil
		}, true},
		{"overwritten meanwhile", func(path string, read int64) error {
			if read == 64<<10 {
				return appendTo(path, 10)
			}
			return nil
		}, true},
		{"touched meanwhile", func(path string, read int64) error {
			if read == 64<<10 {
				return os.Chtimes(path, time.Now(), time.Now())
			}
			return nil
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, target := newSstateDir(t), remotetest.NewMemory()
			a, other := artefact("zlib", "package", 1), artefact("zlib", "package", 2)
			dir.put(a, tarball(t, 600<<10))
			dir.put(other, tarball(t, 10))
			from := meddling{dir.open(), func(key remote.Key, read int64) {
				if key != a {
					return
				}
				if err := test.meddle(dir.path(a), read); err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
			}}
			r := upload(t, from, target, upkeep.UploadOptions{})
			want := []remote.Key{other}
			changed := int64(1)
			if !test.changed {
				want, changed = append(want, a), 0
			}
			wantKeys(t, target, want...)
			if r.Changed.Objects != changed || r.Failed.Objects != 0 {
				t.Errorf("Upload() = %+v, want %d changed", r, changed)
			}
		})
	}
}

// appendTo writes a byte at an offset, -1 for the end.
func appendTo(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if at < 0 {
		if at, err = f.Seek(0, io.SeekEnd); err != nil {
			return err
		}
	}
	var old [1]byte
	_, _ = f.ReadAt(old[:], at)
	_, err = f.WriteAt([]byte{old[0] ^ 0xff}, at)
	return err
}

// An upload that is interrupted leaves nothing partial, and the next one sends
// the rest.
func TestUploadInterruptedGoesOn(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	var all []remote.Key
	for i := range 40 {
		key := artefact("zlib", "package", i)
		dir.put(key, tarball(t, 1000+i))
		all = append(all, key)
	}
	ctx, cancel := context.WithCancel(t.Context())
	sent := 0
	o := upkeep.UploadOptions{Jobs: 3, Each: func(upkeep.UploadedObject) {
		if sent++; sent == 10 {
			cancel()
		}
	}}
	first, err := upkeep.Upload(ctx, dir.open(), &upkeep.Target{Remote: target, Now: time.Now}, o, upkeep.Silent)
	if !errors.Is(err, context.Canceled) || first.Complete || first.Sent.Objects < 10 || first.Sent.Objects > 13 {
		t.Fatalf("Upload() = %+v, %v, want it interrupted after 10", first, err)
	}
	for key, content := range target.Snapshot() {
		if here, err := os.ReadFile(dir.path(key)); err != nil || !bytes.Equal(here, content) {
			t.Errorf("%s: partial", key)
		}
	}
	second := upload(t, dir.open(), target, upkeep.UploadOptions{})
	if first.Sent.Objects+second.Sent.Objects != 40 {
		t.Errorf("sent %d, then %d, want 40 in all", first.Sent.Objects, second.Sent.Objects)
	}
	wantKeys(t, target, all...)
}

func TestUploadCountsFailures(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	for i := range 6 {
		dir.put(artefact("zlib", "package", i), tarball(t, 100))
	}
	target.FailNext("commit", 2, &remote.Error{Op: "put", Kind: remote.ErrPermission})
	r := upload(t, dir.open(), target, upkeep.UploadOptions{Jobs: 1})
	if r.Failed.Objects != 2 || r.Sent.Objects != 4 || len(r.Errors) != 2 || !strings.Contains(r.Errors[0].Error, "access denied") {
		t.Errorf("Upload() = %+v, want 2 failed and 4 sent", r)
	}
	for i := range 100 {
		dir.put(artefact("acl", "package", i), tarball(t, 100))
	}
	target.Fail("commit", &remote.Error{Op: "put", Kind: remote.ErrPermission})
	r, err := upkeep.Upload(t.Context(), dir.open(), &upkeep.Target{Remote: target, Now: time.Now}, upkeep.UploadOptions{Jobs: 1}, upkeep.Silent)
	if !errors.Is(err, remote.ErrPermission) || r.Failed.Objects != 5 || r.Complete {
		t.Errorf("Upload() = %+v, %v, want it to give up after 5", r, err)
	}
}

// A target that comes back in time is waited for.
func TestUploadWaitsForTheTarget(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	dir.put(artefact("zlib", "package", 1), tarball(t, 100))
	target.FailNext("commit", 2, &remote.Error{Op: "put", Kind: remote.ErrUnavailable})
	if r := upload(t, dir.open(), target, upkeep.UploadOptions{Patience: 30 * time.Second}); r.Sent.Objects != 1 {
		t.Errorf("Upload() = %+v, want it sent", r)
	}
}

func TestUploadToAReadOnlyRemote(t *testing.T) {
	target := remotetest.NewMemory()
	target.SetTraits(remote.Traits{ReadOnly: true})
	_, err := upkeep.Upload(t.Context(), newSstateDir(t).open(), &upkeep.Target{Remote: target, Now: time.Now}, upkeep.UploadOptions{}, upkeep.Silent)
	if !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Upload() = %v, want unsupported", err)
	}
}

// A dry run leaves out what would not be sent: what is broken, and signatures
// of other bytes than the target's.
func TestUploadDryRunIsExact(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	broken, same, other, resized := artefact("a", "package", 1), artefact("b", "package", 2), artefact("c", "package", 3), artefact("d", "package", 4)
	dir.put(broken, []byte("no archive"))
	dir.put(broken+".sig", []byte("of no archive"))
	for i, k := range []remote.Key{same, other, resized} {
		dir.put(k, tarball(t, 10+i))
		dir.put(k+".sig", []byte("signature"))
	}
	target.Set(same, tarball(t, 10))
	target.Set(other, make([]byte, len(tarball(t, 11))))
	target.Set(resized, []byte("x"))
	outcomes := func(o upkeep.UploadOptions) (upkeep.UploadResult, map[string]upkeep.UploadOutcome) {
		all := map[string]upkeep.UploadOutcome{}
		o.Jobs, o.Each = 4, func(u upkeep.UploadedObject) { all[u.Key] = u.Outcome }
		return upload(t, dir.open(), target, o), all
	}
	dry, would := outcomes(upkeep.UploadOptions{DryRun: true})
	real, did := outcomes(upkeep.UploadOptions{})
	for key, outcome := range did {
		if outcome == upkeep.UploadSent {
			outcome = upkeep.UploadLacks
		}
		if would[key] != outcome {
			t.Errorf("%s would be %q and is %q", key, would[key], did[key])
		}
	}
	if len(would) != len(did) || did[string(same)+".sig"] != upkeep.UploadSent || did[string(other)+".sig"] != upkeep.UploadWithheld {
		t.Errorf("it would be %v and is %v", would, did)
	}
	if dry.Lacks != real.Sent || dry.Broken != real.Broken || dry.Withheld != real.Withheld || dry.Exists != real.Exists || dry.Sent.Objects != 0 {
		t.Errorf("it would be %+v and is %+v", dry, real)
	}
}

// A target that is still to be made holds nothing.
func TestUploadDryRunOfNothing(t *testing.T) {
	dir := newSstateDir(t)
	dir.put(artefact("a", "package", 1), tarball(t, 10))
	r := upload(t, dir.open(), upkeep.Nothing{Name: "/new"}, upkeep.UploadOptions{DryRun: true})
	if r.Lacks.Objects != 1 || r.Target != "/new" || !r.Complete {
		t.Errorf("Upload() = %+v, want 1 object that is lacking", r)
	}
}
