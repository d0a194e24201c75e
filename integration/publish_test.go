package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

func TestPublishUnsigned(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		m := s.mount("a", "--publish="+mode)
		keys := archives("zlib", 12)
		b := s.build("archive", m.point, keys)
		b.all(t, "published", keys)
		if mode == "queue" {
			m.flush()
		}
		s.shares(b.acknowledged())
		mustHold(t, m.point, b.acknowledged())
		mustHold(t, m.cache+"/objects", b.acknowledged())
		m.mustCount("published.objects", 12, "queue.objects", 0, "queue.bytes", 0, "remote.errors", 0)

		// An existing object is touched, never written again.
		before := inode(t, s.far(keys[0]))
		s.build("archive", m.point, keys).all(t, "exists", keys)
		m.mustCount("published.objects", 12)
		if now := inode(t, s.far(keys[0])); now != before {
			t.Errorf("an object that exists was sent again")
		}
	})
}

// TestPublishModes holds the modes that BitBake leaves behind.
func TestPublishModes(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	key := archives("zlib", 1)[0]
	s.build("archive", m.point, []string{key, key + ".siginfo"})
	a := s.self()
	for _, base := range []string{m.point, m.cache + "/objects"} {
		if got := a.attr(base+"/"+key, "mode"); got != 0o100664 {
			t.Errorf("%s: mode of an archive is %o, want 100664", base, got)
		}
	}
	if got := a.attr(m.path(filepath.Dir(key)), "mode"); got != 0o40775 {
		t.Errorf("mode of its folder is %o, want 40775", got)
	}
	if got := a.attr(m.path(key), "nlink"); got != 1 {
		t.Errorf("nlink of a published archive is %d, want 1", got)
	}
}

func TestPublishSiginfo(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		keys := with(archives("zlib", 6), ".siginfo")
		first := s.build("siginfo", m.point, keys)
		s.shares(first.acknowledged())
		other.learn()
		mustHold(t, other.point, first.acknowledged())
		s.build("siginfo", m.point, keys).all(t, "exists", keys)

		// rename(2) over an existing name replaces, here and for the others; who
		// has the old one open keeps it.
		a, b := s.self(), s.self()
		old := a.read(m.path(keys[0]))
		here, there := a.open(m.path(keys[0]), 0), b.open(other.path(keys[0]), 0)
		ino := a.attr(m.path(keys[0]), "ino")
		second := s.build("replace", m.point, keys)
		second.all(t, "published", keys)
		s.shares(second.acknowledged())
		mustHold(t, m.point, second.acknowledged())
		other.learn()
		eventuallyHolds(t, other.point, second.acknowledged())
		if got := a.do("pread", here, 1<<20, 0); got != old {
			t.Errorf("a handle from before the replacement reads other bytes")
		}
		if got := b.do("pread", there, 1<<20, 0); got != old {
			t.Errorf("a handle of the other mount from before the replacement reads other bytes")
		}
		if a.attr(m.path(keys[0]), "ino") == ino {
			t.Errorf("other content has the same inode number")
		}
	})
}

func TestPublishShell(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		keys := archives("busybox", 4)
		for i, k := range archives("dunfell", 4) {
			keys = append(keys, strings.Replace(strings.TrimSuffix(k, ".tar.zst"), ":14:", ":3:", 1)+".tgz")
			_ = i
		}
		b := s.build("shell", m.point, keys)
		b.all(t, "published", keys)
		s.shares(b.acknowledged())
		mustHold(t, m.point, b.acknowledged())
		s.build("shell", m.point, keys).all(t, "exists", keys)
		s.build("restore", m.point, keys).all(t, "restored", keys)
	})
}

// TestPublishOverDanglingLink is `ln -f`, which links under the name CuXXXXXX
// and renames that over the link.
func TestPublishOverDanglingLink(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		a := s.self()
		key := archives("busybox", 1)[0]
		a.do("makedirs", m.path(filepath.Dir(key)))
		a.do("symlink", "/nonexistent/mirror/file", m.path(key))
		a.want("ENOENT", "stat", m.path(key))
		b := s.build("shell", m.point, []string{key})
		b.all(t, "published", []string{key})
		s.shares(b.acknowledged())
		mustHold(t, m.point, b.acknowledged())
	})
}

func TestPublishSigned(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		m := s.mount("a", "--publish="+mode)
		keys := archives("openssl", 6)
		b := s.build("signed", m.point, keys)
		b.all(t, "published", keys)
		m.flush()
		s.shares(b.acknowledged())
		mustHold(t, m.point, b.acknowledged())
		s.build("signed", m.point, keys).all(t, "exists", keys)
		s.build("restore", m.point, keys).all(t, "restored", keys)
	})
}

// TestLinkRace lets processes link one final name: one wins, the others are
// told EEXIST.
func TestLinkRace(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		m := s.mount("a", "--publish="+mode)
		const writers, rounds = 5, 8
		var actors []*actor
		for range writers {
			actors = append(actors, s.self())
		}
		for _, key := range archives("race", rounds) {
			raceForName(t, s, m, key, actors)
		}
		m.flush()
		if got := len(s.names()); got != rounds {
			t.Errorf("remote holds %d files, want %d", got, rounds)
		}
		m.mustCount("published.objects", rounds)
	})
}

func raceForName(t *testing.T, s *site, m *mount, key string, actors []*actor) {
	t.Helper()
	actors[0].do("makedirs", m.path(filepath.Dir(key)), 0o775, true)
	for i, a := range actors {
		a.do("write_file", m.path(key)+"writer_"+string(rune('a'+i)), strings.Repeat(string(rune('a'+i)), 5000))
	}
	for i, a := range actors {
		a.begin("link", m.path(key)+"writer_"+string(rune('a'+i)), m.path(key))
	}
	winner := ""
	for i, a := range actors {
		switch _, errno := a.finish(); {
		case errno == "" && winner == "":
			winner = strings.Repeat(string(rune('a'+i)), 5000)
		case errno != "EEXIST":
			t.Errorf("link of writer %d: %q, want one success and EEXIST for the others", i, errno)
		}
	}
	if winner == "" {
		t.Fatalf("nobody won")
	}
	if got := actors[0].read(m.path(key)); got != winner {
		t.Errorf("the name does not hold what the winner wrote")
	}
	for i, a := range actors {
		a.do("unlink", m.path(key)+"writer_"+string(rune('a'+i)))
	}
}

// TestMkdirRace lets two processes make the same folders: exactly one makes
// each, the other is told EEXIST.
func TestMkdirRace(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a, b := s.self(), s.self()
	for i := range 40 {
		key := archive("mkdir", "package", i)
		for _, dir := range []string{m.path(key[:2]), m.path(key[:5])} {
			a.begin("mkdir", dir, 0o777)
			b.begin("mkdir", dir, 0o777)
			_, e1 := a.finish()
			_, e2 := b.finish()
			if e1+e2 != "EEXIST" && !(e1 == "EEXIST" && e2 == "EEXIST" && len(dir) == len(m.path(key[:2]))) {
				t.Errorf("mkdir %s in two processes: %q and %q, want one EEXIST", dir, e1, e2)
			}
			a.want("", "stat", dir)
		}
	}
}

// TestOpenWhileReplaced opens a signature by its name while others replace it all
// the time: one content or another is there at any moment, and open(2) finds it.
func TestOpenWhileReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.mount("a", "--publish=queue")
	key := archives("zlib", 1)[0] + ".siginfo"
	replace := func(from string, n int) error {
		tmp := m.path(filepath.Dir(key), fmt.Sprintf("sigtask.%s%d", from, n))
		if err := os.WriteFile(tmp, []byte(tmp), 0o664); err != nil {
			return err
		}
		return os.Rename(tmp, m.path(key))
	}
	if err := os.MkdirAll(filepath.Dir(m.path(key)), 0o775); err != nil {
		t.Fatal(err)
	}
	if err := replace("first", 0); err != nil {
		t.Fatal(err)
	}
	var writers, readers errgroup.Group
	done := make(chan struct{})
	for _, from := range []string{"a", "b", "c"} {
		writers.Go(func() error {
			for n := range 60 {
				if err := replace(from, n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 2 {
		readers.Go(func() error {
			for {
				text, err := os.ReadFile(m.path(key))
				if err != nil || !strings.HasPrefix(string(text), m.point) {
					return fmt.Errorf("read %q: %w", text, err)
				}
				select {
				case <-done:
					return nil
				default:
				}
			}
		})
	}
	err := writers.Wait()
	close(done)
	if err := errors.Join(err, readers.Wait()); err != nil {
		t.Error(err)
	}
}
