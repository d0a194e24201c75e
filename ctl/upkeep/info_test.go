package upkeep_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/file"
	"sstatefs/remote/remotetest"
)

// aging is a remote in memory whose objects have ages.
type aging struct {
	*remotetest.Memory
	now time.Time
}

func newAging() *aging {
	a := &aging{remotetest.NewMemory(), time.Now()}
	a.SetClock(func() time.Time { return a.now })
	return a
}

// set makes an object that was used so long ago.
func (a *aging) set(key remote.Key, size int, age time.Duration) {
	a.SetClock(func() time.Time { return a.now.Add(-age) })
	a.Set(key, make([]byte, size))
	a.SetClock(func() time.Time { return a.now })
}

func (a *aging) target() *upkeep.Target {
	return &upkeep.Target{Remote: a, Now: func() time.Time { return a.now }}
}

// sample is a remote with some of everything.
func sample() *aging {
	a := newAging()
	zlib := artefact("zlib", "package", 1)
	a.set(zlib, 1000, 2*time.Hour)
	a.set(zlib+".siginfo", 10, 2*time.Hour)
	a.set(zlib+".sig", 1, 2*time.Hour)
	a.set(artefact("zlib", "package", 2), 2000, 40*24*time.Hour)
	a.set(artefact("zlib", "populate_sysroot", 3), 500, 400*24*time.Hour)
	a.set(artefact("acl", "package", 4), 5000, 5*24*time.Hour)
	a.set("universal/"+artefact("m4-native", "populate_sysroot", 5), 100, time.Minute)
	h := "ab" + strings.Repeat("0", 62)
	a.set(remote.Key("ab/00/sstate:bash::5.2.21:r0::14:"+h+"_populate_lic.tar.zst"), 7, time.Minute)
	return a
}

func infoOf(t *testing.T, target *upkeep.Target, o upkeep.InfoOptions) upkeep.InfoResult {
	t.Helper()
	r, err := upkeep.Info(t.Context(), target, o, upkeep.Silent)
	if err != nil {
		t.Fatalf("Info() = %v", err)
	}
	return r
}

func sumsText(all []upkeep.NamedSum) string {
	var parts []string
	for _, s := range all {
		parts = append(parts, fmt.Sprintf("%s %d/%d", s.Name, s.Objects, s.Bytes))
	}
	return strings.Join(parts, ", ")
}

func TestInfoAddsUp(t *testing.T) {
	a := sample()
	a.set("00/11/sstate:x.lock", 3, time.Hour)
	a.set(artefact("zlib", "package", 1)+"abcd1234", 30, 50*time.Hour)
	a.set("00/11/.sstatefs-0123456789abcdef", 20, 3*time.Hour)
	r := infoOf(t, a.target(), upkeep.InfoOptions{})
	for _, test := range []struct{ what, got, want string }{
		{"total", fmt.Sprint(r.Total), "{8 8618}"},
		{"kinds", sumsText(r.Kinds), "archive 6/8607, siginfo 1/10, sig 1/1"},
		{"archs", sumsText(r.Archs), "core2-64 7/8611,  1/7"},
		{"tasks", sumsText(r.Tasks), "package 5/8011, populate_sysroot 2/600, populate_lic 1/7"},
		{"largest recipe", fmt.Sprint(r.Recipes[0].Name, r.Recipes[0].Sum, r.Recipes[0].Archives), "acl{1 5000} 1"},
		{"second recipe", fmt.Sprint(r.Recipes[1]), "{{zlib {5 3511}} 3 [{{package {4 3011}} 2} {{populate_sysroot {1 500}} 1}]}"},
		{"clock", r.Clock, "remote"},
		{"ages", fmt.Sprintf("%.0f %.0f", r.OldestSeconds, r.NewestSeconds), "34560000 60"},
		{"left", fmt.Sprintf("%d %d %.0f %d", r.Temporaries.Objects, r.Temporaries.Bytes, r.Temporaries.OldestSeconds, r.Foreign.Objects), "2 50 180000 1"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s, want %s", test.what, test.got, test.want)
		}
	}
	var classes []string
	for _, age := range r.Ages {
		if age.Objects > 0 {
			classes = append(classes, fmt.Sprintf("%.0f-%.0f:%d", age.From/86400, age.To/86400, age.Objects))
		}
	}
	if got := strings.Join(classes, " "); got != "0-1:5 3-7:1 30-60:1 365-0:1" {
		t.Errorf("classes of age %s", got)
	}
	if len(r.UnfinishedUploads.Unknown) != 0 || !r.Complete {
		t.Errorf("Info() = %+v", r)
	}
}

func TestInfoFilters(t *testing.T) {
	r := infoOf(t, sample().target(), upkeep.InfoOptions{Filter: upkeep.Filter{PN: []string{"zl*"}, Task: []string{"package"}}})
	if r.Total != (upkeep.Sum{Objects: 4, Bytes: 3011}) || len(r.Recipes) != 1 {
		t.Errorf("Info() = %+v", r)
	}
}

// noTime is a remote that does not tell its time.
type noTime struct{ remote.Remote }

func TestInfoWithoutTheRemotesClock(t *testing.T) {
	a := sample()
	target := a.target()
	target.Remote = noTime{a}
	if r := infoOf(t, target, upkeep.InfoOptions{}); r.Clock != "host" || r.NewestSeconds != 60 {
		t.Errorf("clock %s, newest %v, want host, 60", r.Clock, r.NewestSeconds)
	}
}

// uploads is a remote with uploads in parts.
type uploads struct {
	*aging
	err error
}

func (u uploads) Uploads(_ context.Context, fn func(key remote.Key, id string, started time.Time) error) error {
	if u.err != nil {
		return u.err
	}
	return errors.Join(fn("a", "1", u.now.Add(-time.Hour)), fn("b", "2", u.now.Add(-2*time.Hour)))
}

func (u uploads) AbortUpload(context.Context, remote.Key, string) error { return nil }

func TestInfoTellsOfUnfinishedUploads(t *testing.T) {
	a := sample()
	target := a.target()
	target.Remote = uploads{aging: a}
	r := infoOf(t, target, upkeep.InfoOptions{})
	if r.UnfinishedUploads.Objects != 2 || math.Round(r.UnfinishedUploads.OldestSeconds) != 7200 {
		t.Errorf("unfinished uploads %+v, want 2", r.UnfinishedUploads)
	}
	target.Remote = uploads{a, &remote.Error{Op: "uploads", Kind: remote.ErrPermission}}
	if r := infoOf(t, target, upkeep.InfoOptions{}); !strings.Contains(r.UnfinishedUploads.Unknown, "access denied") || r.Total.Objects != 8 {
		t.Errorf("Info() = %+v, want all but the uploads", r)
	}
}

func TestInfoInterrupted(t *testing.T) {
	a := sample()
	ctx, cancel := context.WithCancel(t.Context())
	target := a.target()
	target.Remote = stopping{a, cancel}
	r, err := upkeep.Info(ctx, target, upkeep.InfoOptions{}, upkeep.Silent)
	if !errors.Is(err, context.Canceled) || r.Complete || r.Total.Objects == 0 || r.Total.Objects == 8 {
		t.Errorf("Info() = %+v, %v, want some of the objects and an interruption", r, err)
	}
}

// stopping is interrupted after its first folder.
type stopping struct {
	*aging
	cancel func()
}

func (s stopping) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	return s.Memory.Sweep(ctx, func(folder string, files []remote.Info) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		defer s.cancel()
		return fn(folder, files)
	})
}

func TestInfoFailsWithTheListing(t *testing.T) {
	a := sample()
	a.Fail("sweep", &remote.Error{Op: "list", Kind: remote.ErrUnavailable})
	if _, err := upkeep.Info(t.Context(), a.target(), upkeep.InfoOptions{}, upkeep.Silent); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Info() = %v, want unavailable", err)
	}
}

// A directory in which BitBake works shows its temporaries too.
func TestInfoOfADirectory(t *testing.T) {
	dir := newSstateDir(t)
	a := artefact("zlib", "package", 1)
	dir.put(a, []byte("x"))
	dir.put(a+"abcd1234", []byte("xy"))
	folder, _ := a.Split()
	dir.put(remote.Key(folder+"/sigtask.abcdefgh"), []byte("xyz"))
	dir.put("hashserv.db", []byte("x"))
	if err := os.Symlink("nowhere", filepath.Join(dir.root, "link")); err != nil {
		t.Fatal(err)
	}
	r, err := file.Open(t.Context(), dir.root, remote.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	got := infoOf(t, &upkeep.Target{Remote: r, Now: time.Now}, upkeep.InfoOptions{})
	if got.Total.Objects != 1 || got.Temporaries.Objects != 2 || got.Temporaries.Bytes != 5 || got.Clock != "remote" {
		t.Errorf("Info() = %+v, want one object and two temporaries", got)
	}
}
