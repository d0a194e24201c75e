package integration

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadOnly publishes and removes on a mount that sends nothing: it stays
// here, also over a remount.
func TestReadOnly(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		theirs := archives("theirs", 4)
		onRemote := s.writePlain(theirs)
		age := s.usedAt(theirs[1])
		m, other := s.mount("a", "--read-only"), s.mount("b", "--touch-interval=8w")
		keys := archives("ours", 5)
		b := s.build("build", m.point, keys)
		b.all(t, "published", keys)
		a := s.self()
		a.do("unlink", m.path(theirs[0]))
		a.do("touch", m.path(theirs[1]))
		for range 2 {
			m.flush()
			s.shares(onRemote)
			mustHold(t, other.point, onRemote)
			m.holds(b.acknowledged())
			s.build("build", m.point, keys).all(t, "restored", keys)
			a.want("ENOENT", "stat", m.path(theirs[0]))
			a.want("", "stat", m.path(theirs[2]))
			m.mustCount("queue.objects", 0, "touches.sent", 0)
			m.stop()
			m.restart()
		}
		if !s.usedAt(theirs[1]).Equal(age) {
			t.Errorf("a touch reached the remote")
		}
		if m.status().text("read_only") != "" || !strings.Contains(s.must(binary, "status", m.point), "read-only") {
			t.Errorf("status does not say that the mount is read-only")
		}
	})
}

// noise writes an object of n random bytes on the remote.
func (s *site) noise(key string, n int) string {
	s.t.Helper()
	data := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(data)
	s.put(key, string(data))
	return s.sum(key)
}

// TestCacheSize keeps the quota: the longest unused go, and what does not fit
// at all is read through.
func TestCacheSize(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		keys := archives("sized", 30)
		want := map[string]string{}
		for _, key := range keys {
			want[key] = s.noise(key, 50_000)
		}
		const limit = 600 << 10
		big := archives("big", 1)[0]
		want[big] = s.noise(big, 2*limit)
		m := s.mount("a", "--cache-size=600K")
		m.holds(want)
		s.build("check", m.point, keys).all(t, "found", keys)
		eventually(t, startLimit, "the cache keeps its quota", func() bool { return m.count("cache.bytes") <= limit })
		if n := m.count("cache.objects"); n < 5 || n > 12 {
			t.Errorf("the cache holds %d objects of 50 KB under a limit of 600 KiB", n)
		}
		if _, err := os.Stat(m.cache + "/objects/" + big); err == nil {
			t.Errorf("what does not fit was kept")
		}
		m.holds(want) // again, from wherever it is
		readInPieces(t, s, m.path(big), s.far(big))

		result := m.ask("trim")
		if left := result.number(t, "left.bytes"); left > limit {
			t.Errorf("trim left %d bytes", left)
		}
		m.holds(want)
		s.shares(want) // trimming is local
	})
}

// readInPieces reads backwards, in the middle and by several readers at once.
func readInPieces(t *testing.T, s *site, path, plain string) {
	t.Helper()
	data, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := make([]byte, 10_000)
	for at := int64(len(data) - len(buf)); at >= 0; at -= 100_000 {
		if _, err := f.ReadAt(buf, at); err != nil || !bytes.Equal(buf, data[at:at+int64(len(buf))]) {
			t.Errorf("read at %d: %v, or other bytes", at, err)
		}
	}
	s.together(3, func(int) []string { return []string{"cmp", path, plain} })
}

// TestPublishBeyondCacheSize publishes more than the cache holds: all of it
// arrives.
func TestPublishBeyondCacheSize(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		m := s.mount("a", "--cache-size=40K", "--publish="+mode)
		keys := archives("published", 12)
		b := s.build("build", m.point, keys)
		b.all(t, "published", keys)
		m.flush()
		s.shares(b.acknowledged())
		m.holds(b.acknowledged())
		s.build("restore", m.point, keys).all(t, "restored", keys)
		eventually(t, startLimit, "the cache keeps its quota", func() bool { return m.count("cache.bytes") <= 40<<10 })
	})
}

// TestFullDisk asks for more free space than the disk has: nothing is kept
// here, and builds go on.
func TestFullDisk(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a", "--min-free=100%")
		keys := archives("full", 6)
		b := s.build("build", m.point, keys)
		b.all(t, "published", keys)
		s.shares(b.acknowledged())
		s.build("build", m.point, keys).all(t, "restored", keys)
	})
}

// TestQueueSize publishes into a full queue: archives are not taken, which
// BitBake survives; signatures always are.
func TestQueueSize(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a", "--queue-size=30K", "--publish-timeout=1s")
		s.hide()
		a := s.self()
		full := 0
		keys := archives("queued", 10)
		taken := map[string]string{}
		for _, key := range keys {
			a.do("makedirs", m.path(filepath.Dir(key)), 0o775, true)
			a.do("write_file", m.path("tmp"), key+letters(9000))
			switch _, errno := a.call("link", m.path("tmp"), m.path(key)); errno {
			case "":
				taken[key] = sum(m.path("tmp"))
			case "ENOSPC":
				full++
				a.want("ENOENT", "stat", m.path(key))
			default:
				t.Errorf("link into a full queue: %s, want ENOSPC", errno)
			}
			a.do("unlink", m.path("tmp"))
			a.do("write_file", m.path("sigtask.abcdefgh"), "signature of "+key)
			a.do("rename", m.path("sigtask.abcdefgh"), m.path(key)+".siginfo")
			taken[key+".siginfo"] = sum(m.path(key) + ".siginfo")
		}
		if full < 5 || full > 8 {
			t.Errorf("%d of 10 archives of 9 KB were refused with --queue-size=30K", full)
		}
		s.show()
		m.flush()
		s.shares(taken)
		m.mustCount("queue.objects", 0, "queue.bytes", 0)
	})
}

// TestDurability publishes with everything synced.
func TestDurability(t *testing.T) {
	s := newSite(t)
	m := s.mount("a", "--durability=data")
	keys := archives("durable", 4)
	b := s.build("build", m.point, keys)
	b.all(t, "published", keys)
	s.shares(b.acknowledged())
}
