package integration

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGuestBuilds lets two users publish into the folders of one another as
// BitBake does, call by call, with the umask of a careful site and of one that
// shares by group. Nothing may depend on who made a folder.
func TestGuestBuilds(t *testing.T) {
	needsRoot(t)
	for _, umask := range []int{0o002, 0o022, 0o077} {
		s := newSite(t)
		m := s.mount("a", "--allow-other")
		first, second := s.actor(guestA), s.actor(guestB)
		keys := archives("umask", 4) // the last is below universal/
		made := map[string]string{}
		for i, key := range keys {
			g := &guest{t: t, m: m, actor: []*actor{first, second}[i%2]}
			g.do("umask", umask)
			g.publish(key, made)
			other := []*actor{second, first}[i%2]
			g = &guest{t: t, m: m, actor: other}
			g.do("umask", umask)
			g.uses(key)
			g.publish(beside(key), made)
		}
		s.shares(made)
		m.holds(made) // as root reads, for sudo
		for _, key := range keys {
			for dir := filepath.Dir(key); dir != "."; dir = filepath.Dir(dir) {
				if mode := first.attr(m.path(dir), "mode"); mode&0o777 != 0o777 {
					t.Errorf("umask %03o: folder %s has mode %o, want 0777", umask, dir, mode)
				}
			}
		}
		m.stop()
	}
}

// beside is another key in the same folder.
func beside(key string) string {
	return filepath.Join(filepath.Dir(key), "sstate:second"+filepath.Base(key)[len("sstate:umask"):])
}

// guest is a user who builds.
type guest struct {
	*actor
	t *testing.T
	m *mount
}

// publish does what sstate_create_package and sstate_report_unihash do to
// SSTATE_DIR: the archive by link, its signature by rename.
func (g *guest) publish(key string, made map[string]string) {
	g.t.Helper()
	final := g.m.path(key)
	tmp := final + "abcd_123"
	g.want("ENOENT", "stat", final)
	g.call("makedirs", filepath.Dir(final), 0o777, true)
	fd := int(integer(g.do("open", tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)))
	if g.attr(tmp, "uid") != int64(g.uid) || g.attr(tmp, "gid") != int64(g.uid) || g.attr(tmp, "mode") != 0o100600 {
		g.t.Errorf("uid %d: its temporary is %v", g.uid, g.do("lstat", tmp))
	}
	g.do("write_file", tmp, "archive of "+key) // another descriptor, O_TRUNC
	g.do("chmod", tmp, 0o664)
	if mode := g.attr(tmp, "mode"); mode != 0o100664 {
		g.t.Errorf("uid %d: mode after chmod is %o", g.uid, mode)
	}
	made[key] = sum(tmp)
	g.want("ENOENT", "lstat", final)
	g.do("link", tmp, final)
	g.do("utime", tmp)
	g.do("close", fd)
	g.do("unlink", tmp)
	g.want("EEXIST", "open", final, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o664)

	tmp = filepath.Join(filepath.Dir(final), "sigtask.x8s_kd9a")
	g.do("write_file", tmp, "signature of "+key)
	g.do("chmod", tmp, 0o664)
	made[key+".siginfo"] = sum(tmp)
	g.do("rename", tmp, final+".siginfo")
	g.do("utime", final+".siginfo")
}

// uses does what the availability check and setscene tasks do.
func (g *guest) uses(key string) {
	g.t.Helper()
	for _, path := range []string{g.m.path(key), g.m.path(key) + ".siginfo"} {
		g.do("stat", path)
		g.do("utime", path)
		g.do("touch", path)
		g.do("read_file", path)
		if mode := g.attr(path, "mode"); mode != 0o100666 {
			g.t.Errorf("mode of an object is %o, want 100666", mode)
		}
	}
	g.want("ENOENT", "stat", g.m.path(key)+".sig")
}

// TestGroupShared makes scratch in a folder that hands its group down.
func TestGroupShared(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other")
	super, a := s.self(), s.actor(guestA)
	super.do("mkdir", m.path("shared"))
	super.do("chown", m.path("shared"), 0, guestB)
	super.do("chmod", m.path("shared"), 0o2777)
	a.do("write_file", m.path("shared/file"), "x")
	a.do("mkdir", m.path("shared/folder"))
	a.do("write_file", m.path("shared/folder/file"), "x")
	for _, path := range []string{"shared/file", "shared/folder", "shared/folder/file"} {
		if uid, gid := a.attr(m.path(path), "uid"), a.attr(m.path(path), "gid"); uid != guestA || gid != guestB {
			t.Errorf("%s belongs to %d:%d, want %d:%d", path, uid, gid, guestA, guestB)
		}
	}
	if mode := a.attr(m.path("shared/folder"), "mode"); mode&0o2000 == 0 {
		t.Errorf("a folder in it has mode %o, want setgid", mode)
	}
}
