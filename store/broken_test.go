package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
)

// brokenFiles are the base names in broken/.
func (r *rig) brokenFiles() (names []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.layout.path("broken"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

// damageSome publishes objects of a size in bytes, spoils and verifies them.
func (r *rig) damageSome(first, n, size int) {
	r.t.Helper()
	for i := range n {
		key := testKey(first+i, "package")
		r.mustPublish(key, strings.Repeat("x", size))
		rewrite(r.t, r.layout.object(key), flipped)
	}
	got, err := r.Verify(r.t.Context(), nil)
	if err != nil || got.Damaged.Objects != int64(n) {
		r.t.Fatalf("Verify() = %+v, %v, want %d damaged", got, err, n)
	}
}

// TestBrokenIsBounded: what a bad disk has spoilt is kept for a person to look
// at, but not all of it and not for ever.
func TestBrokenIsBounded(t *testing.T) {
	c := &clock{t: time.Now()}
	r := newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize, o.Now = 10_000, c.now })
	r.damageSome(0, 3, 400)
	if got := r.brokenFiles(); len(got) != 2 {
		t.Errorf("%d files of 400 bytes are kept with a quota of 10,000, want 2", len(got))
	}
	c.add(brokenAge + time.Minute)
	r.tidyBroken()
	if got := r.brokenFiles(); len(got) != 0 {
		t.Errorf("after a month %v are kept", got)
	}
}

func TestBrokenIsCounted(t *testing.T) {
	r := newRig(t, nil)
	for i := range mostBroken + 5 {
		path := r.layout.path("broken", testKey(i, "package"))
		if err := withFolders(path, func() error { return os.WriteFile(path, []byte("spoilt"), 0o644) }); err != nil {
			t.Fatal(err)
		}
	}
	r.tidyBroken()
	if got := r.brokenFiles(); len(got) != mostBroken {
		t.Errorf("%d files are kept, want %d", len(got), mostBroken)
	}
}

// TestBreakingSparesNewer: what was published after the damage was found is not
// taken for it.
func TestBreakingSparesNewer(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package") + ".siginfo"
	for _, text := range []string{"one", "two"} {
		seen := localID(r.layout.object(key))
		if err := r.Rename(t.Context(), r.scratchFile(key, text), key, 0); err != nil {
			t.Fatal(err)
		}
		r.breakObject(key, seen)
		r.wantContent(key, text)
	}
	if got := r.brokenFiles(); len(got) != 0 {
		t.Errorf("%v are set aside", got)
	}
}
