package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fewFiles is a disk that has room for bytes and for few names: a hard link is a
// name of its own on a tmpfs.
func (s *site) fewFiles(name string, files int) {
	s.t.Helper()
	s.tmpfs(name, fmt.Sprintf("64M,nr_inodes=%d", files))
}

// TestCacheDiskWithoutNames uses more objects than the cache's disk can have
// names: old ones go, builds and restores go on.
func TestCacheDiskWithoutNames(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fewFiles("cache-a", 120)
			m := s.mount("a", "--publish="+mode)
			far := archives("far", 60)
			want := s.fill(far...)
			m.holds(want)
			kept := m.count("cache.objects")
			if kept == 0 || kept == int64(len(far)) {
				t.Errorf("the cache keeps %d of %d objects: the disk was not full, or nothing was kept", kept, len(far))
			}
			keys := archives("new", 12)
			b := s.build("build", m.point, keys)
			b.all(t, "published", keys)
			m.flush()
			s.sharesAll(b.acknowledged())
			m.holds(b.acknowledged())
			s.build("restore", m.point, keys).all(t, "restored", keys)
			s.self().do("unlink", m.path(keys[0]))
			m.flush()
			if s.has(keys[0]) {
				t.Errorf("the removal was not sent")
			}
		})
	}
}

// fullQueue is a mount whose remote is away and whose disk fills up with what it
// accepts.
type fullQueue struct {
	s     *site
	t     *testing.T
	m     *mount
	a     *actor
	acked map[string]string
}

// fill publishes until the disk refuses, which it may do with ENOSPC only.
func (f *fullQueue) fill(keys []string) {
	f.t.Helper()
	for i, key := range keys {
		tmp := f.m.path(filepath.Dir(key), "tmp")
		for _, call := range [][]any{
			{"makedirs", f.m.path(filepath.Dir(key)), 0o775, true},
			{"write_file", tmp, fmt.Sprint(i) + letters(500)},
			{"link", tmp, f.m.path(key)},
		} {
			if _, errno := f.a.call(call[0].(string), call[1:]...); errno == "ENOSPC" {
				return
			} else if errno != "" {
				f.t.Fatalf("%v of %s on a full disk: %s", call[0], key, errno)
			}
		}
		f.acked[key] = sum(f.m.path(key))
		f.a.do("unlink", tmp)
	}
	f.t.Fatal("the disk does not get full")
}

// holds checks what is visible: all that was acknowledged, whole, and no other
// object.
func (f *fullQueue) holds() {
	f.t.Helper()
	f.m.holds(f.acked)
	for _, name := range files(f.t, f.m.point) {
		if strings.HasSuffix(name, ".tar.zst") && f.acked[name] == "" {
			f.t.Errorf("%s is there and was not acknowledged", name)
		}
	}
}

// TestDiskFullOfQueue fills the disk with what cannot be sent, so that nothing can
// be trimmed. Archives are refused, a siginfo does not fail its build, a removal
// that is refused changes nothing; all that was accepted is sent in the end.
func TestDiskFullOfQueue(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.fewFiles("cache-a", 150)
			m := s.mount("a", "--publish="+mode, "--publish-timeout=1s")
			f := &fullQueue{s: s, t: t, m: m, a: s.self(), acked: map[string]string{}}
			keys := archives("full", 60)
			siginfo := keys[0] + ".siginfo"
			leaf := m.path(filepath.Dir(siginfo))
			f.a.do("makedirs", leaf, 0o775, true)
			f.a.do("write_file", leaf+"/sigtask.abcdefgh", "signature")
			s.hide()
			f.fill(keys)
			f.holds()
			f.a.want("", "rename", leaf+"/sigtask.abcdefgh", m.path(siginfo))
			f.removesOrNot(keys[1])
			m.status()
			m.kill() // what was accepted survives that too
			m.restart()
			f.holds()
			s.show()
			m.flush()
			f.holds()
			s.sharesAll(f.acked)
			more := archives("more", 3)
			s.build("build", m.point, more).all(t, "published", more)
			m.mustCount("queue.objects", 0, "queue.held", 0)
		})
	}
}

// removesOrNot removes an object that waits to be sent.
func (f *fullQueue) removesOrNot(key string) {
	f.t.Helper()
	_, errno := f.a.call("unlink", f.m.path(key))
	f.t.Logf("%d archives were accepted; unlink of one: %q", len(f.acked), errno)
	switch errno {
	case "":
		delete(f.acked, key)
	case "ENOSPC":
	default:
		f.t.Errorf("unlink on a full disk: %s", errno)
	}
	f.holds()
}

// TestMountOnFullDisk mounts a cache whose disk something else has filled: some
// of what is cached goes, and nothing that waits. With nothing that could go it is
// refused in one line.
func TestMountOnFullDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cache := s.tmpfs("cache-a", "8M")
	m := s.mount("a", "--drain-timeout=1s")
	want := map[string]string{}
	for _, key := range archives("big", 6) {
		want[key] = s.noise(key, 600_000)
	}
	m.holds(want)
	s.hide()
	keys := archives("waits", 3)
	queued := s.build("build", m.point, keys)
	queued.all(t, "published", keys)
	m.unmount("--drain-timeout=1s")
	ballast := fillDisk(t, cache)
	s.show()
	m.restart()
	m.holds(want)
	m.flush()
	s.sharesAll(queued.acknowledged())
	m.stop()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"objects", "running", "format", "lock"} {
		if err := os.RemoveAll(filepath.Join(cache, dir)); err != nil {
			t.Fatal(err)
		}
	}
	fillDisk(t, cache)
	m.refused("no space left on device")
}

// fillDisk takes all that is free on a disk and returns the file that has it.
func fillDisk(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Fatal(err)
	}
	return path
}

// refused checks that a mount ends at once, in one line that says why.
func (m *mount) refused(why string) {
	m.t.Helper()
	r := m.s.run(m.uid, binary, "mount", "--cache-dir", m.cache, m.address, m.point)
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	told := 0
	for _, line := range lines {
		if strings.HasPrefix(line, "sstatefs: ") {
			told++
		}
	}
	if r.code != 1 || told != 1 || !strings.Contains(r.stderr, why) || !strings.Contains(r.stderr, m.cache) {
		m.t.Errorf("mount: exit %d, %q, want 1 and one line with the cache and %q", r.code, r.stderr, why)
	}
}

// TestMountOnReadOnlyDisk is refused in one line, and the cache is as it was
// later.
func TestMountOnReadOnlyDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cache := s.tmpfs("cache-a", "8M")
	m := s.mount("a")
	keys := archives("kept", 4)
	b := s.build("build", m.point, keys)
	m.stop()
	s.must("mount", "-o", "remount,ro", cache)
	m.refused("read-only file system")
	s.must("mount", "-o", "remount,rw", cache)
	m.restart()
	m.holds(b.acknowledged())
	m.mustCount("fetched.objects", 0)
	m.stop()
	none := s.tmpfs("cache-none", "1M") // never was a cache
	s.must("mount", "-o", "remount,ro", none)
	m.cache = none
	m.refused("read-only file system")
}
