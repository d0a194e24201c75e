package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors counts the daemon's open files.
func (m *mount) descriptors() int {
	m.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.cmd.Process.Pid))
	if err != nil {
		m.t.Fatal(err)
	}
	return len(list)
}

// TestNoLeaks counts the daemon's descriptors before and after a lot of work.
// The kernel is told to forget what it knows, which closes what is kept for it.
func TestNoLeaks(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a")
	far := archives("far", 40)
	s.writePlain(far)
	a := s.self()
	work := func(n int) {
		t.Helper()
		keys := archives(fmt.Sprint("work", n), 15)
		s.build("build", m.point, keys).all(t, "published", keys)
		s.build("build", m.point, keys).all(t, "restored", keys)
		s.build("signed", m.point, archives(fmt.Sprint("signed", n), 3))
		for i, key := range far {
			a.read(m.path(key))
			name := m.path(fmt.Sprint("scratch", i))
			a.do("write_file", name, "x")
			fd := a.open(name, unix.O_RDWR)
			a.do("unlink", name)
			a.do("close", fd)
			a.do("mkdir", name)
			a.do("rmdir", name)
		}
		for _, key := range keys[:5] {
			a.do("unlink", m.path(key))
		}
	}
	work(0)
	forget(t)
	before := m.descriptors()
	for n := range 3 {
		work(n + 1)
	}
	ok := within(startLimit, func() bool {
		forget(t)
		return m.descriptors() <= before+5
	})
	if !ok {
		t.Errorf("the daemon has %d files open, %d before", m.descriptors(), before)
	}
}

// forget makes the kernel drop names and inodes that nobody uses.
func forget(t *testing.T) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("2"), 0); err != nil {
		t.Fatal(err)
	}
}

// TestStableInodes compares inode numbers before and after an object is
// fetched and trimmed, and with those that a listing shows.
func TestStableInodes(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		keys := archives("inode", 14)
		s.writePlain(keys)
		m := s.mount("a", "--cache-size=1K")
		a := s.self()
		numbers := map[int64]string{}
		for _, key := range keys {
			fd := a.open(m.path(key), unix.O_PATH) // keeps the inode known
			ino := number(a.do("fstat", fd), "ino")
			if other := numbers[ino]; other != "" {
				t.Errorf("%s and %s have one inode number", key, other)
			}
			numbers[ino] = key
			a.read(m.path(key)) // fetches
			if now := a.attr(m.path(key), "ino"); now != ino {
				t.Errorf("the inode number changed with a fetch: %d, %d", ino, now)
			}
		}
		eventually(t, startLimit, "objects are trimmed", func() bool { return m.count("cache.bytes") <= 1<<10 })
		for ino, key := range numbers {
			if now := a.attr(m.path(key), "ino"); now != ino {
				t.Errorf("the inode number changed with a trim: %d, %d", ino, now)
			}
		}
	})
}

// TestOneDownload lets many readers ask for one object that is not here.
func TestOneDownload(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		key := archives("shared", 1)[0]
		s.noise(key, 3<<20)
		m := s.mount("a")
		s.together(8, func(int) []string { return []string{"cmp", m.path(key), s.far(key)} })
		m.mustCount("fetched.objects", 1, "fetched.bytes", 3<<20, "cache.objects", 1)
	})
}

// TestRemoveTree removes folders that exist only by their objects, with rm and
// without -f.
func TestRemoveTree(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a")
		keys := archives("gone", 8)
		s.build("archive", m.point, keys[:4])
		s.writePlain(keys[4:])
		m.learn()
		s.sh(`cd "$1"; rm -r -- *`, m.point)
		if got := files(t, m.point); len(got) != 0 {
			t.Errorf("the mount holds %v", got)
		}
		s.shares(nil)
		s.build("archive", m.point, keys).all(t, "published", keys)
		s.must(python, "-c", `import os, shutil, sys
for name in os.listdir(sys.argv[1]):
    shutil.rmtree(os.path.join(sys.argv[1], name))`, m.point)
		if list, err := os.ReadDir(m.point); err != nil || len(list) != 0 {
			t.Errorf("the mount holds %v, %v", list, err)
		}
	})
}

// stopped is a mount whose remote hangs, until go is called.
func stopped(t *testing.T) (m *mount, resume func()) {
	t.Helper()
	s := newSite(t)
	server := s.mount("server")
	m = s.mountOf(server.point, os.Getuid(), "a", "--publish-timeout=20s", "--drain-timeout=2s")
	keys := archives("there", 2)
	s.build("build", m.point, keys).all(t, "published", keys)
	server.signal("STOP")
	resume = func() { server.signal("CONT") }
	t.Cleanup(resume)
	return m, resume
}

// TestKilledPublisher kills a process that waits for a hanging remote: it is
// gone at once, and its publish goes on.
func TestKilledPublisher(t *testing.T) {
	m, resume := stopped(t)
	s := m.s
	a := s.self()
	key := archives("killed", 1)[0]
	a.do("makedirs", m.path(key[:5]))
	a.do("write_file", m.path("tmp"), "content")
	want := map[string]string{key: sum(m.path("tmp"))}
	a.begin("link", m.path("tmp"), m.path(key))
	if _, errno, done := a.poll(300 * time.Millisecond); done {
		t.Fatalf("link did not wait for the remote: %q", errno)
	}
	begun := time.Now()
	a.end()
	if took := time.Since(begun); took > quick {
		t.Errorf("the killed process was gone after %v", took)
	}
	s.self().want("", "stat", m.path(key))
	resume()
	eventually(t, time.Minute, "the publish arrives", func() bool { return s.sum(key) == want[key] })
}

// TestSignalWhileWaiting sends a signal that is handled to a process that waits
// for a hanging remote: link(2) must not fail with EINTR.
func TestSignalWhileWaiting(t *testing.T) {
	m, resume := stopped(t)
	s := m.s
	a, b := s.self(), s.self()
	key := archives("signalled", 1)[0]
	a.do("makedirs", m.path(key[:5]))
	a.do("write_file", m.path("tmp"), "content")
	pid := integer(a.do("handle_signals"))
	a.begin("link", m.path("tmp"), m.path(key))
	for range 3 {
		if _, errno, done := a.poll(200 * time.Millisecond); done {
			t.Fatalf("link did not wait for the remote: %q", errno)
		}
		b.do("kill", pid, int(unix.SIGUSR1))
	}
	resume()
	if _, errno := a.finish(); errno != "" {
		t.Errorf("link while signals came: %s", errno)
	}
}

// TestContainerUnmount refuses to unmount what a container has too, under another
// path, with no process in it.
func TestContainerUnmount(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a")
	inside := s.mkdir("inside", 0o755)
	// A name of its own: unmounted on the host, the mount stays there.
	script := `mount --make-rprivate / && mount --bind "$1" "$2" && umount "$1" && echo ready && read -r key && ` +
		`mkdir -p "$2/${key%/*}" && echo content > "$2/tmp" && ln "$2/tmp" "$2/$key" && rm "$2/tmp" && cd "$2" && echo linked && read -r end`
	cmd := s.command(t.Context(), root, "unshare", "--mount", "/bin/sh", "-euc", script, "sh", m.point, inside)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	says := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("the container says %q, want %q", lines.Text(), want)
		}
	}
	refused := func() {
		t.Helper()
		r := s.run(m.uid, binary, "unmount", m.point)
		if want := "in use by pid " + strconv.Itoa(cmd.Process.Pid); r.code != 1 || !strings.Contains(r.stderr, want) {
			t.Errorf("unmount: exit %d, %q, want %q", r.code, r.stderr, want)
		}
		if _, ok := mountedAt(m.point); !ok {
			t.Error("its name is gone")
		}
	}
	says("ready")
	refused()
	key := archives("container", 1)[0]
	if _, err := io.WriteString(in, key+"\n"); err != nil {
		t.Fatal(err)
	}
	says("linked")
	refused()
	if _, err := os.Stat(filepath.Join(s.remote, key)); err != nil {
		t.Errorf("what was published meanwhile: %v", err)
	}
	in.Close()
	_ = cmd.Wait() // read has met the end
	m.stop()
}

// TestBusyUnmount refuses to unmount what somebody is in.
func TestBusyUnmount(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a := s.actorIn(os.Getuid(), m.point)
	r := s.run(m.uid, binary, "unmount", m.point)
	if r.code != 1 {
		t.Errorf("unmount of a busy mount: exit %d, %s", r.code, r.stderr)
	}
	a.do("write_file", "still", "works")
	a.do("chdir", "/")
	m.stop()
}
