package integration

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Readers of an object and touches that open it for writing never meet an open
// that fails, whichever of them comes first or goes last: the kernel answers
// EIO when the handles of an inode do not agree on their backing file.
func TestOpenForBoth(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	key := archives("both", 1)[0]
	s.build("archive", m.point, []string{key})
	const limit = 3 * time.Second
	end := time.Now().Add(limit)
	var wg sync.WaitGroup
	for n := range 6 {
		flags := unix.O_RDONLY
		if n%2 == 1 {
			flags = unix.O_WRONLY
		}
		wg.Go(func() {
			for tries := 0; time.Now().Before(end); tries++ {
				f, err := os.OpenFile(m.path(key), flags, 0)
				if err != nil && !errors.Is(err, unix.EINTR) {
					t.Errorf("open with flags %#x, try %d = %v", flags, tries, err)
					return
				}
				if flags == unix.O_RDONLY {
					_, _ = f.Read(make([]byte, 100))
				}
				f.Close()
			}
		})
	}
	wg.Wait()
}

// TestPassthrough: what is on this machine is read by the kernel itself, also on
// overlayfs, and while the descriptor with which BitBake made the temporary is
// still open.
func TestPassthrough(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	want := s.mount("plain").passesThrough()
	s.overlay("cache-a")
	m := s.mount("a", "--log-level=debug")
	if got := m.passesThrough(); got != want {
		t.Fatalf("passthrough on overlayfs: %v, elsewhere %v", got, want)
	}
	a, key := s.self(), archive("late", "package", 1)
	final, tmp := m.path(key), m.path(key+"abcdefgh")
	a.do("makedirs", filepath.Dir(final))
	maker := a.open(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	a.do("write", maker, letters(50_000))
	a.do("link", tmp, final)
	reader := a.open(final, unix.O_RDONLY)
	if got := a.do("read", reader, 100_000).(string); got != letters(50_000) {
		t.Errorf("read %d bytes of 50000", len(got))
	}
	a.do("close", maker)
	a.do("close", reader)
	a.do("unlink", tmp)
	if got := a.read(final); got != letters(50_000) {
		t.Errorf("read %d bytes of 50000 later", len(got))
	}
	text, err := os.ReadFile(m.logFile())
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []string{": READ n", ": WRITE n"} {
		if n := strings.Count(string(text), op); want && n > 0 {
			t.Errorf("%d requests%s", n, op)
		}
	}
	if !strings.Contains(string(text), ": OPEN n") {
		t.Error("the log has no requests")
	}
}

// passesThrough is what status says of it.
func (m *mount) passesThrough() bool {
	m.t.Helper()
	v, err := m.status().find("mount.passthrough")
	on, ok := v.(bool)
	if err != nil || !ok {
		m.t.Fatalf("mount.passthrough is %v (%v)", v, err)
	}
	return on
}

// overlay mounts an overlayfs on a folder of the site.
func (s *site) overlay(name string) {
	s.t.Helper()
	dir, disk := s.mkdir(name, 0o755), s.tmpfs(name+"-layers", "64M")
	var layers []string
	for _, layer := range []string{"lower", "upper", "work"} {
		layers = append(layers, layer+"dir="+s.mkdir(filepath.Join(filepath.Base(disk), layer), 0o755))
	}
	if err := unix.Mount("overlay", dir, "overlay", 0, strings.Join(layers, ",")); err != nil {
		s.t.Fatalf("overlayfs: %v", err)
	}
	s.disks = append([]string{dir}, s.disks...) // before the one below it
}
