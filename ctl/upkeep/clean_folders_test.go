package upkeep_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/file"
)

// A cleanDir is a directory as remote, in which files have ages.
type cleanDir struct {
	*testing.T
	root   string
	target *upkeep.Target
}

func newCleanDir(t *testing.T) *cleanDir {
	root := t.TempDir()
	r, err := file.Open(t.Context(), root, remote.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &cleanDir{t, root, &upkeep.Target{Remote: r, Now: time.Now}}
}

// age makes a file that was used so long ago; a name that ends in a slash is
// an empty folder.
func (d *cleanDir) age(name string, age time.Duration) {
	d.Helper()
	path := filepath.Join(d.root, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if name[len(name)-1] == '/' {
		err = errors.Join(err, os.MkdirAll(path, 0o755))
	} else {
		err = errors.Join(err, os.WriteFile(path, []byte("x"), 0o644))
	}
	then := time.Now().Add(-age)
	if err = errors.Join(err, os.Chtimes(path, then, then)); err != nil {
		d.Fatal(err)
	}
}

func (d *cleanDir) has(name string) bool {
	_, err := os.Lstat(filepath.Join(d.root, name))
	return !errors.Is(err, fs.ErrNotExist)
}

// Empty folders go when nobody has used them for a day, those of objects and
// of temporaries; a build may be about to use a young one.
func TestCleanEmptyFolders(t *testing.T) {
	old := []string{"ab/cd/", "02/", "universal/12/34/", "ef/01/tmpabcdefgh/"}
	stay := []string{"ab/ce/", "foreign/", "foreign/x/", ".hidden/", "12/345/", "universal/"}
	made := func(t *testing.T) *cleanDir {
		d := newCleanDir(t)
		d.age(string(key("a", hashC, pkg)), 0)
		for _, name := range append(old, stay...) {
			d.age(name, 2*day)
		}
		d.age("ab/ce/", time.Hour)
		d.age("ef/01/sigtask.abcdefgh", time.Hour)
		d.age("universal/"+string(key("b", hashC, pkg)), 0)
		return d
	}
	d := made(t)
	o := upkeep.CleanOptions{MaxAge: 30 * day, DryRun: true}
	if r, err := upkeep.Clean(t.Context(), d.target, o, upkeep.Silent); err != nil || r.EmptyFolders != 4 {
		t.Errorf("Clean = %+v, %v, want 4 empty folders", r, err)
	}
	for _, o := range []upkeep.CleanOptions{o, {MaxAge: 30 * day, Filter: upkeep.Filter{PN: []string{"a"}}}} {
		if _, err := upkeep.Clean(t.Context(), d.target, o, upkeep.Silent); err != nil || !d.has("ab/cd") || !d.has("02") {
			t.Errorf("a folder has gone, %v", err)
		}
	}
	o.DryRun = false
	if r, err := upkeep.Clean(t.Context(), d.target, o, upkeep.Silent); err != nil || r.EmptyFolders != 4 || r.Removed.Total.Objects != 0 {
		t.Errorf("Clean = %+v, %v, want 4 empty folders", r, err)
	}
	for _, name := range old {
		if d.has(name) {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range append(stay, "ef/01", "ef/01/sigtask.abcdefgh") {
		if !d.has(name) {
			t.Errorf("%s has gone", name)
		}
	}
}

// What is used after its folder was listed stays, where that can be told.
func TestCleanSparesWhatIsUsed(t *testing.T) {
	d := newCleanDir(t)
	used, siginfo, unused := key("used", hashA, pkg), key("siginfo", hashA, pkg), key("unused", hashA, pkg)
	for _, k := range []remote.Key{used, siginfo, unused} {
		d.age(string(k), 40*day)
		d.age(string(k)+".siginfo", 40*day)
	}
	hook := &afterSweep{Dir: d.target.Remote.(*file.Dir), do: func() {
		d.age(string(used), 0)
		d.age(string(siginfo)+".siginfo", 0)
	}}
	d.target.Remote = hook
	o := upkeep.CleanOptions{MaxAge: 30 * day, WantHashes: true}
	r, err := upkeep.Clean(t.Context(), d.target, o, upkeep.Silent)
	if err != nil || r.Removed.Total.Objects != 2 || r.Kept.Objects != 4 || r.Failed.Objects != 0 || r.Hashes.Len() != 1 {
		t.Errorf("Clean = %+v, %v, want 2 removed and 4 kept", r, err)
	}
	for k, stays := range map[remote.Key]bool{used: true, siginfo: true, unused: false} {
		if d.has(string(k)) != stays || d.has(string(k)+".siginfo") != stays {
			t.Errorf("%s is there: %v, %v", k, d.has(string(k)), d.has(string(k)+".siginfo"))
		}
	}
}

// afterSweep is a directory that is used between the listing and the deleting.
type afterSweep struct {
	*file.Dir
	do func()
}

func (a *afterSweep) Sweep(ctx context.Context, fn func(string, []remote.Info) error) error {
	err := a.Dir.Sweep(ctx, fn)
	a.do()
	return err
}
