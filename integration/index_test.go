package integration

import (
	"os"
	"testing"
	"time"
)

// seenWithin is how long what another host did may stay unknown: --refresh (1 s
// in these tests), the kernel's negative entries (5 s), and a slow machine.
const seenWithin = 20 * time.Second

// TestIndexRefresh lets a host see by itself what another publishes and
// removes.
func TestIndexRefresh(t *testing.T) {
	forEachIndex(t, func(t *testing.T, s *site) {
		maker, user := s.mount("a", "--refresh=1s"), s.mount("b", "--refresh=1s")
		keys := archives("seen", 8)
		s.build("check", user.point, keys).all(t, "missing", keys)
		made := s.build("archive", maker.point, keys)
		s.build("check", maker.point, keys).all(t, "found", keys) // own at once
		eventually(t, seenWithin, "the other host sees them", func() bool { return foundAll(s, user, keys) })
		mustHold(t, user.point, made.acknowledged())

		for _, key := range keys[:4] {
			s.drop(key)
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
	})
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
	forEachIndex(t, func(t *testing.T, s *site) {
		user := s.mount("b", "--refresh=1h")
		keys, more := archives("one", 6), archives("two", 6)
		for _, batch := range [][]string{keys, more} {
			s.build("check", user.point, batch).all(t, "missing", batch)
			made := s.writePlain(batch)
			user.refresh()
			eventually(t, time.Second, "known after refresh", func() bool { return foundAll(s, user, batch) })
			mustHoldAll(t, user.point, made)
		}
		user.mustCount("index.objects", 12)

		for _, key := range keys {
			s.drop(key)
		}
		user.refresh()
		eventually(t, time.Second, "gone after refresh", func() bool { return len(files(t, user.point)) == len(more) })
		user.mustCount("index.objects", 6)
		user.awaitCount("cache.objects", 6) // a refresh in the background may be the one that tells
	})
}

// TestOtherSizeReplaces drops the cached copy of an object that has another
// size on the remote now; a newer time alone does not.
func TestOtherSizeReplaces(t *testing.T) {
	forEachIndex(t, func(t *testing.T, s *site) {
		user := s.mount("b", "--refresh=1h")
		keys := archives("size", 2)
		s.writePlain(keys)
		user.learn()
		a := s.self()
		before := a.read(user.path(keys[0]))
		a.read(user.path(keys[1]))
		fd := a.open(user.path(keys[0]), 0)
		inos := []int64{a.attr(user.path(keys[0]), "ino"), a.attr(user.path(keys[1]), "ino")}

		s.put(keys[0], "longer content than before, published by another tool, under the same name")
		s.put(keys[1], a.read(user.path(keys[1])))
		user.refresh()
		want := s.sum(keys[0])
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
	})
}

// TestGoneBehind removes an object on the remote behind the index: who opens it
// finds that it is gone, and from then on it is a miss.
func TestGoneBehind(t *testing.T) {
	forEachIndex(t, func(t *testing.T, s *site) {
		user := s.mount("b", "--refresh=1h")
		keys := archives("behind", 3)
		s.writePlain(keys)
		user.learn()
		s.build("check", user.point, keys).all(t, "found", keys)
		s.drop(keys[0])
		a := s.self()
		a.want("ENOENT", "open", user.path(keys[0]), 0)
		eventually(t, time.Second, "a miss from now on", func() bool { _, e := a.call("stat", user.path(keys[0])); return e == "ENOENT" })
		b := s.build("archive", user.point, keys[:1])
		b.all(t, "published", keys[:1])
		s.sharesAll(b.acknowledged())
	})
}

// TestIndexSurvives answers from the last known listing after a remount.
func TestIndexSurvives(t *testing.T) {
	forEachIndex(t, func(t *testing.T, s *site) {
		user := s.mount("b")
		keys := archives("kept", 40)
		made := s.writePlain(keys)
		user.refresh()
		user.stop()
		s.hide()
		user.restart()
		begun := time.Now()
		s.build("check", user.point, keys).all(t, "found", keys)
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("the check took %v with the remote away", took)
		}
		s.show()
		eventually(t, startLimit, "ok again", func() bool { return user.status().text("remote.state") == "ok" })
		eventually(t, seenWithin, "all are found", func() bool { return foundAll(s, user, keys) })
		mustHoldAll(t, user.point, made)
	})
}
