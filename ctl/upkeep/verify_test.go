package upkeep

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
)

// archive is a whole one.
func archive(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	e, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(e)
	content := []byte(strings.Repeat("content", 5000))
	for _, err := range []error{
		w.WriteHeader(&tar.Header{Name: "file", Mode: 0o644, Size: int64(len(content))}),
		func() error { _, err := w.Write(content); return err }(), w.Close(), e.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// addArchive puts an archive beside a signature that add made.
func (c cache) addArchive(sig remote.Key, content []byte) remote.Key {
	key := remote.Key(strings.TrimSuffix(string(sig), ".siginfo"))
	c.Set(key, content)
	return key
}

// broken is a cache with one of each fault; want says which keys have which.
func broken(t *testing.T) (c cache, want map[remote.Key]Fault) {
	c = newCache(t)
	whole := archive(t)
	s := signature{vars: map[string]string{"V": "1"}}
	add := func(n int, content []byte) remote.Key {
		return c.addArchive(c.add("zlib", "package", "x", hashNo(n), 0, s), content)
	}
	add(1, whole)
	c.add("zlib", "compile", "x", hashNo(2), 0, s) // no archive, as most
	empty, short, bad := add(3, nil), add(4, whole[:len(whole)/2]), add(5, []byte("(\xb5/\xfdgarbage that is no frame"))
	signed := add(6, whole)
	c.Set(signed+".sig", []byte("signature"))
	c.Set(short+".sig", []byte("signature")) // goes with its archive
	alone := c.addArchive(sigKey("alone", "package", "x", hashNo(7)), whole)
	orphan := sigKey("orphan", "package", "x", hashNo(8))
	orphan = remote.Key(strings.Replace(string(orphan), ".siginfo", ".sig", 1))
	c.Set(orphan, []byte("signature"))
	garbage := sigKey("zlib", "compile", "x", hashNo(9))
	c.Set(garbage, []byte("garbage"))
	changed := sigKey("zlib", "compile", "x", hashNo(10))
	c.Set(changed, bytes.ReplaceAll(unzstd(t, s.pack(t)), []byte(`"V":"1"`), []byte(`"V":"2"`)))
	c.SetClock(func() time.Time { return time.Now().Add(-48 * time.Hour) })
	c.Set("ab/cd/.sstatefs-0123456789abcdef", []byte("of a writer that was killed"))
	c.SetClock(time.Now)
	c.Set("ab/cd/.sstatefs-0123456789abcdee", []byte("under way"))
	return c, map[remote.Key]Fault{
		empty: FaultEmpty, short: FaultTruncated, bad: FaultCorrupt, alone: FaultNoSig, orphan: FaultNoArchive,
		garbage: FaultCorrupt, changed: FaultHash, "ab/cd/.sstatefs-0123456789abcdef": FaultLeftover,
	}
}

func unzstd(t testing.TB, packed []byte) []byte {
	t.Helper()
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	text, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// verifyAll gives the findings by key.
func verifyAll(t *testing.T, target *Target, o VerifyOptions) (map[remote.Key]Finding, VerifyResult) {
	t.Helper()
	found := map[remote.Key]Finding{}
	result, err := Verify(t.Context(), target, o, Silent, func(f Finding) error {
		if _, twice := found[f.Key]; twice {
			t.Errorf("%s is found twice", f.Key)
		}
		found[f.Key] = f
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found, result
}

func wantFaults(t *testing.T, found map[remote.Key]Finding, want map[remote.Key]Fault) {
	t.Helper()
	for key, fault := range want {
		if found[key].Fault != fault {
			t.Errorf("%s is %q (%s), want %q", key, found[key].Fault, found[key].Detail, fault)
		}
	}
	for key, f := range found {
		if want[key] == "" {
			t.Errorf("%s is %q (%s), want nothing", key, f.Fault, f.Detail)
		}
	}
}

func TestVerifyFinds(t *testing.T) {
	c, want := broken(t)
	before := c.Snapshot()
	found, result := verifyAll(t, c.target(), VerifyOptions{Jobs: 4})
	wantFaults(t, found, want)
	if result.Remaining != int64(len(want)) || result.Deleted != 0 || result.Unchecked != 0 {
		t.Errorf("result is %+v", result)
	}
	// Six archives with their signatures, three alone, one signature that
	// belongs to no archive any more.
	if result.Archives != 6 || result.Signatures != 8 || result.Lone != 3 || result.Young != 1 {
		t.Errorf("result is %+v", result)
	}
	if after := c.Snapshot(); !maps.EqualFunc(before, after, bytes.Equal) {
		t.Error("something was changed without --repair")
	}

	found, _ = verifyAll(t, c.target(), VerifyOptions{SignaturesOnly: true})
	for key, fault := range want {
		if fault == FaultEmpty || fault == FaultTruncated || fault == FaultCorrupt && strings.HasSuffix(string(key), ".zst") {
			delete(want, key)
		}
	}
	wantFaults(t, found, want)
}

func TestVerifyRepairs(t *testing.T) {
	c, want := broken(t)
	before := c.Snapshot()
	found, result := verifyAll(t, c.target(), VerifyOptions{Jobs: 4, Repair: true})
	wantFaults(t, found, want)
	gone := map[remote.Key]bool{}
	for key, fault := range want {
		if deleted := fault != FaultNoSig; found[key].Deleted != deleted {
			t.Errorf("%s (%s) deleted: %v (%s)", key, fault, found[key].Deleted, found[key].Kept)
		}
		if fault != FaultNoSig {
			gone[key] = true
		}
		if fault == FaultTruncated {
			gone[key+".sig"] = true
		}
	}
	after := c.Snapshot()
	for key := range before {
		if _, there := after[key]; there == gone[key] {
			t.Errorf("%s is there: %v, want %v", key, there, !gone[key])
		}
	}
	if result.Remaining != 1 || result.Deleted != int64(len(want)-1) {
		t.Errorf("result is %+v", result)
	}
	_, result = verifyAll(t, c.target(), VerifyOptions{Repair: true})
	if result.Remaining != 1 || result.Deleted != 0 { // the archive without siginfo
		t.Errorf("the second time: %+v", result)
	}
}

// spoiled gives wrong bytes at the first reading of each object.
type spoiled struct {
	cache
	mu   sync.Mutex
	seen map[remote.Key]bool
}

func (s *spoiled) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := s.cache.Get(ctx, key, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && !s.seen[key] {
		s.seen[key] = true
		body = io.NopCloser(io.LimitReader(body, info.Size/2))
	}
	return body, info, err
}

// What merely could not be read is never deleted.
func TestVerifyDoubts(t *testing.T) {
	good := func() cache {
		c := newCache(t)
		c.addArchive(c.add("zlib", "package", "x", hashNo(1), 0, signature{}), archive(t))
		return c
	}
	check := func(name string, target *Target, unchecked int64) {
		t.Helper()
		found, result := verifyAll(t, target, VerifyOptions{Repair: true})
		if len(found) != 0 || result.Deleted != 0 || result.Unchecked != unchecked || result.UncheckedWhy == "" {
			t.Errorf("%s: %v, %+v", name, found, result)
		}
	}
	c := good()
	check("whole at the second reading", &Target{Remote: &spoiled{cache: c, seen: map[remote.Key]bool{}}, Now: time.Now}, 2)
	for op, err := range map[string]error{"get": remote.ErrUnavailable, "read": errors.New("connection reset")} {
		c := good()
		c.Fail(op, err)
		check(op, c.target(), 2)
	}
	c = good()
	c.Short(30) // bodies end without an error: what a Guard is for
	guard := remote.NewGuard(c, remote.GuardOptions{Retries: -1})
	defer guard.Close(t.Context())
	check("short", &Target{Remote: guard, Now: time.Now}, 2)

	// An orphan whose companion cannot be asked for.
	c = newCache(t)
	key := remote.Key(strings.Replace(string(sigKey("orphan", "package", "x", hashNo(8))), ".siginfo", ".sig", 1))
	c.Set(key, []byte("signature"))
	c.Fail("stat", remote.ErrUnavailable)
	check("orphan", c.target(), 1)
	if len(c.Snapshot()) != 1 {
		t.Error("the orphan was deleted")
	}
}

// busy is used by a build between the second reading and the deletion.
type busy struct{ cache }

func (b busy) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	info, err := b.cache.Stat(ctx, key)
	info.ModTime = info.ModTime.Add(time.Duration(b.Calls("stat")) * time.Minute)
	return info, err
}

func TestVerifyKeepsWhatMoves(t *testing.T) {
	c := newCache(t)
	key := c.addArchive(c.add("zlib", "package", "x", hashNo(1), 0, signature{}), archive(t)[:100])
	found, result := verifyAll(t, &Target{Remote: busy{c}, Now: time.Now}, VerifyOptions{Repair: true})
	if f := found[key]; f.Deleted || f.Kept == "" || result.Remaining != 1 {
		t.Errorf("got %+v", f)
	}
	if len(c.Snapshot()) != 2 {
		t.Error("it was deleted")
	}
}

// Hashes that do not recompute in a tenth of all signatures are no accident.
func TestVerifyKeepsOtherRules(t *testing.T) {
	for _, test := range []struct {
		bad, good int
		deleted   int64
	}{{manyHashes, 20, 0}, {manyHashes - 1, 0, manyHashes - 1}, {manyHashes, 15 * manyHashes, manyHashes}} {
		c := newCache(t)
		s := signature{vars: map[string]string{"V": "1"}, task: "compile"}
		other := bytes.ReplaceAll(unzstd(t, s.pack(t)), []byte(`"V":"1"`), []byte(`"V":"2"`))
		for n := range test.bad {
			c.Set(sigKey("zlib", "compile", "x", hashNo(n)), other)
		}
		text := s.pack(t)
		for n := range test.good {
			c.Set(sigKey("zlib", "compile", "x", hashNo(1000+n)), text)
		}
		_, result := verifyAll(t, c.target(), VerifyOptions{Repair: true, Jobs: 4})
		if result.Deleted != test.deleted || result.Faults[FaultHash] != int64(test.bad) {
			t.Errorf("%d of %d: %+v", test.bad, test.bad+test.good, result)
		}
	}
}

// The signatures of real builds recompute, those of Isar's hello-a left out:
// their paths were changed afterwards.
func TestVerifyRealSignatures(t *testing.T) {
	found, result := verifyAll(t, isarTarget(t, "remote"), VerifyOptions{})
	var pns []string
	for key, f := range found {
		pns = append(pns, fmt.Sprintf("%v %s", strings.Contains(string(key), ":hello-a:"), f.Fault))
	}
	if !slices.Equal(pns, []string{"true hash"}) || result.Signatures != 2 {
		t.Errorf("found %v, %+v", found, result)
	}
}

func TestVerifyEnds(t *testing.T) {
	c, _ := broken(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Verify(ctx, c.target(), VerifyOptions{Jobs: 2, Repair: true}, Silent, func(Finding) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Verify() = %v", err)
	}
}

// summed is a remote that keeps checksums: what no longer fits its own is
// ErrCorrupt at the end of its body.
type summed struct {
	cache
	wrong map[remote.Key]bool
}

func (s *summed) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := s.cache.Get(ctx, key, offset)
	if err == nil && s.wrong[key] {
		body = io.NopCloser(io.MultiReader(body, unfit{key}))
	}
	return body, info, err
}

type unfit struct{ key remote.Key }

func (u unfit) Read([]byte) (int, error) {
	return 0, &remote.Error{Op: "get", Key: u.key, Kind: remote.ErrCorrupt, Err: errors.New("the content does not fit its checksum")}
}

// What does not fit the remote's checksum is broken as its bytes say, and
// corrupt if these would do.
func TestVerifyChecksums(t *testing.T) {
	c := newCache(t)
	whole := archive(t)
	short := c.addArchive(c.add("zlib", "package", "x", hashNo(1), 0, signature{}), whole[:len(whole)/2])
	other := c.addArchive(c.add("zlib", "package", "x", hashNo(2), 0, signature{}), whole)
	sig := c.add("zlib", "compile", "x", hashNo(3), 0, signature{})
	s := &summed{c, map[remote.Key]bool{short: true, other: true, sig: true}}
	found, result := verifyAll(t, &Target{Remote: s, Now: time.Now}, VerifyOptions{Repair: true})
	wantFaults(t, found, map[remote.Key]Fault{short: FaultTruncated, other: FaultCorrupt, sig: FaultCorrupt})
	if result.Unchecked != 0 || result.Deleted != 3 || result.Archives != 2 {
		t.Errorf("result is %+v, want 3 deleted", result)
	}
}

// What could not be checked is named, a few of it.
func TestVerifyNamesWhatItCouldNotRead(t *testing.T) {
	c := newCache(t)
	for n := range shownErrors + 2 {
		c.add("zlib", "compile", "x", hashNo(n), 0, signature{})
	}
	c.Fail("get", remote.ErrPermission)
	_, result := verifyAll(t, c.target(), VerifyOptions{})
	if result.Unchecked != shownErrors+2 || len(result.UncheckedObjects) != shownErrors || result.UncheckedObjects[0].Error == "" {
		t.Errorf("result is %+v", result)
	}
}

// listings counts how a target is listed.
type listings struct {
	cache
	lists, sweeps int
}

func (l *listings) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	l.lists++
	return l.cache.List(ctx, prefix, fn)
}

func (l *listings) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	l.sweeps++
	return l.cache.Sweep(ctx, fn)
}

// A cache of moderate size is listed once, whatever its folders, and all kinds
// of temporaries are found on the way.
func TestVerifyListsOnce(t *testing.T) {
	c, want := broken(t)
	c.SetClock(func() time.Time { return time.Now().Add(-48 * time.Hour) })
	c.Set("ab/cd/sigtask.abcdefgh", []byte("x"))
	c.SetClock(time.Now)
	want["ab/cd/sigtask.abcdefgh"] = FaultLeftover
	l := &listings{cache: c}
	found, _ := verifyAll(t, &Target{Remote: l, Now: time.Now}, VerifyOptions{})
	wantFaults(t, found, want)
	if l.sweeps != 1 || l.lists != 0 {
		t.Errorf("%d sweeps and %d listings, want one sweep", l.sweeps, l.lists)
	}
}
