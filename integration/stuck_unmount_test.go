package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forced bounds an unmount --force with --drain-timeout=1s: the second, 15 more
// that it leaves a daemon that answers, and something for a busy machine.
const forced = (1 + 15 + 5) * time.Second

// TestForcedUnmount ends mounts that cannot end by themselves, while processes
// wait for them, and have files open and their working directory in them.
func TestForcedUnmount(t *testing.T) {
	t.Parallel()
	for name, break_ := range map[string]func(*stall){
		"stalled": func(*stall) {},
		"stopped": func(w *stall) { w.m.signal("STOP") },
		"dead":    func(w *stall) { w.m.kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStall(t, newSiteOn(t, near()[1]), "--publish-timeout=4s") // its daemon awaits its handlers
			clients := w.allWait()
			inside := w.s.actorIn(os.Getuid(), w.m.point)
			inside.open("locked", unix.O_RDWR)
			waiting(clients)
			break_(w)
			w.m.forced()
			areFreed(clients, w)
			if _, errno := inside.call("stat", "locked"); errno == "" {
				t.Error("the mount still answers")
			}
			if name == "stopped" {
				_ = w.m.cmd.Process.Kill()
			}
			w.m.wait()
			w.m.alarm.Stop()
		})
	}
}

// areFreed wants the clients of a mount that was ended to be told so. flock is
// the kernel's, and depends on who has the lock alone.
func areFreed(clients []*client, w *stall) {
	w.t.Helper()
	w.lock.end()
	begun := time.Now()
	for _, c := range clients {
		if c.answered {
			continue
		}
		if _, _, done := c.poll(freed - time.Since(begun)); !done {
			w.t.Errorf("%s: waits on after the mount was ended", c.what)
		}
	}
}

// waiting gives clients time to begin to wait.
func waiting(clients []*client) {
	for _, c := range clients {
		_, _, c.answered = c.poll(waits / time.Duration(len(clients)))
	}
}

// forced unmounts, whatever the daemon does, which then ends.
func (m *mount) forced() {
	m.t.Helper()
	m.ended = true
	begun := time.Now()
	r := m.s.run(m.uid, binary, "unmount", "--force", "--drain-timeout=1s", m.point)
	took := time.Since(begun)
	m.t.Logf("unmount --force took %v", took)
	if took > forced {
		m.t.Errorf("unmount --force took %v, want at most %v", took, forced)
	}
	if r.code != 0 && r.code != 3 {
		m.t.Errorf("unmount --force: exit %d: %s", r.code, r.stderr)
	}
	if _, ok := mountedAt(m.point); ok {
		m.t.Errorf("still mounted after unmount --force: %s", r.stderr)
	}
}

// TestForcedThenMounted mounts at once what was ended while in use: the next daemon
// gets the cache, and who was in the mount before cannot change it.
func TestForcedThenMounted(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	for range 5 {
		a := s.actorIn(os.Getuid(), m.point)
		a.do("write_file", "file", "x")
		m.forced()
		s.must("flock", "--nonblock", filepath.Join(m.cache, "lock"), "true")
		m.wait()
		m.alarm.Stop()
		m.restart()
		if _, errno := a.call("link", "file", archives("late", 1)[0]); errno == "" {
			t.Error("the mount that was ended publishes")
		}
		a.end()
	}
	m.stop()
}

// TestLazyThenAnother: what is mounted where a mount was stays when its daemon ends.
func TestLazyThenAnother(t *testing.T) {
	needsRoot(t)
	s := newSite(t)
	m := s.mount("a")
	a := s.actorIn(os.Getuid(), m.point)
	s.must(binary, "unmount", "--lazy", m.point)
	s.must("mount", "-t", "tmpfs", "next", m.point)
	s.disks = append(s.disks, m.point)
	if err := os.WriteFile(m.path("file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r := s.run(m.uid, binary, "unmount", "--drain-timeout=1s", m.point)
	if r.code != 1 || !strings.Contains(r.stderr, "still in use") {
		t.Errorf("unmount of what is detached: exit %d, %q", r.code, r.stderr)
	}
	a.do("write_file", "still", "works")
	m.ended = true
	m.signal("TERM")
	m.wait()
	m.alarm.Stop()
	if _, err := os.Stat(m.path("file")); err != nil {
		t.Errorf("the mount that came after it is gone: %v", err)
	}
}

// TestPlainUnmountOfDead unmounts without --force what is dead and in use.
func TestPlainUnmountOfDead(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a := s.actorIn(os.Getuid(), m.point)
	a.do("write_file", "file", "x")
	a.open("file", unix.O_RDWR)
	m.kill()
	if r := m.unmount(); r.code != 0 {
		t.Errorf("unmount of a dead mount: exit %d: %s", r.code, r.stderr)
	}
	if _, ok := mountedAt(m.point); ok {
		t.Error("still mounted")
	}
}

// TestTerminated ends a daemon by SIGTERM whose server stalls: it drains for
// --drain-timeout, or until the second SIGTERM, and says what is left.
func TestTerminated(t *testing.T) {
	for name, c := range map[string]struct {
		drain string
		twice bool
	}{
		"drain-timeout": {"1s", false},
		"twice":         {"5m", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStall(t, newSiteOn(t, near()[1]), "--drain-timeout="+c.drain)
			clients := w.allWait()
			waiting(clients)
			begun := time.Now()
			w.m.ended = true
			w.m.signal("TERM")
			if c.twice {
				eventually(t, startLimit, "it drains", func() bool { return w.m.status().text("mount.phase") == "draining" })
				begun = time.Now()
				w.m.signal("TERM")
			}
			w.m.wait()
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("the daemon ended after %v", took)
			}
			w.m.alarm.Stop()
			w.m.saysLeft(3)
			areFreed(clients, w)
		})
	}
}

// saysLeft checks how the daemon has ended: with exit 3 and what is not sent.
func (m *mount) saysLeft(n int) {
	m.t.Helper()
	var exit *exec.ExitError
	if !errors.As(m.err, &exit) || exit.ExitCode() != 3 {
		m.t.Errorf("the daemon ended with %v, want exit 3", m.err)
	}
	log, err := os.ReadFile(m.logFile())
	if err != nil || !strings.Contains(string(log), m.point+": "+plural(n)) {
		m.t.Errorf("the daemon does not say that %s are not sent: %v\n%s", plural(n), err, log)
	}
}

func plural(n int) string {
	return map[bool]string{true: "1 object", false: string(rune('0'+n)) + " objects"}[n == 1]
}
