package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tmpfs mounts a small disk of its own on a folder of the site.
func (s *site) tmpfs(name, size string) string {
	s.t.Helper()
	needsRoot(s.t)
	dir := s.mkdir(name, 0o775)
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=775,size="+size); err != nil {
		s.t.Fatalf("tmpfs: %v", err)
	}
	s.disks = append(s.disks, dir)
	return dir
}

// bind mounts a folder a second time.
func (s *site) bind(from, to string) {
	s.t.Helper()
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		s.t.Fatalf("bind mount: %v", err)
	}
}

// TestFullCacheDisk publishes and restores more than the disk of the cache can
// hold: a write that finds it full makes room. Where the kernel writes past the
// daemon room is made ahead, which --min-free is for; so this is a user's mount.
func TestFullCacheDisk(t *testing.T) {
	needsRoot(t)
	openFuseDevice(t)
	s := newSite(t)
	s.tmpfs("cache-a", "8M")
	s.own(nobody, "remote", "cache-a")
	m := s.mountAs(nobody, "a")
	keys := archives("big", 24)
	want := map[string]string{}
	for _, key := range keys[:12] {
		want[key] = s.noise(key, 900_000)
		s.must("chown", "-R", "nobody", s.remote)
	}
	a := s.actor(nobody)
	for i, key := range keys[12:] {
		a.do("makedirs", m.path(filepath.Dir(key)), 0o775, true)
		a.do("write_file", m.path("tmp"), fmt.Sprint(i)+letters(900_000))
		a.do("link", m.path("tmp"), m.path(key))
		a.do("unlink", m.path("tmp"))
		want[key] = s.sum(key)
	}
	m.holds(want)
	s.shares(want)

	// What is private cannot be trimmed: there the disk is full.
	a.want("ENOSPC", "write_file", m.path("private"), letters(9_000_000))
	m.holds(want) // read from the remote, and not kept
	a.do("unlink", m.path("private"))
	tooLarge(m)
	after := archives("after", 3)
	s.buildAs(nobody, "build", m.point, after).all(t, "published", after)
}

// tooLarge copies and unpacks more than the disk of a mount holds: that fails, and
// leaves nothing under the names of objects.
func tooLarge(m *mount) {
	m.t.Helper()
	key := archives("large", 1)[0]
	big := m.s.path("work", "big")
	m.s.mustAs(m.uid, "truncate", "-s", "9M", big)
	m.s.mustAs(m.uid, "mkdir", "-p", m.path(filepath.Dir(key)))
	tar := m.s.path("work", "big.tar")
	m.s.mustAs(m.uid, "tar", "-C", m.s.path("work"), "--transform", "s|big|"+key+"|", "-cf", tar, "big")
	for _, command := range [][]string{
		{"cp", "--sparse=never", big, m.path(key)},
		{"tar", "-C", m.point, "-xf", tar},
	} {
		r := m.s.run(m.uid, command[0], command[1:]...)
		if r.code == 0 || !strings.Contains(r.stderr, "No space left on device") {
			m.t.Errorf("%s onto a full disk: exit %d, %s", command[0], r.code, r.stderr)
		}
		m.s.mustAs(m.uid, "rm", "-f", m.path(key+".partial")) // as much of it as there is
		if got := m.s.mustAs(m.uid, "ls", "-A", m.path(filepath.Dir(key))); got != "" {
			m.t.Errorf("%s onto a full disk left %s", command[0], got)
		}
	}
}

// TestFullRemote publishes more than the remote's disk can hold: all is
// accepted, and sent when there is room.
func TestFullRemote(t *testing.T) {
	s := newSite(t)
	s.tmpfs("remote", "1M")
	m := s.mount("a", "--publish-timeout=2s")
	o := &outage{s: s, t: t, m: m, a: s.self()}
	content := letters(200_000)
	o.queued = map[string]string{}
	for i, key := range archives("much", 10) {
		o.a.do("makedirs", m.path(filepath.Dir(key)), 0o775, true)
		o.a.do("write_file", m.path("tmp"), fmt.Sprint(i)+content)
		o.a.do("link", m.path("tmp"), m.path(key))
		o.a.do("unlink", m.path("tmp"))
		o.queued[key] = sum(m.path(key))
	}
	status := m.status()
	if state, reason := status.text("remote.state"), status.text("remote.reason"); state == "ok" || reason == "" {
		t.Errorf("status with a full remote: %q, %q", state, reason)
	}
	for _, name := range files(t, s.remote) {
		if o.queued[name] != s.sum(name) {
			t.Errorf("the full remote holds %s", name)
		}
	}
	s.must("mount", "-o", "remount,size=64M", s.remote)
	m.flush()
	s.shares(o.queued)
}

// TestUnmountedRemote takes the file system away that the remote is on. What
// lies below the mountpoint is no empty cache: nothing is written there.
func TestUnmountedRemote(t *testing.T) {
	s := newSite(t)
	export := s.tmpfs("export", "16M")
	s.bind(export, s.remote)
	keys := archives("there", 5)
	m := s.mount("a", "--publish-timeout=2s")
	s.build("build", m.point, keys).all(t, "published", keys)
	if err := unix.Unmount(s.remote, 0); err != nil {
		t.Fatalf("the mount keeps its remote busy: %v", err)
	}
	o := &outage{s: s, t: t, m: m, a: s.self(), cached: keys}
	o.builds()
	o.says("offline", "degraded")
	s.build("restore", m.point, keys).all(t, "restored", keys)
	if got := files(t, s.remote); len(got) != 0 {
		t.Errorf("written below the mountpoint: %v", got)
	}
	s.bind(export, s.remote)
	s.disks = append(s.disks, s.remote)
	o.back(startLimit)
	m.stop()
	if err := unix.Unmount(s.remote, 0); err != nil {
		t.Fatal(err)
	}
	r := s.run(os.Getuid(), binary, "mount", "--cache-dir", s.path("cache-new"), s.path("remote", "none"), m.point)
	if r.code != 4 {
		t.Errorf("mount of a remote that is not there: exit %d, want 4", r.code)
	}
	s.bind(export, s.remote)
}
