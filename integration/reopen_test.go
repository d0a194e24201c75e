package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// The kernel looks a name up and then opens what it found. When that is another
// inode by then it looks once more, and fails if it has to again: ESTALE.

// TestReadsWhileGivingWay publishes what another host has published already,
// unknown to the index, under the eyes of readers: ours is there, then it gives
// way to theirs, which the small cache loses again at once. No read fails, and
// each has the one content or the other.
func TestReadsWhileGivingWay(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, indexed())
	m := s.mount("a", "--publish=queue", "--refresh=1s", "--cache-size=12K")
	ours, theirs := strings.Repeat("o", 1000), strings.Repeat("t", 3000)
	others := archives("others", 20)
	for _, key := range others {
		s.put(key, theirs)
	}
	m.refresh()
	var now atomic.Value // key that is given way for
	now.Store(others[0])
	var lost atomic.Int64 // reads of theirs
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 5 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				key, isNow := now.Load().(string), i < 3
				if !isNow {
					key = others[n%len(others)]
				}
				switch data, err := os.ReadFile(m.path(key)); {
				case isNow && errors.Is(err, os.ErrNotExist):
				case err != nil:
					t.Error(err)
				case string(data) != ours && string(data) != theirs:
					t.Errorf("%s: %d bytes that nobody published", key, len(data))
				case isNow && string(data) == theirs:
					lost.Add(1)
				}
			}
		})
	}
	for _, key := range archives("giving", 100) {
		s.put(key, theirs)
		now.Store(key)
		m.publish(key, ours)
		m.refresh()
		if before := lost.Load(); !within(startLimit, func() bool { return lost.Load() > before+10 }) {
			t.Fatalf("%s did not give way", key)
		}
	}
	close(stop)
	readers.Wait()
}

// publish makes an archive as BitBake does. Who is later than another may lose.
func (m *mount) publish(key, content string) {
	m.t.Helper()
	final := m.path(key)
	tmp := final + "abcdefgh"
	err := os.MkdirAll(filepath.Dir(final), 0o775)
	if err == nil {
		err = os.WriteFile(tmp, []byte(content), 0o664)
	}
	if err == nil {
		err = os.Link(tmp, final)
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		m.t.Fatal(err)
	}
	if err := os.Remove(tmp); err != nil {
		m.t.Fatal(err)
	}
}

// TestTrimmedWhileKnown opens an object that the kernel knows and the cache has
// lost: one request does. The kernel may have pages of it, and another host may
// have replaced it by one of the same size, which no listing tells: what is read
// is what the remote has.
func TestTrimmedWhileKnown(t *testing.T) {
	t.Parallel()
	for name, uid := range map[string]int{"self": os.Getuid(), "pages": nobody} {
		t.Run(name, func(t *testing.T) {
			if uid != os.Getuid() {
				needsRoot(t)
			}
			const size = 100_000
			s := newSiteOn(t, indexed())
			keys := archives("trimmed", 4)
			for _, key := range keys {
				s.put(key, letters(size))
			}
			m := s.mountAs(uid, "a", "--cache-size=250K", "--log-level=debug")
			a := s.actor(uid)
			l := &requestLog{s: s, a: a, point: m.point, file: m.logFile()}
			for _, content := range []string{letters(size), strings.Repeat("other", size/5)} {
				for _, key := range keys {
					a.read(m.path(key))
				}
				if cached := filepath.Join(m.cache, "objects", keys[0]); !within(startLimit, func() bool { return isMissing(cached) }) {
					t.Fatalf("%s is not trimmed", cached)
				}
				s.put(keys[0], content)
				var got string
				counts := l.count(1, func() {
					fd := a.open(m.path(keys[0]), unix.O_RDONLY)
					got = a.do("read", fd, 2*size).(string)
					a.do("close", fd)
				})
				if got != content {
					t.Errorf("read %d bytes, as published: %v", len(got), got == content)
				}
				counts.most(t, "open of a trimmed object", requestCounts{"OPEN": 1, "RELEASE": 1, "GETATTR": 1})
			}
		})
	}
}

func isMissing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}
