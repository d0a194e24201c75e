package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// TestTools lets ls, find, du and tar walk a mount of which some objects are
// here, some only on the remote, some private.
func TestTools(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		far := s.writePlain(archives("far", 30))
		m := s.mount("a")
		b := s.build("archive", m.point, archives("near", 10))
		a := s.self()
		a.do("write_file", m.path("hashserv.db"), "private")
		a.do("mkdir", m.path("empty"))
		want := merge(t, far, b.acknowledged(), map[string]string{"hashserv.db": sum(m.path("hashserv.db"))})
		walkWithTools(t, s, m, want)
	})
}

func walkWithTools(t *testing.T, s *site, m *mount, want map[string]string) {
	t.Helper()
	names := make([]string, 0, len(want))
	for name := range want {
		names = append(names, name)
	}
	sort.Strings(names)
	expect := strings.Join(names, "\n")
	found := s.sh(`cd "$1"; find . -type f | sed 's|^\./||' | LC_ALL=C sort`, m.point)
	if strings.TrimSpace(found) != expect {
		t.Errorf("find prints\n%s\nwant\n%s", found, expect)
	}
	if got := strings.Count(s.must("ls", "-lR", m.point), "sstate:"); got != len(want)-1 {
		t.Errorf("ls -lR shows %d objects, want %d", got, len(want)-1)
	}
	s.must("du", "-s", m.point)
	if fetched := m.count("fetched.objects"); fetched != 0 {
		t.Errorf("looking fetched %d objects", fetched)
	}
	copied := s.mkdir("copied", 0o755)
	s.sh(`tar -C "$1" -cf - . | tar -C "$2" -xf -`, m.point, copied)
	mustHold(t, copied, want)
	if fi, err := os.Stat(copied + "/empty"); err != nil || !fi.IsDir() {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestCleansstate globs and removes as `bitbake -c cleansstate` does, and as
// sstate-cache-management.py looks: it lists names that are no folders.
func TestCleansstate(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		keep, drop := archives("keep", 8), archives("drop", 8)
		all := append(append(with(drop, ".siginfo"), drop...), append(with(keep, ".siginfo"), keep...)...)
		b := s.build("archive", m.point, all)
		other.learn()
		mustHoldAll(t, other.point, b.acknowledged())
		s.must(python, "-c", `
import glob, os, sys
for pattern in ("/*/*/sstate:drop:*_*.tar.zst*", "/*/*/*/sstate:drop:*_*.tar.zst*"):
    for name in glob.glob(sys.argv[1] + pattern):
        try:
            os.listdir(name)
        except NotADirectoryError:
            pass
        os.unlink(name)
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
`, m.point)
		left := map[string]string{}
		for key, sum := range b.acknowledged() {
			if strings.Contains(key, "sstate:keep:") {
				left[key] = sum
			}
		}
		s.shares(left)
		mustHold(t, m.point, left)
		other.learn()
		eventually(t, startLimit, "the other mount has lost them too", func() bool { return len(files(t, other.point)) == len(left) })
		s.build("check", other.point, drop).all(t, "missing", drop)
		m.mustCount("removed", 16)
		// DELETE of a folder of a WebDAV server would take what was just put there.
		_, err := os.Stat(s.far(filepath.Dir(drop[0])))
		if dav := s.server != nil && !s.place.kind.IsS3(); err == nil && !dav {
			t.Errorf("an empty folder stays on the remote")
		}
	})
}

// TestLongNames uses names as long as they can be.
func TestLongNames(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		a := s.self()
		key := archives("x", 1)[0]
		recipe := strings.Repeat("y", 1+246-len(filepath.Base(key)))
		key = strings.Replace(key, "sstate:x:", "sstate:"+recipe+":", 1)
		if n := len(filepath.Base(key)); n != 246 {
			t.Fatalf("the name has %d bytes", n)
		}
		b := s.build("archive", m.point, []string{key, key + ".siginfo"})
		b.all(t, "published", []string{key, key + ".siginfo"})
		s.shares(b.acknowledged())

		base := filepath.Base(key)
		longest := fmt.Sprintf("%s/%s", key[:5], strings.Replace(base, recipe, recipe+"z", 1)+".siginfo") // 255 bytes
		a.do("write_file", m.path("scratch"), "signature")
		a.do("rename", m.path("scratch"), m.path(longest))
		if s.sum(longest) != sum(m.path(longest)) {
			t.Errorf("a name of 255 bytes did not reach the remote")
		}
		a.do("write_file", m.path(letters(255)), "")
		for _, call := range []string{"mkdir", "stat", "unlink", "rmdir", "listdir", "write_file"} {
			args := []any{m.path(letters(256))}
			if call == "write_file" {
				args = append(args, "")
			}
			a.want("ENAMETOOLONG", call, args...)
		}
		a.want("ENAMETOOLONG", "rename", m.path(letters(255)), m.path(letters(256)))
		a.want("ENAMETOOLONG", "link", m.path(letters(255)), m.path(letters(256)))
		a.want("ENAMETOOLONG", "symlink", "x", m.path(letters(256)))
	})
}
