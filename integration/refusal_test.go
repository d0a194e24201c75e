package integration

import (
	"os"
	"strings"
	"testing"
)

// TestRefusals mounts what cannot work: one line says what is wrong, another
// what to do.
func TestRefusals(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	free := s.mkdir("free", 0o755)
	for _, c := range []struct {
		name, cache, remote, point, says string
		code                             int
	}{
		{"live mount", "cache-x", s.remote, m.point, m.point, 1},
		{"cache in use", "cache-a", s.remote, free, m.point, 1},
		{"cache inside the mountpoint", "free/cache", s.remote, free, "inside", 1},
		{"mountpoint inside the cache", ".", s.remote, free, "inside", 1},
		{"no remote", "cache-x", s.path("none"), free, s.path("none"), 4},
		{"no mountpoint", "cache-x", s.remote, s.path("none"), s.path("none"), 1},
		{"mountpoint is a file", "cache-x", s.remote, s.path("a.log"), "directory", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.run(os.Getuid(), binary, "mount", "--cache-dir", s.path(c.cache), c.remote, c.point)
			lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
			if r.code != c.code || !strings.HasPrefix(lines[0], "sstatefs: ") || !strings.Contains(lines[0], c.says) {
				t.Errorf("exit %d, %q, want %d and a line about %s", r.code, r.stderr, c.code, c.says)
			}
			if len(lines) > 2 || len(lines) == 2 && !strings.HasPrefix(lines[1], "hint: ") {
				t.Errorf("says more than a line and a hint:\n%s", r.stderr)
			}
		})
	}
	if _, err := os.Stat(s.path("none")); err == nil {
		t.Errorf("a remote was made")
	}
	other := s.mkdir("remote2", 0o775)
	m.stop()
	if r := s.run(os.Getuid(), binary, "mount", "--cache-dir", m.cache, other, free); r.code != 1 {
		t.Errorf("the cache of another remote: exit %d, %q, want 1", r.code, r.stderr)
	}
	m.restart()
}

// TestDaemon mounts in the background and unmounts; the command returns when
// the mount answers.
func TestDaemon(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		point, cache := s.mkdir("point", 0o755), s.path("cache")
		s.must(binary, "mount", "--daemon", "--cache-dir", cache, s.address, point)
		t.Cleanup(func() {
			for _, e := range mountsBelow(point) {
				e.abort()
			}
		})
		keys := archives("daemon", 3)
		s.build("build", point, keys).all(t, "published", keys)
		if r := s.run(os.Getuid(), binary, "status"); !strings.Contains(r.stdout, point) { // others may be mounted too
			t.Errorf("status of all mounts does not show it:\n%s%s", r.stdout, r.stderr)
		}
		s.must(binary, "unmount", point)
		if _, ok := mountedAt(point); ok {
			t.Errorf("still mounted")
		}
		if r := s.run(os.Getuid(), binary, "status", point); r.code != 4 {
			t.Errorf("status of what is not mounted: exit %d, want 4", r.code)
		}
	})
}

// TestSignals ends a mount as a service manager does.
func TestSignals(t *testing.T) {
	for _, signal := range []string{"TERM", "INT"} {
		s := newSite(t)
		m := s.mount("a", "--publish=queue")
		keys := archives("signal", 4)
		b := s.build("build", m.point, keys)
		m.ended = true
		m.signal(signal)
		m.wait()
		if m.err != nil {
			t.Errorf("SIG%s: the daemon ended with %v", signal, m.err)
		}
		s.shares(b.acknowledged())
	}
}
