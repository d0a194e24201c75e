package integration

import (
	"os"
	"testing"
	"time"
)

// indexed mounts the site's remote with an index, as NFS is.
func (s *site) indexed(name string, flags ...string) *mount {
	s.t.Helper()
	return s.mountOf("file://"+s.remote+"?index=always", os.Getuid(), name, flags...)
}

// seenWithin is how long what another host did may stay unknown: --refresh (1 s
// in these tests), the kernel's negative entries (5 s), and a slow machine.
const seenWithin = 20 * time.Second

// TestIndexRefresh lets a host see by itself what another publishes and
// removes.
func TestIndexRefresh(t *testing.T) {
	s := newSite(t)
	maker, user := s.indexed("a", "--refresh=1s"), s.indexed("b", "--refresh=1s")
	keys := archives("seen", 8)
	s.build("check", user.point, keys).all(t, "missing", keys)
	made := s.build("archive", maker.point, keys)
	s.build("check", maker.point, keys).all(t, "found", keys) // own at once
	eventually(t, seenWithin, "the other host sees them", func() bool { return foundAll(s, user, keys) })
	mustHold(t, user.point, made.acknowledged())

	for _, key := range keys[:4] {
		if err := os.Remove(s.path("remote", key)); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range []*mount{maker, user} {
		eventually(t, seenWithin, "what the remote lost is a miss", func() bool {
			for _, key := range keys[:4] {
				if _, err := os.Stat(m.path(key)); err == nil {
					_, _ = os.Stat(m.path(archive("other", "package", int(time.Now().UnixNano())))) // a miss refreshes
					return false
				}
			}
			return true
		})
		if got := len(files(t, m.point)); got != 4 {
			t.Errorf("%v shows %d objects, want 4", m, got)
		}
	}
	s.build("restore", user.point, keys[4:]).all(t, "restored", keys[4:])
}

func foundAll(s *site, m *mount, keys []string) bool {
	for _, key := range keys {
		if _, err := os.Stat(m.path(key)); err != nil {
			return false
		}
	}
	return true
}

// TestRefreshCommand makes what others did known at once, where nothing else
// would for an hour.
func TestRefreshCommand(t *testing.T) {
	s := newSite(t)
	user := s.indexed("b", "--refresh=1h")
	keys, more := archives("one", 6), archives("two", 6)
	for _, batch := range [][]string{keys, more} {
		s.build("check", user.point, batch).all(t, "missing", batch)
		made := writePlain(t, s.remote, batch)
		user.refresh()
		eventually(t, time.Second, "known after refresh", func() bool { return foundAll(s, user, batch) })
		mustHoldAll(t, user.point, made)
	}
	user.mustCount("index.objects", 12)

	for _, key := range keys {
		_ = os.Remove(s.path("remote", key))
	}
	user.refresh()
	eventually(t, time.Second, "gone after refresh", func() bool { return len(files(t, user.point)) == len(more) })
	user.mustCount("index.objects", 6, "cache.objects", 6)
}

// TestOtherSizeReplaces drops the cached copy of an object that has another
// size on the remote now; a newer time alone does not.
func TestOtherSizeReplaces(t *testing.T) {
	s := newSite(t)
	user := s.indexed("b", "--refresh=1h")
	keys := archives("size", 2)
	writePlain(t, s.remote, keys)
	a := s.self()
	before := a.read(user.path(keys[0]))
	a.read(user.path(keys[1]))
	fd := a.open(user.path(keys[0]), 0)
	inos := []int64{a.attr(user.path(keys[0]), "ino"), a.attr(user.path(keys[1]), "ino")}

	replacePlain(t, s.path("remote", keys[0]), "longer content than before, published by another tool, under the same name")
	replacePlain(t, s.path("remote", keys[1]), a.read(user.path(keys[1])))
	user.refresh()
	want := sum(s.path("remote", keys[0]))
	eventually(t, seenWithin, "the new content", func() bool { return sum(user.path(keys[0])) == want })
	if a.attr(user.path(keys[0]), "ino") == inos[0] {
		t.Errorf("other content has the same inode number")
	}
	if got := a.do("pread", fd, 1<<20, 0); got != before {
		t.Errorf("a handle from before reads other bytes")
	}
	if a.attr(user.path(keys[1]), "ino") != inos[1] {
		t.Errorf("a newer time alone replaced an object")
	}
	user.mustCount("fetched.objects", 3)
}

// replacePlain gives a file of the remote other content, as rsync does.
func replacePlain(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o664); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestGoneBehind removes an object on the remote behind the index: who opens it
// finds that it is gone, and from then on it is a miss.
func TestGoneBehind(t *testing.T) {
	s := newSite(t)
	user := s.indexed("b", "--refresh=1h")
	keys := archives("behind", 3)
	writePlain(t, s.remote, keys)
	s.build("check", user.point, keys).all(t, "found", keys)
	if err := os.Remove(s.path("remote", keys[0])); err != nil {
		t.Fatal(err)
	}
	a := s.self()
	a.want("ENOENT", "open", user.path(keys[0]), 0)
	eventually(t, time.Second, "a miss from now on", func() bool { _, e := a.call("stat", user.path(keys[0])); return e == "ENOENT" })
	b := s.build("archive", user.point, keys[:1])
	b.all(t, "published", keys[:1])
	mustHoldAll(t, s.remote, b.acknowledged())
}

// TestIndexSurvives answers from the last known listing after a remount.
func TestIndexSurvives(t *testing.T) {
	s := newSite(t)
	user := s.indexed("b")
	keys := archives("kept", 40)
	made := writePlain(t, s.remote, keys)
	user.refresh()
	user.stop()
	if err := os.Rename(s.remote, s.path("away")); err != nil {
		t.Fatal(err)
	}
	user.restart()
	begun := time.Now()
	s.build("check", user.point, keys).all(t, "found", keys)
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the check took %v with the remote away", took)
	}
	if err := os.Rename(s.path("away"), s.remote); err != nil {
		t.Fatal(err)
	}
	eventually(t, startLimit, "ok again", func() bool { return user.status().text("remote.state") == "ok" })
	eventually(t, seenWithin, "all are found", func() bool { return foundAll(s, user, keys) })
	mustHoldAll(t, user.point, made)
}
