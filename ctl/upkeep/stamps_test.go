package upkeep_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/sstate"
)

// stampsDir makes a STAMPS_DIR with empty files.
func stampsDir(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestStamps takes names as BitBake writes them.
func TestStamps(t *testing.T) {
	tests := []struct {
		file, pn, hash string
		want           bool
	}{
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package.sigdata." + hashA, "bash", hashA, true},
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package.sigdata." + hashA, "zsh", hashA, false},
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package.sigdata." + hashA, "bash", hashB, false},
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package_setscene." + hashA, "bash", hashA, true},
		{"qemux86_64-poky-linux/base-files/3.0.14-r0.do_package_setscene." + hashA + ".qemux86-64", "base-files", hashA, true},
		{"debian-amd64/hello/1.0.do_x-r0.do_dpkg_build.sigdata." + hashA, "hello", hashA, true},
		{"work-shared/gcc-13.2.0-r0.do_unpack.sigdata." + hashA, "gcc", hashA, true},
		{"work-shared/gcc-13.2.0-r0.do_unpack.sigdata." + hashA, "gcc", hashB, false},
		// Neither of these has the hash of objects' names.
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package.sigbasedata." + hashA, "bash", hashA, false},
		{"core2-64-poky-linux/bash/5.2.21-r0.do_package." + hashA, "bash", hashA, false},
		{"core2-64-poky-linux/bash/5.2.21-r0.do_build_nohash", "bash", hashA, false},
	}
	for _, test := range tests {
		dir := stampsDir(t, test.file, "x/other/1.0-r0.do_fetch.sigdata."+hashC)
		stamps, err := upkeep.ReadStamps(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := stamps.Used(sstate.Name{PN: test.pn, Hash: test.hash}); got != test.want {
			t.Errorf("%s: Used(%s, %s) = %v, want %v", test.file, test.pn, test.hash, got, test.want)
		}
	}
}

// A directory that is none of a build must not count as a build that used
// nothing.
func TestStampsRefused(t *testing.T) {
	for _, dir := range []string{filepath.Join(t.TempDir(), "no"), t.TempDir(), stampsDir(t, "a/b/readme")} {
		if _, err := upkeep.ReadStamps(stampsDir(t, "x/p/1.do_a.sigdata."+hashA), dir); err == nil || !strings.HasPrefix(err.Error(), "stamps: ") {
			t.Errorf("ReadStamps(%s) = %v, want an error", dir, err)
		}
	}
}

// TestCleanKeepsWhatBuildsUsed with other rules, and as the only one.
func TestCleanKeepsWhatBuildsUsed(t *testing.T) {
	dirs := []string{
		stampsDir(t, "x/a/1.0-r0.do_package_setscene."+hashA),
		stampsDir(t, "x/b/1.0-r0.do_package.sigdata."+hashB),
	}
	stamps, err := upkeep.ReadStamps(dirs...)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		o    upkeep.CleanOptions
		want []remote.Key
	}{
		{upkeep.CleanOptions{MaxAge: 30 * day}, []remote.Key{key("c", hashB, pkg)}},
		{upkeep.CleanOptions{MaxSize: 1}, nil},
		{upkeep.CleanOptions{RemoveDuplicated: true}, []remote.Key{key("b", hashC, pkg), key("c", hashB, pkg)}},
		{upkeep.CleanOptions{}, []remote.Key{key("young", hashC, pkg)}},
		{upkeep.CleanOptions{Force: true}, nil},
	}
	for _, test := range tests {
		b := newBucket(t)
		kept := []remote.Key{key("a", hashA, pkg), key("a", hashA, pkgInf), key("b", hashB, pkg)}
		for _, k := range kept {
			b.age(k, 100*day, 10)
		}
		b.age(key("b", hashA, pkg), 200*day, 10) // a's hash
		b.age(key("b", hashC, pkg), 50*day, 10)
		b.age(key("c", hashB, pkg), 20*day, 10)
		if test.o.MaxAge == 0 && test.o.MaxSize == 0 && !test.o.RemoveDuplicated {
			b.age(key("young", hashC, pkg), day, 10)
		}
		test.o.Stamps = stamps
		b.clean(test.o)
		b.wantKeys(append(kept, test.want...)...)
	}
}
