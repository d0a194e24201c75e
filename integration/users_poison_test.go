package integration

import (
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestGuestsCannotPoison is a shared mount with --unlink=refuse: what one user
// has published no other can replace, change, hide or take away, in any of the
// ways in which a file's content can be changed, and a build that meets it goes
// on.
func TestGuestsCannotPoison(t *testing.T) {
	needsRoot(t)
	onRemotes(t, []place{directory(), indexed()}, func(t *testing.T, s *site) {
		m := s.mount("a", "--allow-other", "--unlink=refuse")
		p := &poisoner{m: m, key: archives("guarded", 1)[0]}
		made := s.buildAs(guestA, "archive", m.point, []string{p.key + ".siginfo", p.key}).acknowledged()
		p.check = func(how string) {
			t.Helper()
			m.holds(made)
			s.sharesAll(made)
			if t.Failed() {
				t.Fatalf("after %s", how)
			}
		}
		for _, user := range []*actor{s.actor(guestA), s.actor(guestB), s.self()} { // the publisher and root neither
			p.b = user
			p.byName()
			p.byContent()
			p.byLink()
			p.byFolder()
		}
		m.flush()
		p.check("all, on the remote")
		m.kill() // the kernel and the daemon know nothing of links and nodes now
		m.restart()
		p.b = s.actor(guestA)
		p.byLinkLeft()
		p.b = s.actor(guestB)
		p.byName()
		m.stop()
		m.restart()
		p.check("a remount")
		s.buildAs(guestB, "restore", m.point, []string{p.key}).all(t, "restored", []string{p.key})
	})
}

// poisoner is what user b tries with what another has published.
type poisoner struct {
	m     *mount
	b     *actor
	key   string
	check func(how string)
}

// byName removes, renames and renames over.
func (p *poisoner) byName() {
	key, sig := p.m.path(p.key), p.m.path(p.key)+".siginfo"
	own := p.m.path(filepath.Dir(p.key), "mine")
	for _, victim := range []string{key, sig} {
		p.b.want("EPERM", "unlink", victim)
		p.b.want("EPERM", "rename", victim, p.m.path("stolen"))
	}
	p.b.do("write_file", own, "poison")
	p.b.want("EPERM", "rename", own, key)
	p.b.want("EEXIST", "link", own, key)
	p.b.want("EEXIST", "link", own, sig)
	p.b.want("EEXIST", "renameat2", own, key, 1) // RENAME_NOREPLACE
	p.b.want("EINVAL", "renameat2", own, key, 2) // RENAME_EXCHANGE
	p.check("rename over the archive")
	// A build whose signature another published a moment ago must not fail.
	p.b.want("", "rename", own, sig)
	p.check("rename over the signature")
	p.b.want("ENOENT", "stat", own)
}

// byContent opens for writing in every way.
func (p *poisoner) byContent() {
	for _, victim := range []string{p.m.path(p.key), p.m.path(p.key) + ".siginfo"} {
		p.b.want("EPERM", "open", victim, unix.O_WRONLY|unix.O_TRUNC)
		p.b.want("EPERM", "open", victim, unix.O_RDONLY|unix.O_TRUNC)
		p.b.want("EPERM", "open", victim, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o666)
		p.b.want("EEXIST", "open", victim, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o666)
		p.b.want("EPERM", "truncate", victim, 0)
		fd := p.b.open(victim, unix.O_RDWR) // as touch(1) does
		p.b.want("EPERM", "pwrite", fd, "poison", 0)
		p.b.want("EPERM", "ftruncate", fd, 3)
		p.b.do("close", fd)
		p.b.want("", "touch", victim)
		p.b.want("", "utime", victim)
		if p.b.uid != root {
			p.b.want("EPERM", "chmod", victim, 0o600)
			p.b.want("EPERM", "chown", victim, p.b.uid, p.b.uid)
		}
	}
	p.check("opening for writing")
}

// byLink gives the object a second name of one's own and writes there, also
// after that name is gone again.
func (p *poisoner) byLink() {
	own := p.m.path("alias")
	p.b.do("link", p.m.path(p.key), own)
	p.write(own)
	p.check("writing through a link")
	p.throughDescriptor(own)
}

// byLinkLeft is byLink for a name that outlives the daemon: neither the kernel
// nor the next one knows what else it is.
func (p *poisoner) byLinkLeft() {
	own := p.m.path("alias")
	for _, through := range []func(string){p.write, p.throughDescriptor} {
		p.b.do("link", p.m.path(p.key), own)
		p.m.kill()
		p.m.restart()
		p.b = p.m.s.actor(guestA) // as whom the file is his
		through(own)
		_, _ = p.b.call("unlink", own)
		p.check("writing through a link of an earlier mount")
	}
}

// throughDescriptor removes a link while it is open, and writes to it then.
func (p *poisoner) throughDescriptor(own string) {
	fd := p.b.open(own, unix.O_RDONLY)
	p.b.do("unlink", own)
	p.write("/proc/self/fd/" + strconv.Itoa(fd))
	p.b.do("close", fd)
	p.check("writing through a link that was removed")
}

// write tries to change an object through another name of it. Some calls may
// succeed, as they do for touch(1), and change nothing.
func (p *poisoner) write(path string) {
	for _, flags := range []int{unix.O_WRONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_TRUNC, unix.O_RDONLY | unix.O_TRUNC} {
		if v, errno := p.b.call("open", path, flags); errno == "" {
			if flags&unix.O_TRUNC == 0 { // of the same length, or the object is fetched again
				_, _ = p.b.call("pwrite", integer(v), "poison", 0)
			}
			p.b.do("close", integer(v))
		}
		p.check("opening a second name")
	}
	_, _ = p.b.call("truncate", path, 0)
	_, _ = p.b.call("chmod", path, 0)
	_, _ = p.b.call("chmod", path, 0o664)
}

// byFolder puts something in the place of the folders above.
func (p *poisoner) byFolder() {
	top, leaf := p.key[:2], filepath.Dir(p.key)
	for _, dir := range []string{top, leaf} {
		p.b.want("EXDEV", "rename", p.m.path(dir), p.m.path("gone"))
		p.b.want("ENOTEMPTY", "rmdir", p.m.path(dir))
		p.b.want("EEXIST", "symlink", "/tmp", p.m.path(dir))
		p.b.want("EEXIST", "mkdir", p.m.path(dir))
		p.b.call("mkdir", p.m.path("other"))
		_, errno := p.b.call("rename", p.m.path("other"), p.m.path(dir))
		if errno != "ENOTEMPTY" && errno != "EXDEV" && errno != "EEXIST" {
			p.b.s.t.Errorf("rename of a folder over %s = %q", dir, errno)
		}
		p.b.want("EXDEV", "renameat2", p.m.path("other"), p.m.path(dir), 2)
		p.b.do("rmdir", p.m.path("other"))
	}
	p.b.want("EEXIST", "symlink", "/etc/passwd", p.m.path(p.key))
	p.check("replacing its folder")
}

// TestGuestsCannotSwap lets one user try to put his content into the place of
// another's temporary, from which that one is about to publish. The folders of
// objects are open to all.
func TestGuestsCannotSwap(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other")
	a, b := s.actor(guestA), s.actor(guestB)
	key := archives("swapped", 1)[0]
	leaf := m.path(filepath.Dir(key))
	a.do("makedirs", leaf)
	for _, name := range []string{m.path(key) + "abcd_123", m.path(key) + ".AbCdEfGh", filepath.Join(leaf, "sigtask.x8s_kd9a")} {
		a.do("write_file", name, "of a")
		a.do("chmod", name, 0o664)
		b.do("write_file", filepath.Join(leaf, "mine"), "of b")
		b.want("EPERM", "unlink", name)
		b.want("EPERM", "rename", name, filepath.Join(leaf, "taken"))
		b.want("EPERM", "rename", filepath.Join(leaf, "mine"), name)
		b.want("EPERM", "renameat2", filepath.Join(leaf, "mine"), name, 2)
		b.want("EACCES", "open", name, unix.O_WRONLY)
		b.want("EPERM", "link", name, filepath.Join(leaf, "alias")) // the kernel's protected_hardlinks
		if got := a.read(name); got != "of a" {
			t.Errorf("%s reads %q", name, got)
		}
		b.do("unlink", filepath.Join(leaf, "mine"))
		a.do("unlink", name)
	}
	a.do("mkdir", filepath.Join(leaf, "tmpab12cd34"), 0o700)
	b.want("EPERM", "rename", filepath.Join(leaf, "tmpab12cd34"), filepath.Join(leaf, "taken"))
	b.want("EPERM", "rmdir", filepath.Join(leaf, "tmpab12cd34"))
	s.self().do("rmdir", filepath.Join(leaf, "tmpab12cd34")) // root cleans up
}

// TestGuestsCannotMoveFolders lets one user try to take away the folders in which
// another is about to publish the first object, or to put something in their place.
func TestGuestsCannotMoveFolders(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other", "--unlink=refuse")
	a, b := s.actor(guestA), s.actor(guestB)
	for _, extra := range []string{"", "universal", "other"} {
		key := filepath.Join(extra, archives("moved"+extra, 1)[0])
		leaf := filepath.Dir(key)
		b.do("makedirs", m.path(filepath.Dir(leaf))) // whose the folders are does not count
		a.do("makedirs", m.path(leaf))
		tmp := m.path(key) + "abcd_123"
		a.do("write_file", tmp, "of a")
		b.do("mkdir", m.path("empty"))
		for dir := leaf; dir != "."; dir = filepath.Dir(dir) {
			b.want("EPERM", "rename", m.path(dir), m.path("gone"))
			b.want("EPERM", "rename", m.path("empty"), m.path(dir))
			b.want("EPERM", "renameat2", m.path("empty"), m.path(dir), 2) // RENAME_EXCHANGE
		}
		b.do("rmdir", m.path("empty"))
		a.do("link", tmp, m.path(key))
		if got := b.read(m.path(key)); got != "of a" {
			t.Errorf("%s reads %q", key, got)
		}
	}
	b.do("write_file", m.path("mine"), "of b")
	b.do("makedirs", m.path("fd"))
	for _, place := range []string{"fe", "fd/fe", "universal/fd"} {
		b.want("EPERM", "symlink", "/tmp", m.path(place))
		b.want("EPERM", "link", m.path("mine"), m.path(place))
		b.want("EPERM", "rename", m.path("mine"), m.path(place))
		b.want("EPERM", "open", m.path(place), unix.O_CREAT|unix.O_WRONLY, 0o666)
		a.do("makedirs", m.path(filepath.Join(place, "01")))
	}
	empty := m.path("fc")
	a.do("mkdir", empty)
	b.want("EPERM", "rmdir", empty)
	a.do("rmdir", empty)
}

// TestGuestsCannotMoveOthers: what one user made in a folder that is open to all
// stays where it is. Another who put it where his own was, while a call of his on
// that is under way, would have the call done to it.
func TestGuestsCannotMoveOthers(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other")
	a, b := s.actor(guestA), s.actor(guestB)
	a.do("makedirs", m.path("fe/01"))
	for _, dir := range []string{m.point, m.path("fe/01")} {
		file, folder := filepath.Join(dir, "file"), filepath.Join(dir, "folder")
		own, gone := filepath.Join(dir, "own"), filepath.Join(dir, "gone")
		a.do("write_file", file, "of a")
		a.do("mkdir", folder)
		b.do("write_file", own, "of b")
		for _, theirs := range []string{file, folder} {
			b.want("EPERM", "rename", theirs, gone)
			b.want("EPERM", "renameat2", theirs, own, 2) // RENAME_EXCHANGE
			b.want("EPERM", "renameat2", own, theirs, 2)
			a.do("rename", theirs, gone)
			a.do("rename", gone, theirs)
		}
		b.do("rename", own, gone)
		b.do("rename", gone, file) // as unlink and rename, which locks and stamps need
		b.do("unlink", file)
		a.do("rmdir", folder)
	}
}

// TestGuestsCannotBlockNames lets one user make something else under the names of
// objects that another is about to publish: their hashes are no secret.
func TestGuestsCannotBlockNames(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a", "--allow-other")
	b := s.actor(guestB)
	for n, key := range archives("blocked", 2) {
		b.do("makedirs", m.path(filepath.Dir(key)))
		b.do("mkdir", m.path("folder"))
		b.do("mkfifo", m.path("pipe"))
		b.do("symlink", "/nowhere", m.path(key)) // as BitBake does for what a mirror has
		for _, name := range []string{m.path(key) + ".siginfo", m.path(key) + ".sig"} {
			b.want("EPERM", "mkdir", name, 0o755)
			b.want("EPERM", "mkfifo", name)
			b.want("EPERM", "rename", m.path("folder"), name)
			b.want("EPERM", "rename", m.path("pipe"), name)
			b.want("EPERM", "renameat2", m.path("folder"), name, 1) // RENAME_NOREPLACE
			b.do("symlink", "/nowhere", name)
			b.want("EPERM", "renameat2", m.path("folder"), name, 2) // RENAME_EXCHANGE
			b.want("EPERM", "renameat2", name, m.path("folder"), 2)
			b.do("rename", name, m.path("link"))
			b.do("rename", m.path("link"), name)
			b.do("unlink", name)
		}
		b.do("unlink", m.path(key))
		b.do("rmdir", m.path("folder"))
		b.do("unlink", m.path("pipe"))
		kind := []string{"archive", "signed"}[n]
		s.buildAs(guestA, kind, m.point, []string{key}).acknowledged()
	}
}
