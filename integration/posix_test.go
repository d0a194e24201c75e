package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// posixExceptions are the cases of go-fuse's posixtest that need not pass, with
// the reason. docs/SEMANTICS.md has them too.
var posixExceptions = map[string]string{
	"XAttr":      "no extended attributes: the kernel would ask for one before every write",
	"XAttrLarge": "no extended attributes",
	"Tmpfile":    "no O_TMPFILE: nothing of BitBake uses it",
}

// TestPosixSuite runs go-fuse's cases in fresh folders of a mount of root and of
// an ordinary user, and each in the root of a fresh mount.
func TestPosixSuite(t *testing.T) {
	t.Run("folder", func(t *testing.T) {
		s := newSite(t)
		posixFolders(t, s.mount("a").point)
	})
	t.Run("user", func(t *testing.T) {
		needsRoot(t)
		openFuseDevice(t)
		s := newSite(t)
		s.give(nobody)
		m := s.mountAs(nobody, "a")
		copyOfTest(t, s.path("suite.test"))
		out := s.run(nobody, "/usr/bin/env", posixVariable+"="+m.point, s.path("suite.test"), "-test.run=^TestPosixAsUser$")
		if out.code != 0 {
			t.Errorf("exit %d\n%s%s", out.code, out.stdout, out.stderr)
		}
	})
	t.Run("root", func(t *testing.T) {
		for name, test := range posixtest.All {
			t.Run(name, func(t *testing.T) {
				posixCase(t, name, test, newSite(t).mount("a").point)
			})
		}
	})
}

// posixVariable tells this test binary that it is the child of TestPosixSuite
// that works in a mount of its user.
const posixVariable = "SSTATEFS_POSIX_DIR"

// TestPosixAsUser is that child.
func TestPosixAsUser(t *testing.T) {
	if dir := os.Getenv(posixVariable); dir != "" {
		posixFolders(t, dir)
	}
}

// copyOfTest puts this test binary where every user can run it.
func copyOfTest(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(path, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// posixFolders runs each case in a folder of its own.
func posixFolders(t *testing.T, root string) {
	t.Helper()
	for name, test := range posixtest.All {
		dir := root + "/case-" + name
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		posixCase(t, name, test, dir)
	}
}

// posixCase runs one case. One that skips itself has not passed.
func posixCase(t *testing.T, name string, test func(*testing.T, string), dir string) {
	reason, excepted := posixExceptions[name]
	t.Run(name, func(t *testing.T) {
		if excepted {
			t.Skip(reason)
		}
		t.Cleanup(func() {
			if t.Skipped() && !excepted {
				t.Errorf("%s skipped itself", name)
			}
		})
		test(t, dir)
	})
}

// TestFsx compares random reads, writes, truncations and mappings of a scratch
// file with a copy in memory.
func TestFsx(t *testing.T) {
	t.Run("self", func(t *testing.T) { fsx(t, newSite(t), os.Getuid()) })
	t.Run("user", func(t *testing.T) {
		needsRoot(t)
		openFuseDevice(t)
		s := newSite(t)
		s.give(nobody)
		fsx(t, s, nobody)
	})
}

func fsx(t *testing.T, s *site, uid int) {
	t.Helper()
	m := s.mountAs(uid, "a")
	for i, more := range [][]string{nil, nil, {"unlink"}} {
		seed := time.Now().UnixNano() + int64(i)
		t.Logf("fsx.py FILE %d 2500 %v", seed, more)
		args := []string{scripts + "/fsx.py", m.path(fmt.Sprint("fsx", i)), fmt.Sprint(seed), "2500"}
		s.mustAs(uid, python, append(args, more...)...)
	}
	key := archives("fsx", 1)[0] // a temporary of an archive is scratch too
	s.actor(uid).do("makedirs", m.path(key[:5]))
	s.mustAs(uid, python, scripts+"/fsx.py", m.path(key[:5], "sstate:fsx.tar.zstabcdefgh"), "1", "1500")
}
