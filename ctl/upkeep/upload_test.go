package upkeep_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/file"
	"sstatefs/remote/remotetest"
)

// artefact is the key of the archive number n of a recipe.
func artefact(pn, task string, n int) remote.Key {
	h := fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprint(pn, task, n))))
	return remote.Key(h[:2] + "/" + h[2:4] + "/sstate:" + pn + ":core2-64-poky-linux:1.3:r0:core2-64:14:" + h + "_" + task + ".tar.zst")
}

// packed is content in a frame of zstd.
func packed(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(content, nil)
}

// tarball is an archive with one file of random content, which does not
// shrink.
func tarball(t testing.TB, size int) []byte {
	t.Helper()
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	content := make([]byte, size)
	for i, x := 0, uint32(size)+1; i < size; i++ {
		x = x*1664525 + 1013904223
		content[i] = byte(x >> 24)
	}
	if err := w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(size)}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed(t, raw.Bytes())
}

// sstateDir is a local SSTATE_DIR.
type sstateDir struct {
	t    testing.TB
	root string
}

func newSstateDir(t testing.TB) sstateDir { return sstateDir{t, t.TempDir()} }

func (d sstateDir) path(key remote.Key) string { return filepath.Join(d.root, string(key)) }

func (d sstateDir) put(key remote.Key, content []byte) {
	d.t.Helper()
	if err := os.MkdirAll(filepath.Dir(d.path(key)), 0o755); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(d.path(key), content, 0o644); err != nil {
		d.t.Fatal(err)
	}
}

func (d sstateDir) open() *upkeep.Folder {
	d.t.Helper()
	f, err := upkeep.OpenFolder(d.root)
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// upload runs an Upload that must not fail.
func upload(t testing.TB, from upkeep.Origin, to remote.Remote, o upkeep.UploadOptions) upkeep.UploadResult {
	t.Helper()
	o.Jobs = max(o.Jobs, 4)
	r, err := upkeep.Upload(t.Context(), from, &upkeep.Target{Remote: to, Now: time.Now}, o, upkeep.Silent)
	if err != nil {
		t.Fatalf("Upload() = %+v, %v", r, err)
	}
	return r
}

// keysOf are the keys of a remote in memory, sorted.
func keysOf(m *remotetest.Memory) []remote.Key { return slices.Sorted(maps.Keys(m.Snapshot())) }

func wantKeys(t testing.TB, m *remotetest.Memory, want ...remote.Key) {
	t.Helper()
	slices.Sort(want)
	if got := keysOf(m); !slices.Equal(got, want) {
		t.Errorf("the target has\n%s\nwant\n%s", join(got), join(want))
	}
}

func join(keys []remote.Key) string {
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintln(&b, k)
	}
	return b.String()
}

// putOrder is a remote that notes the order of what is put.
type putOrder struct {
	*remotetest.Memory
	mu   sync.Mutex
	keys []remote.Key
}

func (p *putOrder) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	p.mu.Lock()
	p.keys = append(p.keys, key)
	p.mu.Unlock()
	return p.Memory.Put(ctx, key, src, opt)
}

func TestUploadSendsObjectsOnly(t *testing.T) {
	dir := newSstateDir(t)
	a, b := artefact("zlib", "package", 1), artefact("acl", "package", 2)
	native := "universal/" + artefact("m4-native", "populate_sysroot", 3)
	big := tarball(t, 600<<10)
	dir.put(a, tarball(t, 10))
	dir.put(a+".siginfo", packed(t, []byte("{}")))
	dir.put(a+".sig", []byte("signature"))
	dir.put(b+".siginfo", packed(t, []byte("{}")))
	dir.put(native, big)
	folder, _ := a.Split()
	for _, name := range []string{
		string(a) + "abcd1234", string(a) + ".Ab3dEf9h", string(a) + ".lock", string(a) + ".done", folder + "/sigtask.abcdefgh", folder + "/CuAb3dEf",
		folder + "/tmpabcd1234/" + "sstate:x:a:1:r0:a:14:" + strings.Repeat("0", 64) + "_package.tar.zst", folder + "/.sstatefs-0123456789abcdef",
		"hashserv.db", "hashserv.db-wal", "00/00/" + strings.TrimPrefix(string(a), folder+"/"),
	} {
		dir.put(remote.Key(name), []byte("x"))
	}
	target := &putOrder{Memory: remotetest.NewMemory()}
	r := upload(t, dir.open(), target, upkeep.UploadOptions{})
	wantKeys(t, target.Memory, a, a+".siginfo", a+".sig", b+".siginfo", native)
	if r.Sent.Objects != 5 || r.Found.Objects != 5 || r.Ignored != 11 || !r.Complete {
		t.Errorf("Upload() = %+v, want 5 sent and 11 left out", r)
	}
	if got := target.Snapshot()[native]; !bytes.Equal(got, big) {
		t.Errorf("%s has %d bytes, want %d", native, len(got), len(big))
	}
	at := func(key remote.Key) int { return slices.Index(target.keys, key) }
	if at(a+".siginfo") > at(a) || at(a) > at(a+".sig") {
		t.Errorf("order %v, want siginfo, archive, signature", target.keys)
	}
	again := upload(t, dir.open(), target, upkeep.UploadOptions{})
	if again.Sent.Objects != 0 || again.Exists.Objects != 5 || len(target.keys) != 5 {
		t.Errorf("Upload() again = %+v with %d puts, want nothing to do", again, len(target.keys))
	}
}

func TestUploadNeverSendsWhatIsBroken(t *testing.T) {
	whole := tarball(t, 300<<10)
	for _, test := range []struct {
		name    string
		side    string
		content []byte
		verify  bool
		sent    bool
	}{
		{name: "empty archive", content: nil},
		{name: "empty siginfo", side: ".siginfo", content: nil},
		{name: "empty signature", side: ".sig", content: nil},
		{name: "page of a proxy", content: []byte("<html>")},
		{name: "large page", content: bytes.Repeat([]byte("<html>"), 100_000)},
		{name: "siginfo that is cut", side: ".siginfo", content: packed(t, []byte(strings.Repeat("{}", 999)))[:20]},
		{name: "three bytes", content: []byte{0x28, 0xb5, 0x2f}},
		{name: "archive that is cut", content: whole[:len(whole)/2], sent: true},
		{name: "archive that is cut, verified", content: whole[:len(whole)/2], verify: true},
		{name: "small archive that is cut, verified", content: tarball(t, 900)[:500], verify: true},
		{name: "whole archive, verified", content: whole, verify: true, sent: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, target := newSstateDir(t), remotetest.NewMemory()
			dir.put(artefact("zlib", "package", 1)+remote.Key(test.side), test.content)
			r := upload(t, dir.open(), target, upkeep.UploadOptions{Verify: test.verify})
			sent, broken := int64(0), int64(1)
			if test.sent {
				sent, broken = 1, 0
			}
			if r.Sent.Objects != sent || r.Broken.Objects != broken || int64(len(target.Snapshot())) != sent {
				t.Errorf("Upload() = %+v, want %d sent and %d broken", r, sent, broken)
			}
		})
	}
}

func TestUploadReplacesEmptyFiles(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	a, content := artefact("zlib", "package", 1), tarball(t, 10)
	dir.put(a, content)
	target.Set(a, nil)
	if r := upload(t, dir.open(), target, upkeep.UploadOptions{}); r.Sent.Objects != 1 {
		t.Errorf("Upload() = %+v, want the empty archive replaced", r)
	}
	if got := target.Snapshot()[a]; !bytes.Equal(got, content) {
		t.Errorf("the target has %d bytes, want %d", len(got), len(content))
	}
}

// replacedMeanwhile is a target in which somebody publishes after it was listed.
type replacedMeanwhile struct {
	*remotetest.Memory
	publish func()
}

func (r replacedMeanwhile) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	err := r.Memory.Sweep(ctx, fn)
	r.publish()
	return err
}

// What was empty when it was listed, and is not any more, is somebody's.
func TestUploadLeavesWhatCameMeanwhile(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	a := artefact("zlib", "package", 1)
	dir.put(a, tarball(t, 10))
	target.Set(a, nil)
	theirs := tarball(t, 20)
	r := upload(t, dir.open(), replacedMeanwhile{target, func() { target.Set(a, theirs) }}, upkeep.UploadOptions{})
	if r.Sent.Objects != 0 || r.Exists.Objects != 1 {
		t.Errorf("Upload() = %+v, want one that exists", r)
	}
	if got := target.Snapshot()[a]; !bytes.Equal(got, theirs) {
		t.Errorf("the target has %d bytes, want theirs", len(got))
	}
}

// A signature belongs to bytes.
func TestUploadSignatures(t *testing.T) {
	a, ours, theirs := artefact("zlib", "package", 1), tarball(t, 10), tarball(t, 11)
	sig := a + ".sig"
	for _, test := range []struct {
		name    string
		here    map[remote.Key][]byte
		there   map[remote.Key][]byte
		raced   []byte // somebody makes the archive meanwhile
		want    string // signature of the target afterwards
		outcome upkeep.UploadOutcome
	}{
		{name: "archive is ours", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")}, want: "sig", outcome: upkeep.UploadSent},
		{name: "same bytes are there", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")},
			there: map[remote.Key][]byte{a: ours}, want: "sig", outcome: upkeep.UploadSent},
		{name: "others are there", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")},
			there: map[remote.Key][]byte{a: theirs}, outcome: upkeep.UploadWithheld},
		{name: "others with another signature", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")},
			there: map[remote.Key][]byte{a: theirs, sig: []byte("old")}, want: "old", outcome: upkeep.UploadExists},
		{name: "signature of what is gone", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")},
			there: map[remote.Key][]byte{sig: []byte("old")}, want: "sig", outcome: upkeep.UploadSent},
		{name: "no archive here", here: map[remote.Key][]byte{sig: []byte("sig")}, outcome: upkeep.UploadWithheld},
		{name: "no archive here, one there", here: map[remote.Key][]byte{sig: []byte("sig")},
			there: map[remote.Key][]byte{a: ours}, outcome: upkeep.UploadWithheld},
		{name: "broken archive", here: map[remote.Key][]byte{a: []byte("<html>"), sig: []byte("sig")}, outcome: upkeep.UploadWithheld},
		{name: "lost the race", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")}, raced: theirs, outcome: upkeep.UploadWithheld},
		{name: "lost the race to the same bytes", here: map[remote.Key][]byte{a: ours, sig: []byte("sig")}, raced: ours,
			want: "sig", outcome: upkeep.UploadSent},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, target := newSstateDir(t), &racing{Memory: remotetest.NewMemory(), content: test.raced}
			for key, content := range test.here {
				dir.put(key, content)
			}
			for key, content := range test.there {
				target.Set(key, content)
			}
			outcome := upkeep.UploadExists // is not told
			upload(t, dir.open(), target, upkeep.UploadOptions{Each: func(o upkeep.UploadedObject) {
				if o.Key == string(sig) {
					outcome = o.Outcome
				}
			}})
			if got := string(target.Snapshot()[sig]); got != test.want || outcome != test.outcome {
				t.Errorf("signature %q, %s, want %q, %s", got, outcome, test.want, test.outcome)
			}
		})
	}
}

// racing makes the archive just before it is put.
type racing struct {
	*remotetest.Memory
	content []byte
}

func (r *racing) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if r.content != nil && !strings.HasSuffix(string(key), ".sig") {
		r.Set(key, r.content)
	}
	return r.Memory.Put(ctx, key, src, opt)
}

// BitBake makes links into mirrors; some lead nowhere any more.
func TestUploadFollowsLinks(t *testing.T) {
	dir, mirror, target := newSstateDir(t), newSstateDir(t), remotetest.NewMemory()
	a, b, c := artefact("zlib", "package", 1), artefact("zlib", "package", 2), artefact("zlib", "package", 3)
	mirror.put(a, tarball(t, 10))
	for key, to := range map[remote.Key]string{a: mirror.path(a), b: mirror.path(b), c: mirror.root} {
		if err := os.MkdirAll(filepath.Dir(dir.path(key)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, dir.path(key)); err != nil {
			t.Fatal(err)
		}
	}
	r := upload(t, dir.open(), target, upkeep.UploadOptions{})
	wantKeys(t, target, a)
	if r.Sent.Objects != 1 || r.Found.Objects != 1 {
		t.Errorf("Upload() = %+v, want one", r)
	}
}

func TestUploadKeepsTimes(t *testing.T) {
	dir, root := newSstateDir(t), t.TempDir()
	old, future := artefact("zlib", "package", 1), artefact("zlib", "package", 2)
	then := time.Now().Add(-100 * time.Hour).Truncate(time.Microsecond)
	dir.put(old, tarball(t, 300<<10))
	dir.put(future, tarball(t, 10))
	for key, at := range map[remote.Key]time.Time{old: then, future: time.Now().Add(time.Hour)} {
		if err := os.Chtimes(dir.path(key), at, at); err != nil {
			t.Fatal(err)
		}
	}
	to, err := file.Open(t.Context(), root, remote.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	upload(t, dir.open(), to, upkeep.UploadOptions{})
	if info, err := to.Stat(t.Context(), old); err != nil || !info.ModTime.Equal(then) {
		t.Errorf("Stat() = %v, %v, want %v", info.ModTime, err, then)
	}
	if info, err := to.Stat(t.Context(), future); err != nil || info.ModTime.After(time.Now().Add(time.Minute)) {
		t.Errorf("Stat() = %v, %v, want now: a time to come would keep it for ever", info.ModTime, err)
	}
}

func TestUploadDryRun(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	a, b := artefact("zlib", "package", 1), artefact("zlib", "package", 2)
	dir.put(a, tarball(t, 10))
	dir.put(a+".siginfo", packed(t, []byte("{}")))
	dir.put(b, tarball(t, 10))
	target.Set(b, tarball(t, 10))
	var told []string
	r := upload(t, dir.open(), target, upkeep.UploadOptions{DryRun: true, Each: func(o upkeep.UploadedObject) {
		told = append(told, string(o.Outcome)+" "+o.Key)
	}})
	want := []string{"lacks " + string(a) + ".siginfo", "lacks " + string(a)}
	if r.Lacks.Objects != 2 || r.Sent.Objects != 0 || r.Exists.Objects != 1 || !slices.Equal(told, want) {
		t.Errorf("Upload() = %+v, told %q, want %q", r, told, want)
	}
	wantKeys(t, target, b)
}

func TestUploadFilters(t *testing.T) {
	dir, target := newSstateDir(t), remotetest.NewMemory()
	a, b := artefact("zlib", "package", 1), artefact("acl", "package", 2)
	dir.put(a, tarball(t, 10))
	dir.put(b, tarball(t, 10))
	r := upload(t, dir.open(), target, upkeep.UploadOptions{Filter: upkeep.Filter{PN: []string{"z*"}}})
	wantKeys(t, target, a)
	if r.Found.Objects != 1 {
		t.Errorf("Upload() = %+v, want one found", r)
	}
}

// From one remote to another: of what is there it reads nothing.
func TestUploadBetweenRemotes(t *testing.T) {
	from, target := remotetest.NewMemory(), remotetest.NewMemory()
	small, large := artefact("zlib", "package", 1), artefact("zlib", "package", 2)
	from.Set(small, tarball(t, 10))
	from.Set(large, tarball(t, 600<<10))
	there := artefact("acl", "package", 3)
	from.Set(there, tarball(t, 10))
	target.Set(there, tarball(t, 10))
	upload(t, from, target, upkeep.UploadOptions{})
	wantKeys(t, target, small, large, there)
	if !bytes.Equal(target.Snapshot()[large], from.Snapshot()[large]) {
		t.Error("the large one differs")
	}
	if n := from.Calls("get"); n != 2 {
		t.Errorf("%d objects read, want 2", n)
	}
}
