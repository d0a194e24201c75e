package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

const day = 24 * time.Hour

// hashA and hashB are in the same folder, hashC in another.
var (
	hashA = "abcd" + strings.Repeat("a", 60)
	hashB = "abcd" + strings.Repeat("b", 60)
	hashC = "00ff" + strings.Repeat("c", 60)
)

// key is the key of a recipe's object; what is TASK.EXT.
func key(pn, hash, what string) remote.Key {
	return remote.Key(hash[:2] + "/" + hash[2:4] + "/sstate:" + pn + ":core2-64-oe-linux:1.0:r0:core2-64:14:" + hash + "_" + what)
}

const (
	pkg    = "package.tar.zst"
	pkgInf = pkg + ".siginfo"
	pkgSig = pkg + ".sig"
)

// A bucket is a remote in memory whose objects have ages.
type bucket struct {
	*testing.T
	*remotetest.Memory
	target *upkeep.Target
}

func newBucket(t *testing.T) *bucket {
	m := remotetest.NewMemory()
	return &bucket{t, m, &upkeep.Target{Remote: m, Now: time.Now}}
}

// age puts an object that was used so long ago.
func (b *bucket) age(k remote.Key, age time.Duration, size int) {
	b.Helper()
	if k.IsTemporary() {
		b.SetClock(func() time.Time { return time.Now().Add(-age) })
		defer b.SetClock(time.Now)
	}
	b.Set(k, make([]byte, size))
	if k.IsTemporary() {
		return
	}
	if err := b.Touch(b.Context(), k, time.Now().Add(-age)); err != nil {
		b.Fatal(err)
	}
}

func (b *bucket) clean(o upkeep.CleanOptions) upkeep.CleanResult {
	b.Helper()
	r, err := upkeep.Clean(b.Context(), b.target, o, upkeep.Silent)
	if err != nil || !r.Complete {
		b.Fatalf("Clean = %+v, %v", r, err)
	}
	return r
}

// wantKeys compares what is there.
func (b *bucket) wantKeys(want ...remote.Key) {
	b.Helper()
	got := slices.Sorted(maps.Keys(b.Snapshot()))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.Errorf("there is\n%q\nwant\n%q", got, want)
	}
}

// an object and its age in days, as tables have it.
type aged struct {
	key  remote.Key
	days float64
}

// TestCleanRules is one table of all rules of age. Objects have 10 bytes.
func TestCleanRules(t *testing.T) {
	invalid := remote.Key("IN/VA/sstate:a:core2-64-oe-linux:1.0:r0:core2-64:14:INVALID_package.tar.zst")
	colon := remote.Key(strings.Replace(string(key("a", hashA, pkg)), ":1.0:", ":1:2.0:", 1))
	native := remote.Key("universal/") + key("a", hashA, pkg)
	tests := []struct {
		name string
		o    upkeep.CleanOptions
		has  []aged
		want []remote.Key // that stay
	}{
		{"archive and companions age together", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{
				{key("old", hashA, pkg), 40}, {key("old", hashA, pkgInf), 41}, {key("old", hashA, pkgSig), 42},
				{key("siginfo", hashA, pkg), 40}, {key("siginfo", hashA, pkgInf), 1},
				{key("archive", hashA, pkg), 1}, {key("archive", hashA, pkgInf), 400}, {key("archive", hashA, pkgSig), 400},
			},
			[]remote.Key{
				key("siginfo", hashA, pkg), key("siginfo", hashA, pkgInf),
				key("archive", hashA, pkg), key("archive", hashA, pkgInf), key("archive", hashA, pkgSig),
			}},
		{"siginfo stay longer", upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 90 * day},
			[]aged{
				{key("a", hashA, pkg), 40}, {key("a", hashA, pkgInf), 40}, {key("a", hashA, pkgSig), 40},
				{key("b", hashB, pkg), 100}, {key("b", hashB, pkgInf), 100},
			},
			[]remote.Key{key("a", hashA, pkgInf)}},
		{"siginfo without archive", upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 90 * day},
			[]aged{{key("a", hashA, "compile.tar.zst.siginfo"), 89}, {key("b", hashB, "compile.tar.zst.siginfo"), 91}},
			[]remote.Key{key("a", hashA, "compile.tar.zst.siginfo")}},
		{"sig without archive", upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 90 * day},
			[]aged{{key("a", hashA, pkgSig), 40}, {key("b", hashB, pkgSig), 20}},
			[]remote.Key{key("b", hashB, pkgSig)}},
		{"recipes of one hash", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{{key("a", hashA, pkg), 40}, {key("a", hashA, pkgInf), 40}, {key("b", hashA, pkg), 1}, {key("b", hashA, pkgInf), 1}},
			[]remote.Key{key("b", hashA, pkg), key("b", hashA, pkgInf)}},
		{"tasks and extra paths of one hash", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{{key("a", hashA, pkg), 40}, {native, 1}, {key("a", hashA, "deploy.tar.zst"), 1}},
			[]remote.Key{native, key("a", hashA, "deploy.tar.zst")}},
		{"no hash, a colon, gzip", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{{invalid, 40}, {colon, 40}, {key("a", hashA, "package.tgz"), 40}, {key("a", hashB, "package.tgz.siginfo"), 40}},
			nil},
		{"siginfo alone, no rule for archives", upkeep.CleanOptions{MaxSigAge: 90 * day},
			[]aged{{key("a", hashA, pkg), 100}, {key("a", hashA, pkgInf), 100}, {key("b", hashB, pkgInf), 100}},
			[]remote.Key{key("a", hashA, pkg), key("a", hashA, pkgInf)}},
		{"the future", upkeep.CleanOptions{MaxAge: 30 * day}, []aged{{key("a", hashA, pkg), -400}}, []remote.Key{key("a", hashA, pkg)}},
		{"foreign names", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{
				{"hashserv.db", 400}, {"ab/cd/notes", 400}, {"ab/cd/sstate:nonsense", 400}, {"sstate:a", 400},
				{remote.Key("00/00/" + strings.TrimPrefix(string(key("a", hashA, pkg)), "ab/cd/")), 400},
				{key("a", hashA, pkg+".lock"), 400}, {key("a", hashA, pkg+".done"), 400},
			},
			[]remote.Key{
				"hashserv.db", "ab/cd/notes", "ab/cd/sstate:nonsense", "sstate:a",
				remote.Key("00/00/" + strings.TrimPrefix(string(key("a", hashA, pkg)), "ab/cd/")),
				key("a", hashA, pkg+".lock"), key("a", hashA, pkg+".done"),
			}},
		{"leftovers", upkeep.CleanOptions{MaxAge: 30 * day},
			[]aged{
				{"ab/cd/.sstatefs-0123456789abcdef", 1.1}, {"ab/cd/.sstatefs-0123456789abcdee", 0.9},
				{key("a", hashA, pkg+"abcd0123"), 1.1}, {key("b", hashA, pkg+"abcd0123"), 0.9},
				{"ab/cd/sigtask.0123456789ab", 1.1}, {"ab/cd/tmpabcdefgh/x", 1.1}, {"sigtask.0123456789ab", 10},
			},
			[]remote.Key{"ab/cd/.sstatefs-0123456789abcdee", key("b", hashA, pkg+"abcd0123"), "sigtask.0123456789ab"}},
		{"filters", upkeep.CleanOptions{MaxAge: 30 * day, Filter: upkeep.Filter{PN: []string{"b*"}, Task: []string{"package"}}},
			[]aged{{key("a", hashA, pkg), 40}, {key("bash", hashA, pkg), 40}, {key("bash", hashA, "deploy.tar.zst"), 40}, {"ab/cd/.sstatefs-0123456789abcdef", 2}},
			[]remote.Key{key("a", hashA, pkg), key("bash", hashA, "deploy.tar.zst"), "ab/cd/.sstatefs-0123456789abcdef"}},
		{"size takes the least recently used archives", upkeep.CleanOptions{MaxSize: 40},
			[]aged{
				{key("a", hashA, pkg), 5}, {key("a", hashA, pkgInf), 400}, {key("b", hashB, pkg), 6}, {key("b", hashB, pkgSig), 6},
				{key("c", hashC, pkg), 7}, {key("c", hashC, pkgInf), 7},
			},
			[]remote.Key{key("a", hashA, pkg), key("a", hashA, pkgInf), key("c", hashC, pkgInf)}},
		{"size takes siginfo last", upkeep.CleanOptions{MaxSize: 10},
			[]aged{{key("a", hashA, pkg), 5}, {key("a", hashA, pkgInf), 5}, {key("b", hashB, pkgInf), 400}},
			[]remote.Key{key("a", hashA, pkgInf)}},
		{"size that fits", upkeep.CleanOptions{MaxSize: 20}, []aged{{key("a", hashA, pkg), 500}, {key("b", hashB, pkg), 500}},
			[]remote.Key{key("a", hashA, pkg), key("b", hashB, pkg)}},
		{"size after age", upkeep.CleanOptions{MaxAge: 30 * day, MaxSize: 10},
			[]aged{{key("a", hashA, pkg), 40}, {key("b", hashB, pkg), 3}, {key("c", hashC, pkg), 2}},
			[]remote.Key{key("c", hashC, pkg)}},
		{"size with a filter", upkeep.CleanOptions{MaxSize: 10, Filter: upkeep.Filter{PN: []string{"b"}}},
			[]aged{{key("a", hashA, pkg), 40}, {key("b", hashB, pkg), 3}, {key("b", hashC, pkg), 2}},
			[]remote.Key{key("a", hashA, pkg)}},
		{"duplicates", upkeep.CleanOptions{RemoveDuplicated: true},
			[]aged{
				{key("a", hashA, pkg), 1}, {key("a", hashA, pkgInf), 1}, {key("a", hashB, pkg), 2}, {key("a", hashB, pkgInf), 2},
				{key("b", hashC, pkg), 9}, {key("a", hashC, "deploy.tar.zst"), 9}, {"universal/" + key("a", hashC, pkg), 9},
			},
			[]remote.Key{key("a", hashA, pkg), key("a", hashA, pkgInf), key("b", hashC, pkg), key("a", hashC, "deploy.tar.zst"), "universal/" + key("a", hashC, pkg)}},
		{"duplicates: the last archive stays", upkeep.CleanOptions{RemoveDuplicated: true},
			[]aged{{key("a", hashA, pkgInf), 1}, {key("a", hashB, pkg), 5}, {key("a", hashB, pkgInf), 5}, {key("a", hashC, pkgSig), 0}},
			[]remote.Key{key("a", hashA, pkgInf), key("a", hashB, pkg), key("a", hashB, pkgInf), key("a", hashC, pkgSig)}},
		{"duplicates: siginfo by their own age", upkeep.CleanOptions{RemoveDuplicated: true, MaxSigAge: 90 * day},
			[]aged{{key("a", hashA, pkg), 1}, {key("a", hashB, pkg), 5}, {key("a", hashB, pkgInf), 5}},
			[]remote.Key{key("a", hashA, pkg), key("a", hashB, pkgInf)}},
		{"duplicates: names that do not tell the arch", upkeep.CleanOptions{RemoveDuplicated: true},
			[]aged{
				{remote.Key("ab/cd/sstate:a::1.0:r0::14:" + hashA + "_populate_lic.tar.zst"), 1},
				{remote.Key("ab/cd/sstate:a::1.0:r0::14:" + hashB + "_populate_lic.tar.zst"), 2},
			},
			[]remote.Key{
				remote.Key("ab/cd/sstate:a::1.0:r0::14:" + hashA + "_populate_lic.tar.zst"),
				remote.Key("ab/cd/sstate:a::1.0:r0::14:" + hashB + "_populate_lic.tar.zst"),
			}},
	}
	for _, test := range tests {
		for _, way := range []string{"sweep", "shards"} {
			t.Run(test.name+"/"+way, func(t *testing.T) {
				b := newBucket(t)
				if way == "shards" {
					b.target.Remote = onlyLists{b.Memory}
				}
				for _, o := range test.has {
					b.age(o.key, time.Duration(o.days*float64(day)), 10)
				}
				before := b.Snapshot()
				dry := test.o
				dry.DryRun = true
				planned := b.clean(dry)
				if b.Calls("delete") != 0 || len(b.Snapshot()) != len(before) {
					t.Errorf("a dry run deletes")
				}
				done := b.clean(test.o)
				want := test.want
				if way == "shards" {
					want = unseen(want, before)
				}
				b.wantKeys(want...)
				if planned.Removed != done.Removed || planned.Kept != done.Kept {
					t.Errorf("a dry run promises %+v, %+v is done", planned.Removed, done.Removed)
				}
				if n := int64(len(before) - len(b.Snapshot())); done.Removed.Total.Objects != n {
					t.Errorf("Removed = %+v, want %d", done.Removed, n)
				}
				if again := b.clean(test.o); again.Removed.Total.Objects != 0 {
					t.Errorf("a second time %+v is removed", again.Removed)
				}
			})
		}
	}
}

// unseen adds what only a sweep sees: BitBake's own temporaries whose names are
// not like an object's.
func unseen(want []remote.Key, before map[remote.Key][]byte) []remote.Key {
	want = slices.Clone(want)
	for _, k := range []remote.Key{"ab/cd/sigtask.0123456789ab", "ab/cd/tmpabcdefgh/x"} {
		if _, was := before[k]; was {
			want = append(want, k)
		}
	}
	return want
}

// onlyLists hides all abilities of a remote but to list.
type onlyLists struct{ m *remotetest.Memory }

func (o onlyLists) Stat(ctx context.Context, k remote.Key) (remote.Info, error) {
	return o.m.Stat(ctx, k)
}
func (o onlyLists) Get(ctx context.Context, k remote.Key, at int64) (io.ReadCloser, remote.Info, error) {
	return o.m.Get(ctx, k, at)
}
func (o onlyLists) Put(ctx context.Context, k remote.Key, s remote.Source, p remote.PutOptions) error {
	return o.m.Put(ctx, k, s, p)
}
func (o onlyLists) Touch(ctx context.Context, k remote.Key, t time.Time) error {
	return o.m.Touch(ctx, k, t)
}
func (o onlyLists) Delete(ctx context.Context, ks ...remote.Key) error { return o.m.Delete(ctx, ks...) }
func (o onlyLists) List(ctx context.Context, p string, fn func(remote.Info) error) error {
	return o.m.List(ctx, p, fn)
}
func (o onlyLists) Folders(ctx context.Context, p string, fn func(remote.Folder) error) error {
	return o.m.Folders(ctx, p, fn)
}
func (o onlyLists) Leftovers(ctx context.Context, fn func(remote.Info) error) error {
	return o.m.Leftovers(ctx, fn)
}
func (o onlyLists) Offset() (time.Duration, bool) { return o.m.Offset() }
func (o onlyLists) Traits() remote.Traits         { return o.m.Traits() }
func (o onlyLists) String() string                { return "lists" }

// noClock tells no time.
type noClock struct{ remote.Remote }

// TestCleanRefuses is what removes nothing at all.
func TestCleanRefuses(t *testing.T) {
	young := upkeep.TooYoung{}
	bad := upkeep.BadOptions("")
	tests := []struct {
		name  string
		o     upkeep.CleanOptions
		setup func(*bucket)
		want  func(error) bool
	}{
		{"no rule", upkeep.CleanOptions{Filter: upkeep.Filter{PN: []string{"a"}}}, nil, func(err error) bool { return errors.As(err, &bad) }},
		{"a pattern", upkeep.CleanOptions{MaxAge: 30 * day, Filter: upkeep.Filter{PN: []string{"["}}}, nil, func(err error) bool { return errors.As(err, &bad) }},
		{"siginfo before archives", upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 20 * day}, nil, func(err error) bool { return errors.As(err, &bad) }},
		{"young", upkeep.CleanOptions{MaxAge: 47 * time.Hour}, nil, func(err error) bool { return errors.As(err, &young) && young.Least == 48*time.Hour }},
		{"young siginfo", upkeep.CleanOptions{MaxSigAge: 47 * time.Hour}, nil, func(err error) bool { return errors.As(err, &young) }},
		{"young for the mount", upkeep.CleanOptions{MaxAge: 5 * day},
			func(b *bucket) { b.target.TouchInterval = 3 * day }, func(err error) bool { return errors.As(err, &young) && young.Least == 6*day }},
		{"no clock", upkeep.CleanOptions{MaxAge: 30 * day},
			func(b *bucket) { b.target.Remote = noClock{b.Memory} }, func(err error) bool { return errors.Is(err, upkeep.ErrNoClock) }},
		{"no listing", upkeep.CleanOptions{MaxAge: 30 * day},
			func(b *bucket) { b.SetTraits(remote.Traits{NoList: true}) }, func(err error) bool { return errors.Is(err, remote.ErrUnsupported) }},
		{"read only", upkeep.CleanOptions{MaxAge: 30 * day},
			func(b *bucket) { b.SetTraits(remote.Traits{ReadOnly: true}) }, func(err error) bool { return errors.Is(err, remote.ErrUnsupported) }},
		{"away", upkeep.CleanOptions{MaxAge: 30 * day},
			func(b *bucket) { b.Memory.Fail("sweep", remote.ErrUnavailable) }, func(err error) bool { return errors.Is(err, remote.ErrUnavailable) }},
		{"away in the second listing", upkeep.CleanOptions{MaxSize: 1},
			func(b *bucket) {
				n := 0
				b.target.Remote = sweepHook{b.Memory, func() {
					if n++; n == 2 {
						b.Memory.Fail("sweep", remote.ErrUnavailable)
					}
				}}
			}, func(err error) bool { return errors.Is(err, remote.ErrUnavailable) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBucket(t)
			b.age(key("a", hashA, pkg), 40*day, 10)
			if test.setup != nil {
				test.setup(b)
			}
			r, err := upkeep.Clean(t.Context(), b.target, test.o, upkeep.Silent)
			if !test.want(err) || r.Complete {
				t.Errorf("Clean = %+v, %v", r, err)
			}
			b.wantKeys(key("a", hashA, pkg))
		})
	}
}

// sweepHook calls a function before each sweep.
type sweepHook struct {
	*remotetest.Memory
	before func()
}

func (h sweepHook) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	h.before()
	return h.Memory.Sweep(ctx, fn)
}

// With --force a young age is taken.
func TestCleanForced(t *testing.T) {
	b := newBucket(t)
	b.age(key("a", hashA, pkg), 2*time.Hour, 10)
	b.age(key("b", hashB, pkg), 0, 10)
	b.clean(upkeep.CleanOptions{MaxAge: time.Hour, Force: true})
	b.wantKeys(key("b", hashB, pkg))
}

// Through a mount twice its touch interval is enough.
func TestCleanThroughAPunctualMount(t *testing.T) {
	b := newBucket(t)
	b.target.TouchInterval = time.Hour
	b.age(key("a", hashA, pkg), 4*time.Hour, 10)
	b.age(key("b", hashB, pkg), time.Hour, 10)
	b.clean(upkeep.CleanOptions{MaxAge: 2 * time.Hour})
	b.wantKeys(key("b", hashB, pkg))
}

// TestCleanRemoteClock counts ages by the clock of the remote, hours off.
func TestCleanRemoteClock(t *testing.T) {
	for _, off := range []time.Duration{-100 * time.Hour, 100 * time.Hour} {
		b := newBucket(t)
		b.SetClock(func() time.Time { return time.Now().Add(off) })
		b.age(key("old", hashA, pkg), 30*day+time.Hour-off, 10)
		b.age(key("new", hashA, pkg), 30*day-time.Hour-off, 10)
		b.clean(upkeep.CleanOptions{MaxAge: 30 * day})
		b.wantKeys(key("new", hashA, pkg))
	}
}

// TestCleanOrder deletes an archive before its signature, and leaves what
// belongs to an archive that could not be deleted.
func TestCleanOrder(t *testing.T) {
	b := newBucket(t)
	for _, k := range []remote.Key{key("a", hashA, pkg), key("a", hashA, pkgInf), key("a", hashA, pkgSig)} {
		b.age(k, 40*day, 10)
	}
	d := &deletes{Memory: b.Memory}
	b.target.Remote = d
	d.fail = func(k remote.Key) bool { return k == key("a", hashA, pkg) }
	b.age(key("b", hashB, pkg), 40*day, 10)
	r := b.clean(upkeep.CleanOptions{MaxAge: 30 * day, WantHashes: true})
	b.wantKeys(key("a", hashA, pkg), key("a", hashA, pkgInf), key("a", hashA, pkgSig))
	if r.Failed.Objects != 3 || r.FailedReason == "" || r.Kept.Objects != 3 {
		t.Errorf("Clean = %+v, want 3 failures", r)
	}
	wantHashes(t, r, hashA)

	d.fail, d.calls = func(remote.Key) bool { return false }, nil
	b.clean(upkeep.CleanOptions{MaxAge: 30 * day})
	if len(d.calls) != 2 || !slices.Equal(d.calls[0], []remote.Key{key("a", hashA, pkg)}) || len(d.calls[1]) != 2 {
		t.Errorf("deleted %q, want the archive alone first", d.calls)
	}
	b.wantKeys()
}

// deletes notes what is deleted and fails for some.
type deletes struct {
	*remotetest.Memory
	fail  func(remote.Key) bool
	calls [][]remote.Key
}

func (d *deletes) Delete(ctx context.Context, keys ...remote.Key) error {
	d.calls = append(d.calls, keys)
	var errs []error
	for _, k := range keys {
		if d.fail(k) {
			errs = append(errs, &remote.Error{Op: "delete", Key: k, Kind: remote.ErrPermission})
			continue
		}
		errs = append(errs, d.Memory.Delete(ctx, k))
	}
	return errors.Join(errs...)
}

// TestCleanHopeless ends at once when the remote takes no removals.
func TestCleanHopeless(t *testing.T) {
	b := newBucket(t)
	for i := range 5000 {
		b.age(key(fmt.Sprint("r", i), hashA, pkg), 40*day, 1)
	}
	b.Memory.Fail("delete", remote.ErrPermission)
	r, err := upkeep.Clean(t.Context(), b.target, upkeep.CleanOptions{MaxAge: 30 * day}, upkeep.Silent)
	if !errors.Is(err, remote.ErrPermission) || b.Calls("delete") != 1 || r.Removed.Total.Objects != 0 {
		t.Errorf("Clean = %+v, %v after %d calls, want one call", r, err, b.Calls("delete"))
	}
}

// TestCleanUsedMeanwhile keeps what was used, replaced or completed between
// the two listings, and takes what another one has removed for gone.
func TestCleanUsedMeanwhile(t *testing.T) {
	b := newBucket(t)
	names := []string{"touched", "resized", "completed", "companion", "gone", "same"}
	for _, pn := range names {
		b.age(key(pn, hashA, pkg), 40*day, 10)
		b.age(key(pn, hashA, pkgInf), 40*day, 0)
	}
	sweeps := 0
	b.target.Remote = sweepHook{b.Memory, func() {
		if sweeps++; sweeps != 2 {
			return
		}
		b.age(key("touched", hashA, pkg), 0, 10)
		b.age(key("resized", hashA, pkg), 40*day, 20)
		b.age(key("completed", hashA, pkgSig), 40*day, 1)
		b.age(key("companion", hashA, pkgInf), 1*day, 0)
		b.Remove(key("gone", hashA, pkg))
		b.Remove(key("gone", hashA, pkgInf))
	}}
	r := b.clean(upkeep.CleanOptions{MaxSize: 1})
	b.wantKeys(
		key("touched", hashA, pkg), key("touched", hashA, pkgInf), key("resized", hashA, pkg), key("resized", hashA, pkgInf),
		key("completed", hashA, pkg), key("completed", hashA, pkgInf), key("completed", hashA, pkgSig),
		key("companion", hashA, pkg), key("companion", hashA, pkgInf), key("same", hashA, pkgInf))
	if sweeps != 2 || r.Removed.Total.Objects != 1 {
		t.Errorf("Clean = %+v after %d listings", r, sweeps)
	}
}

// TestCleanStreams deletes long before the listing has ended, so that what is
// used after it was judged late is judged young.
func TestCleanStreams(t *testing.T) {
	b := newBucket(t)
	for i := range 3000 {
		b.age(key(fmt.Sprint("r", i), fmt.Sprintf("%04x%s", i, hashA[4:]), pkg), 40*day, 1)
	}
	last := key("r2999", fmt.Sprintf("%04x%s", 2999, hashA[4:]), pkg)
	var once sync.Once
	o := upkeep.CleanOptions{MaxAge: 30 * day, OnRemoved: func(remote.Info) { once.Do(func() { b.age(last, 0, 1) }) }}
	b.clean(o)
	b.wantKeys(last)
}

// TestTwoCleaners do each other no harm.
func TestTwoCleaners(t *testing.T) {
	b := newBucket(t)
	for i := range 2500 {
		pn := fmt.Sprint("r", i)
		b.age(key(pn, hashA, pkg), 40*day, 1)
		b.age(key(pn, hashA, pkgInf), time.Duration(40-i%20)*day, 1)
	}
	b.age(key("new", hashA, pkg), day, 1)
	b.age(key("new", hashA, pkgInf), 400*day, 1)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			r, err := upkeep.Clean(t.Context(), b.target, upkeep.CleanOptions{MaxAge: 20 * day}, upkeep.Silent)
			if err != nil || r.Failed.Objects != 0 {
				t.Errorf("Clean = %+v, %v", r, err)
			}
		})
	}
	both.Wait()
	b.wantKeys(key("new", hashA, pkg), key("new", hashA, pkgInf))
}

// TestCleanInterrupted says what it did.
func TestCleanInterrupted(t *testing.T) {
	b := newBucket(t)
	for i := range 5000 {
		b.age(key(fmt.Sprint("r", i), fmt.Sprintf("%04x%s", i, hashA[4:]), pkg), 40*day, 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := upkeep.CleanOptions{MaxAge: 30 * day, WantHashes: true, OnRemoved: func(remote.Info) { cancel() }}
	r, err := upkeep.Clean(ctx, b.target, o, upkeep.Silent)
	left := int64(len(b.Snapshot()))
	if !errors.Is(err, context.Canceled) || r.Complete || r.Hashes != nil {
		t.Errorf("Clean = %+v, %v, want it interrupted", r, err)
	}
	if n := r.Removed.Total.Objects; n == 0 || n == 5000 || n != 5000-left {
		t.Errorf("Removed = %d with %d left, want a part", n, left)
	}
}

// TestCleanInterruptedBatch counts a batch that is under way, and does not wait
// for one that hangs.
func TestCleanInterruptedBatch(t *testing.T) {
	for hangs, want := range map[bool]int64{false: 1000, true: 0} {
		synctest.Test(t, func(t *testing.T) { testInterruptedBatch(t, hangs, want) })
	}
}

func testInterruptedBatch(t *testing.T, hangs bool, want int64) {
	b := newBucket(t)
	for i := range 2500 {
		b.age(key(fmt.Sprint("r", i), fmt.Sprintf("%04x%s", i, hashA[4:]), pkg), 40*day, 1)
	}
	ctx, cancel := context.WithCancel(t.Context())
	guard := remote.NewGuard(b.Memory, remote.GuardOptions{})
	b.target.Remote = cancelOnDelete{guard, func() {
		cancel()
		if hangs {
			b.Hang("delete")
		}
	}}
	begun := time.Now()
	r, err := upkeep.Clean(ctx, b.target, upkeep.CleanOptions{MaxAge: 30 * day}, upkeep.Silent)
	if !errors.Is(err, context.Canceled) || time.Since(begun) > time.Second {
		t.Errorf("Clean = %v after %v", err, time.Since(begun))
	}
	if r.Removed.Total.Objects != want {
		t.Errorf("Removed = %+v, want %d", r.Removed, want)
	}
	b.Release()
	if err := guard.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// cancelOnDelete is interrupted when the first batch goes.
type cancelOnDelete struct {
	*remote.Guard
	interrupt func()
}

func (c cancelOnDelete) Delete(ctx context.Context, keys ...remote.Key) error {
	c.interrupt()
	return c.Guard.Delete(ctx, keys...)
}

// TestCleanKeepsAge: a siginfo that outlives its archive was used with it.
func TestCleanKeepsAge(t *testing.T) {
	b := newBucket(t)
	b.age(key("a", hashA, pkg), 40*day, 10)
	b.age(key("a", hashA, pkgInf), 200*day, 10)
	o := upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 90 * day}
	b.clean(o)
	b.clean(o)
	b.wantKeys(key("a", hashA, pkgInf))
}

// usedOnDelete is a bucket in which something is used while something else goes.
type usedOnDelete struct {
	*remotetest.Memory
	use func()
}

func (u usedOnDelete) Delete(ctx context.Context, keys ...remote.Key) error {
	u.use()
	return u.Memory.Delete(ctx, keys...)
}

// TestCleanKeepsLaterUse: nor does a siginfo look older than it is that was used
// while its archive went.
func TestCleanKeepsLaterUse(t *testing.T) {
	b := newBucket(t)
	b.age(key("a", hashA, pkg), 40*day, 10)
	b.age(key("a", hashA, pkgInf), 80*day, 10)
	b.target.Remote = usedOnDelete{b.Memory, func() { b.age(key("a", hashA, pkgInf), time.Hour, 10) }}
	b.clean(upkeep.CleanOptions{MaxAge: 30 * day, MaxSigAge: 90 * day})
	b.wantKeys(key("a", hashA, pkgInf))
	info, err := b.Stat(t.Context(), key("a", hashA, pkgInf))
	if age := b.target.Now().Sub(info.ModTime); err != nil || age > day {
		t.Errorf("the siginfo looks used %v ago, %v, want an hour", age, err)
	}
}

func TestCleanWarnsOfTimes(t *testing.T) {
	b := newBucket(t)
	b.SetTraits(remote.Traits{Touch: remote.TouchNever})
	if r := b.clean(upkeep.CleanOptions{MaxAge: 30 * day}); r.Warning == "" {
		t.Errorf("no warning where times are not kept")
	}
}

func wantHashes(t *testing.T, r upkeep.CleanResult, want ...string) {
	t.Helper()
	var text strings.Builder
	if _, err := r.Hashes.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	lines := ""
	for _, h := range want {
		lines += "unihash " + h + "\n"
	}
	if text.String() != lines {
		t.Errorf("hashes kept:\n%swant\n%s", text.String(), lines)
	}
}

// TestCleanHashes collects what remains, siginfo alone too, once and sorted.
func TestCleanHashes(t *testing.T) {
	md5 := "abcd" + strings.Repeat("0", 28)
	for _, o := range []upkeep.CleanOptions{{MaxAge: 30 * day, MaxSigAge: 90 * day}, {MaxAge: 30 * day, MaxSigAge: 90 * day, MaxSize: 1 << 20}} {
		b := newBucket(t)
		b.age(key("a", hashA, pkg), 40*day, 10)
		b.age(key("b", hashB, pkg), 40*day, 10)
		b.age(key("b", hashB, pkgInf), 40*day, 10)
		b.age(key("c", hashC, pkg), 4*day, 10)
		b.age(key("d", hashC, pkg), 4*day, 10)
		b.age(key("e", md5, "package.tgz"), 4*day, 10)
		b.age("IN/VA/sstate:a:core2-64-oe-linux:1.0:r0:core2-64:14:INVALID_package.tar.zst", day, 10)
		for _, dry := range []bool{true, false} {
			o.WantHashes, o.DryRun = true, dry
			wantHashes(t, b.clean(o), hashB, hashC, md5)
		}
	}
}
