package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMirrors lets BitBake's fetchers work in the mount: links to a file://
// mirror stay here, downloads are shared.
func TestMirrors(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		mirror := s.mkdir("mirror", 0o755)
		keys := archives("mirrored", 6)
		made := s.build("archive", mirror, keys).acknowledged()
		m, other := s.mount("a"), s.mount("b")
		s.must(python, append([]string{scripts + "/mirror.py", m.point, mirror}, keys...)...)

		downloaded := map[string]string{}
		for i := 0; i < len(keys); i += 2 {
			downloaded[keys[i]] = made[keys[i]]
		}
		mustHoldAll(t, m.point, made)
		s.shares(downloaded)
		other.learn()
		mustHold(t, other.point, downloaded)
		s.build("restore", m.point, keys).all(t, "restored", keys)
		for i, key := range keys {
			fi, err := os.Lstat(m.path(key))
			if err != nil || fi.Mode().IsRegular() != (i%2 == 0) {
				t.Errorf("%s: %v %v", key, fi.Mode(), err)
			}
		}

		m.stop() // links and .done are scratch that stays
		m.restart()
		mustHoldAll(t, m.point, made)
		if target, err := os.Readlink(m.path(keys[1])); err != nil || target != filepath.Join(mirror, keys[1]) {
			t.Errorf("link after a remount: %q, %v", target, err)
		}
	})
}

// TestLockFiles lets processes take turns with BitBake's lock files.
func TestLockFiles(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	const processes, rounds = 3, 60
	dir := m.path("ab", "cd")
	s.self().do("makedirs", dir)
	s.together(processes, func(int) []string {
		return []string{python, scripts + "/locks.py", dir, fmt.Sprint(rounds)}
	})
	if got, want := s.self().read(dir+"/counter"), fmt.Sprint(processes*rounds); got != want {
		t.Errorf("counter is %s, want %s: two had the lock at once", got, want)
	}
}

// together runs commands at the same time as the user of the test; all have to
// succeed.
func (s *site) together(n int, args func(i int) []string) {
	s.t.Helper()
	results := make(chan error, n)
	for i := range n {
		a := args(i)
		go func() {
			cmd := s.command(s.t.Context(), os.Getuid(), a[0], a[1:]...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%s: %w\n%s", strings.Join(a, " "), err, out)
			}
			results <- err
		}()
	}
	for range n {
		if err := <-results; err != nil {
			s.t.Error(err)
		}
	}
}

// TestHashserv keeps a hash equivalence database in the root of the mount,
// written by two processes at once.
func TestHashserv(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	db := m.path("hashserv.db")
	const rows = 150
	writers := func(i int) []string {
		return []string{python, scripts + "/hashserv.py", db, fmt.Sprint("writer", i), fmt.Sprint(rows)}
	}
	s.together(1, func(int) []string { return writers(9) }) // going over to WAL mode has no busy timeout
	s.together(2, writers)
	if got := s.names(); len(got) != 0 {
		t.Errorf("the database was shared: %v", got)
	}
	m.stop()
	m.restart()
	s.together(1, func(int) []string { return writers(2) })
	m.kill() // a database survives the daemon as it survives a killed process
	m.restart()
	s.together(1, func(int) []string { return writers(3) })
}
