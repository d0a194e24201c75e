package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLinkOfObject gives an object a second name: the same inode, fetched
// first where it is not here.
func TestLinkOfObject(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		keys := archives("linked", 2)
		made := s.build("archive", m.point, keys[:1]).acknowledged()
		other.learn()
		a := s.self()
		for _, x := range []*mount{m, other} {
			object, saved := x.path(keys[0]), x.path("saved")
			a.do("link", object, saved)
			if a.attr(object, "ino") != a.attr(saved, "ino") {
				t.Errorf("%v: the names are different inodes", x)
			}
			if got := a.attr(saved, "nlink"); got != 2 {
				t.Errorf("%v: nlink is %d, want 2", x, got)
			}
			if got := sum(saved); got != made[keys[0]] {
				t.Errorf("%v: the link holds other bytes", x)
			}
			a.want("EEXIST", "link", object, saved)
			a.want("EEXIST", "link", saved, object)
		}
		other.mustCount("fetched.objects", 1)

		a.do("makedirs", m.path(filepath.Dir(keys[1])))
		a.do("link", m.path(keys[0]), m.path(keys[1])) // the same bytes under another key
		made[keys[1]] = made[keys[0]]
		s.shares(made)
		if a.attr(m.path(keys[0]), "ino") != a.attr(m.path(keys[1]), "ino") {
			t.Errorf("link of an object to an object is another inode")
		}
		if got := a.attr(m.path(keys[0]), "nlink"); got != 3 {
			t.Errorf("nlink is %d, want 3", got)
		}

		a.do("unlink", m.path(keys[0]))
		delete(made, keys[0])
		s.shares(made)
		if got := sum(m.path("saved")); got != made[keys[1]] {
			t.Errorf("unlinking the object took the other name's bytes")
		}
		if got := a.attr(m.path("saved"), "nlink"); got != 2 {
			t.Errorf("nlink is %d, want 2", got)
		}
	})
}

// TestRenameOfObject takes an object's name away: it leaves the remote and
// stays here.
func TestRenameOfObject(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		keys := archives("moved", 3)
		made := s.build("archive", m.point, keys[:2]).acknowledged()
		a := s.self()
		ino := a.attr(m.path(keys[0]), "ino")
		a.do("rename", m.path(keys[0]), m.path("kept"))
		a.want("ENOENT", "stat", m.path(keys[0]))
		if sum(m.path("kept")) != made[keys[0]] || a.attr(m.path("kept"), "ino") != ino {
			t.Errorf("what was renamed is another file now")
		}
		a.do("rename", m.path("kept"), m.path(keys[0])) // and back
		s.shares(made)

		other.learn()
		a.do("makedirs", other.path(filepath.Dir(keys[2])))
		a.do("rename", other.path(keys[1]), other.path(keys[2])) // on a host that does not have it
		made[keys[2]] = made[keys[1]]
		delete(made, keys[1])
		s.shares(made)
		mustHold(t, other.point, made)
		m.learn()
		a.do("write_file", m.path("scratch"), "x")
		a.want("EEXIST", "renameat2", m.path("scratch"), m.path(keys[0]), unix.RENAME_NOREPLACE)
		a.do("rename", m.path(keys[0]), m.path("scratch")) // over a scratch file
		if sum(m.path("scratch")) != made[keys[0]] {
			t.Errorf("rename of an object over scratch lost its bytes")
		}
	})
}

// TestRenameOfFolder moves folders that hold objects, or would make some: in
// one step that cannot be, so mv(1) copies.
func TestRenameOfFolder(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		key := archive("folder", "package", 1)
		top := key[:2]
		made := s.build("archive", m.point, []string{key}).acknowledged()
		a := s.self()
		a.want("EXDEV", "rename", m.path(top), m.path("backup"))
		a.want("EXDEV", "rename", m.path(key[:5]), m.path("backup"))
		fresh := s.mount("fresh") // which knows of the folder what the remote says
		fresh.learn()
		a.want("EXDEV", "rename", fresh.path(key[:5]), fresh.path("backup"))
		fresh.stop()
		s.must("mv", m.path(top), m.path("backup"))
		s.shares(nil)
		a.want("ENOENT", "stat", m.path(top))
		if got := sum(m.path("backup", key[3:])); got != made[key] {
			t.Errorf("mv lost the bytes")
		}
		a.want("EXDEV", "rename", m.path("backup"), m.path(top))
		s.must("mv", m.path("backup"), m.path(top))
		s.shares(made)
		mustHold(t, m.point, made)

		a.do("makedirs", m.path("plain/below"))
		a.do("write_file", m.path("plain/below/file"), "x")
		a.do("rename", m.path("plain"), m.path("other"))
		if got := a.read(m.path("other/below/file")); got != "x" {
			t.Errorf("a folder without objects: %q", got)
		}
	})
}

// TestOpenObjects lets names go while files are open.
func TestOpenObjects(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		keys := archives("open", 3)
		s.build("archive", m.point, keys)
		other.learn()
		a, b := s.self(), s.self()
		for _, x := range []*mount{m, other} {
			a.want("EEXIST", "open", x.path(keys[2]), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o666)
		}
		for i, x := range []*mount{m, other} {
			want := a.read(x.path(keys[i]))
			fd := a.open(x.path(keys[i]), unix.O_RDONLY)
			ino := number(a.do("fstat", fd), "ino")
			b.do("unlink", x.path(keys[i]))
			a.want("ENOENT", "stat", x.path(keys[i]))
			if got := a.do("pread", fd, 1<<20, 0); got != want {
				t.Errorf("%v: an open object lost its bytes with its name", x)
			}
			if st := a.do("fstat", fd); number(st, "ino") != ino || number(st, "nlink") != 0 {
				t.Errorf("%v: fstat of an open object without a name: %v", x, st)
			}
			a.do("close", fd)
		}
		fd := a.open(other.path(keys[2]), unix.O_RDONLY)
		want := a.do("pread", fd, 1<<20, 0)
		a.do("rename", other.path(keys[2]), other.path("away"))
		if got := a.do("pread", fd, 1<<20, 0); got != want || number(a.do("fstat", fd), "nlink") != 1 {
			t.Errorf("an open object lost its bytes with a rename")
		}
	})
}

// TestEmptyArchive publishes nothing of zero length: link fails with EIO, which
// BitBake survives; rename keeps the file beside the name.
func TestEmptyArchive(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		key := archives("empty", 1)[0]
		a := s.self()
		a.do("makedirs", m.path(filepath.Dir(key)))
		a.do("write_file", m.path("tmp"), "")
		a.want("EIO", "link", m.path("tmp"), m.path(key))
		a.want("ENOENT", "stat", m.path(key))
		a.do("rename", m.path("tmp"), m.path(key))
		a.want("ENOENT", "stat", m.path(key))
		a.do("stat", m.path(key)+".partial")
		s.shares(nil)
		b := s.build("archive", m.point, []string{key})
		b.all(t, "published", []string{key})
		s.shares(b.acknowledged())
	})
}

// TestEmptyArchiveOfOthers treats one that is on the remote as a miss, which
// the next publish mends.
func TestEmptyArchiveOfOthers(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		key := archives("empty", 1)[0]
		s.put(key, "")
		m := s.mount("a")
		s.self().want("ENOENT", "stat", m.path(key))
		if got := files(t, m.point); len(got) != 0 {
			t.Errorf("the mount shows %v", got)
		}
		b := s.build("archive", m.point, []string{key})
		b.all(t, "published", []string{key})
		s.shares(b.acknowledged())
	})
}

// TestWriteAfterPublish writes through a handle from before the publish: what
// is published must not change. Where the kernel passes writes through to the
// cache it cannot be told so (docs/SEMANTICS.md); that needs root.
func TestWriteAfterPublish(t *testing.T) {
	needsRoot(t)
	openFuseDevice(t)
	for name, uid := range map[string]int{"passthrough": root, "user": nobody} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.give(uid)
			m := s.mountAs(uid, "a")
			key := archives("late", 1)[0]
			a := s.actor(uid)
			a.do("makedirs", m.path(filepath.Dir(key)))
			fd := int(integer(a.do("open", m.path("tmp"), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)))
			content := strings.Repeat("published", 1000)
			a.do("write", fd, content)
			a.do("link", m.path("tmp"), m.path(key))
			a.want("EPERM", "ftruncate", fd, 10)
			a.want("EPERM", "truncate", m.path("tmp"), 10)
			if uid != root {
				a.want("EPERM", "pwrite", fd, "CHANGED", 0)
			}
			a.do("close", fd)
			for _, path := range []string{s.far(key), m.path(key), m.cache + "/objects/" + key} {
				if got := a.read(path); got != content {
					t.Errorf("%s has changed after it was published: %.20q", path, got)
				}
			}
		})
	}
}
