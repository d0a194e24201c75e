package integration

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sample is a whole archive outside the mount, and the key it belongs to.
func (s *site) sample(name string, n int) (key, file string) {
	s.t.Helper()
	key = archive(name, "package", n)
	dir := s.mkdir("samples", 0o755)
	s.build("archive", dir, []string{key})
	return key, filepath.Join(dir, key)
}

// TestCopy writes under final names with cp and install: an object when it is
// closed, and shared by then.
func TestCopy(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		for i, command := range []string{`cp "$1" "$2"`, `cp -p "$1" "$2"`, `cat "$1" > "$2"`, `install -m 644 "$1" "$2"`, `dd if="$1" of="$2" bs=100 status=none`} {
			key, file := s.sample("copied", i)
			s.sh(`mkdir -p "$(dirname "$2")"; `+command, file, m.path(key))
			for _, got := range []string{m.path(key), s.far(key)} {
				if sum(got) != sum(file) {
					t.Errorf("%s: %s is not what was copied", command, got)
				}
			}
		}
		m.mustCount("published.objects", 5)
	})
}

// TestWriteInPieces is wget: until the last close the name is a miss.
func TestWriteInPieces(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		key, file := s.sample("pieces", 1)
		data, _ := os.ReadFile(file)
		a, b := s.self(), s.self()
		a.do("makedirs", m.path(filepath.Dir(key)))
		fd := int(integer(a.do("open", m.path(key), unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o666)))
		for at := 0; at < len(data); at += 1000 {
			a.do("write", fd, latin1(data[at:min(len(data), at+1000)]))
		}
		b.want("ENOENT", "stat", m.path(key))
		if _, err := os.Stat(s.far(key)); err == nil {
			t.Errorf("on the remote before it was closed")
		}
		a.do("close", fd)
		b.want("", "stat", m.path(key))
		if s.sum(key) != sum(file) || sum(m.path(key)) != sum(file) {
			t.Errorf("not published at the last close")
		}
	})
}

// latin1 is the form in which bytes go to an actor.
func latin1(data []byte) string {
	runes := make([]rune, len(data))
	for i, b := range data {
		runes[i] = rune(b)
	}
	return string(runes)
}

// TestTruncatedCopy keeps what is not whole beside the name, which stays what
// it was.
func TestTruncatedCopy(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		key, file := s.sample("cut", 1)
		s.sh(`mkdir -p "$(dirname "$2")"; head -c -7 "$1" > "$2"`, file, m.path(key))
		a := s.self()
		eventually(t, startLimit, "NAME.partial", func() bool { _, err := os.Stat(m.path(key) + ".partial"); return err == nil })
		a.want("ENOENT", "stat", m.path(key))
		s.shares(nil)

		s.sh(`cp "$1" "$2"`, file, m.path(key)) // the second try is whole
		s.sh(`head -c 100 "$1" > "$2"`, file, m.path(key))
		eventually(t, startLimit, "NAME.partial anew", func() bool {
			fi, err := os.Stat(m.path(key) + ".partial")
			return err == nil && fi.Size() == 100
		})
		for _, got := range []string{m.path(key), s.far(key)} {
			if sum(got) != sum(file) {
				t.Errorf("%s: a truncated copy over it changed it", got)
			}
		}
		m.mustCount("published.objects", 1)
	})
}

// TestOverwrite copies other content over an object: handles from before keep
// theirs, the remote and the other host get the new.
func TestOverwrite(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m, other := s.mount("a"), s.mount("b")
		key, file := s.sample("over", 1)
		_, second := s.sample("over", 2)
		s.sh(`mkdir -p "$(dirname "$2")"; cp "$1" "$2"`, file, m.path(key))
		other.learn()
		a, b := s.self(), s.self()
		before := a.read(m.path(key))
		here, there := a.open(m.path(key), unix.O_RDONLY), b.open(other.path(key), unix.O_RDONLY)
		ino := a.attr(m.path(key), "ino")
		s.sh(`cp "$1" "$2"`, second, m.path(key))
		if a.do("pread", here, 1<<20, 0) != before || b.do("pread", there, 1<<20, 0) != before {
			t.Errorf("a handle from before reads other bytes")
		}
		if got := a.attr(m.path(key), "ino"); got == ino || number(a.do("fstat", here), "ino") != ino {
			t.Errorf("inode numbers: before %d, name now %d", ino, got)
		}
		want := map[string]string{key: sum(second)}
		s.shares(want)
		mustHold(t, m.point, want)
		other.learn()
		eventuallyHolds(t, other.point, want)
	})
}

// TestAppend makes an object longer by a second handle: a private copy that is
// published when it is closed.
func TestAppend(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		key, file := s.sample("append", 1)
		s.sh(`mkdir -p "$(dirname "$2")"; cp "$1" "$2"`, file, m.path(key))
		// A skippable frame (RFC 8878, 3.1.2) of 4 bytes leaves the archive whole.
		s.sh(`printf 'P*M\030\004\000\000\000abcd' | tee -a "$1" >> "$2"`, file, m.path(key))
		if sum(m.path(key)) != sum(file) || s.sum(key) != sum(file) {
			t.Errorf("what was appended is not there")
		}
	})
}

// TestTouchOfNothing is touch(1) of a name that is a miss: it must not become an
// empty archive.
func TestTouchOfNothing(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		a := s.self()
		key := archives("nothing", 1)[0]
		a.do("makedirs", m.path(filepath.Dir(key)))
		a.call("touch", m.path(key))
		eventually(t, startLimit, "the name is a miss again", func() bool { _, err := os.Stat(m.path(key)); return err != nil })
		a.do("touch", m.path(key)+".done")
		if got := files(t, m.point); len(got) != 1 {
			t.Errorf("the mount holds %v", got)
		}
		s.shares(nil)
	})
}
