package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// needsRoot is for tests that act as several users. `make test` as an ordinary
// user leaves them to a run as root.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("acts as several users: run make test as root for this one")
	}
}

// openFuseDevice gives /dev/fuse the mode that Debian's udev rule gives it, as
// `make deps` does on a machine without udev.
func openFuseDevice(t *testing.T) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/dev/fuse", &st); err != nil {
		t.Fatalf("/dev/fuse: %v: run make deps", err)
	}
	if st.Mode&0o666 != 0o666 {
		if err := unix.Chmod("/dev/fuse", 0o666); err != nil {
			t.Fatalf("/dev/fuse: %v: run make deps", err)
		}
	}
}

// signal sends a signal to the daemon.
func (m *mount) signal(name string) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(unix.SignalNum("SIG" + name)); err != nil {
		m.t.Error(err)
	}
}

// TestOrdinaryUser mounts without being root and builds; nobody else gets in.
func TestOrdinaryUser(t *testing.T) {
	needsRoot(t)
	openFuseDevice(t)
	onRemotes(t, here(), func(t *testing.T, s *site) {
		s.give(nobody)
		m := s.mountAs(nobody, "a")
		keys := archives("user", 8)
		b := s.buildAs(nobody, "build", m.point, keys)
		b.all(t, "published", keys)
		s.shares(b.acknowledged())
		s.buildAs(nobody, "build", m.point, keys).all(t, "restored", keys)
		s.buildAs(nobody, "signed", m.point, archives("usersigned", 2))
		a := s.actor(nobody)
		for _, path := range []string{m.point, m.path(keys[0]), m.path(keys[0][:2])} {
			if uid := a.attr(path, "uid"); uid != nobody {
				t.Errorf("%s belongs to %d, want the mounter", path, uid)
			}
		}
		for _, other := range []int{root, guestA} {
			s.actor(other).want("EACCES", "stat", m.path(keys[0]))
		}
		status := m.status()
		if got := status.number(t, "mount.uid"); got != nobody {
			t.Errorf("status says the user is %d", got)
		}
		m.stop()
		m.restart()
		s.buildAs(nobody, "restore", m.point, keys).all(t, "restored", keys)
	})
}

// TestUserKilled replaces a dead mount of an ordinary user.
func TestUserKilled(t *testing.T) {
	needsRoot(t)
	openFuseDevice(t)
	onRemotes(t, here(), func(t *testing.T, s *site) {
		s.give(nobody)
		m := s.mountAs(nobody, "a", "--publish=queue")
		keys := archives("user", 10)
		b := s.buildAs(nobody, "archive", m.point, keys)
		m.kill()
		m.restart()
		m.flush()
		s.sharesAll(b.acknowledged())
	})
}

// TestUserClosedFolders: folders that their user has closed, to himself too, keep
// the next mount from nothing.
func TestUserClosedFolders(t *testing.T) {
	needsRoot(t)
	openFuseDevice(t)
	s := newSite(t)
	s.give(nobody)
	m := s.mountAs(nobody, "a", "--publish=queue")
	keys := archives("closed", 3)
	made := s.buildAs(nobody, "archive", m.point, keys).acknowledged()
	a := s.actor(nobody)
	leaf := m.path(filepath.Dir(keys[0]))
	left := filepath.Join(leaf, "tmpab12cd34")
	for _, dir := range []string{m.path("own"), m.path("own/inner"), left, filepath.Join(left, "usr"), filepath.Join(left, "root")} {
		a.do("mkdir", dir)
		a.do("write_file", filepath.Join(dir, "file"), "content")
	}
	a.do("chmod", filepath.Join(left, "usr"), 0o555)
	a.do("chmod", filepath.Join(left, "root"), 0)
	a.do("chmod", left, 0o500)
	a.do("chmod", m.path("own/inner"), 0)
	for _, again := range []func(){m.kill, m.stop} {
		again()
		m.restart()
		s.actor(nobody).want("ENOENT", "stat", left)
		if mode := s.actor(nobody).attr(m.path("own/inner"), "mode"); mode&0o777 != 0 {
			t.Errorf("the folder has mode %o now", mode)
		}
	}
	m.flush()
	s.sharesAll(made)
	a = s.actor(nobody)
	a.do("chmod", m.path("own/inner"), 0o700)
	if got := a.read(m.path("own/inner/file")); got != "content" {
		t.Errorf("the file reads %q", got)
	}
}

// TestAllowOther lets two users share a mount of root.
func TestAllowOther(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other")
	keys := append(archives("guest", 6), archives("guest2", 2)...)
	a, b := s.actor(guestA), s.actor(guestB)
	made := s.buildAs(guestA, "build", m.point, keys)
	made.all(t, "published", keys)
	s.shares(made.acknowledged())
	s.buildAs(guestB, "check", m.point, keys).all(t, "found", keys)
	s.buildAs(guestB, "restore", m.point, keys).all(t, "restored", keys)
	s.buildAs(guestB, "signed", m.point, archives("signed", 3))
	s.buildAs(guestB, "replace", m.point, with(keys, ".siginfo")) // rename over another's signature

	for _, path := range []string{keys[0], keys[0] + ".siginfo"} {
		if mode := b.attr(m.path(path), "mode"); mode != 0o100666 {
			t.Errorf("mode of an object is %o, want 100666", mode)
		}
	}
	for _, path := range []string{"", keys[0][:2], filepath.Dir(keys[0]), "universal"} {
		if mode := b.attr(m.path(path), "mode"); mode&0o777 != 0o777 {
			t.Errorf("mode of folder %q is %o, want 0777", path, mode)
		}
	}
	privateScratch(t, m, a, b)
}

// privateScratch checks that what one user makes, another cannot change.
func privateScratch(t *testing.T, m *mount, a, b *actor) {
	t.Helper()
	a.do("mkdir", m.path("mine"), 0o755)
	a.do("write_file", m.path("mine/file"), "private")
	a.do("chmod", m.path("mine/file"), 0o600)
	if uid := a.attr(m.path("mine/file"), "uid"); uid != guestA {
		t.Errorf("scratch belongs to %d, want its maker", uid)
	}
	b.want("EACCES", "open", m.path("mine/file"), unix.O_RDONLY)
	b.want("EACCES", "open", m.path("mine/file"), unix.O_WRONLY)
	b.want("EACCES", "unlink", m.path("mine/file"))
	b.want("EACCES", "rename", m.path("mine/file"), m.path("mine/other"))
	b.want("EACCES", "open", m.path("mine/new"), unix.O_CREAT|unix.O_WRONLY, 0o644)
	b.want("EPERM", "chmod", m.path("mine/file"), 0o666)
	b.want("EPERM", "chown", m.path("mine/file"), guestB, guestB)
	b.want("EPERM", "utimens", m.path("mine/file"), 1, 0, 1, 0, 0)
	b.want("EACCES", "truncate", m.path("mine/file"), 0)
	if got := a.read(m.path("mine/file")); got != "private" {
		t.Errorf("scratch of another was changed: %q", got)
	}
}

// TestUnlinkPolicy removes objects under each --unlink.
func TestUnlinkPolicy(t *testing.T) {
	for _, policy := range []string{"remote", "local", "refuse"} {
		t.Run(policy, func(t *testing.T) {
			onRemotes(t, here(), func(t *testing.T, s *site) {
				m, other := s.mount("a", "--unlink="+policy), s.mount("b")
				keys := archives("policy", 4)
				made := s.build("archive", other.point, keys).acknowledged()
				m.learn()
				a := s.self()
				a.read(m.path(keys[1]))
				errno := map[string]string{"refuse": "EPERM"}[policy]
				a.want(errno, "unlink", m.path(keys[0])) // not here
				a.want(errno, "unlink", m.path(keys[1])) // here
				a.want(errno, "rename", m.path(keys[2]), m.path("away"))
				checkUnlinked(t, s, m, policy, keys, made)
				m.stop()
				m.restart()
				checkUnlinked(t, s, m, policy, keys, made)

				b := s.build("build", m.point, keys[:1]) // published again
				want := map[string]string{"remote": "published", "local": "published", "refuse": "restored"}[policy]
				b.all(t, want, keys[:1])
				m.flush()
				a.want("", "stat", m.path(keys[0]))
				if got, here := s.sum(keys[0]), sum(m.path(keys[0])); got != here {
					t.Errorf("remote has %s, the mount %s", got, here)
				}
			})
		})
	}
}

func checkUnlinked(t *testing.T, s *site, m *mount, policy string, keys []string, made map[string]string) {
	t.Helper()
	m.flush()
	kept := map[string]string{keys[3]: made[keys[3]]}
	hidden := 3
	switch policy {
	case "remote":
		s.shares(kept)
	case "local":
		s.shares(made)
	case "refuse":
		hidden = 0
		s.shares(made)
		mustHold(t, m.point, made)
	}
	for i, key := range keys {
		if _, err := os.Stat(m.path(key)); (err != nil) != (i < hidden) {
			t.Errorf("object %d under --unlink=%s: %v", i, policy, err)
		}
	}
	shown := 0
	for _, name := range files(t, m.point) {
		if strings.Contains(name, "sstate:") {
			shown++
		}
	}
	if shown != 4-hidden {
		t.Errorf("the mount lists %d objects, want %d", shown, 4-hidden)
	}
}

// TestRefuseForGuests is --unlink=refuse on a shared mount: nobody deletes what
// others use, and publishing works.
func TestRefuseForGuests(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other", "--unlink=refuse")
	keys := archives("guest", 4)
	s.buildAs(guestA, "archive", m.point, append(with(keys, ".siginfo"), keys...))
	a, b := s.actor(guestA), s.actor(guestB)
	for _, x := range []*actor{a, b} {
		x.want("EPERM", "unlink", m.path(keys[0]))
		x.want("EPERM", "unlink", m.path(keys[0])+".siginfo")
		x.want("EPERM", "rename", m.path(keys[0]), m.path("stolen"))
		x.want("", "touch", m.path(keys[0]))
	}
	s.buildAs(guestB, "restore", m.point, keys).all(t, "restored", keys)
	if got := len(s.names()); got != 8 {
		t.Errorf("the remote holds %d files, want 8", got)
	}
}
