package integration

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// mount is one daemon and its mountpoint.
type mount struct {
	s       *site
	t       *testing.T
	name    string
	uid     int
	point   string
	cache   string
	address string // of the remote
	flags   []string

	cmd   *exec.Cmd
	done  chan struct{} // closed when the daemon has ended
	err   error         // how, after done
	alarm *time.Timer
	ended bool // on purpose
	hung  sync.Once
}

// mountLimit is when a guardian thinks that a mount hangs.
const mountLimit = 2 * time.Minute

// startLimit bounds the start of a daemon and the waiting for its end.
const startLimit = 30 * time.Second

// mount mounts the site's remote as the user of the test. Mounts of the same
// name share cache and mountpoint.
func (s *site) mount(name string, flags ...string) *mount {
	s.t.Helper()
	return s.mountAs(os.Getuid(), name, flags...)
}

func (s *site) mountAs(uid int, name string, flags ...string) *mount {
	s.t.Helper()
	return s.mountOf(s.address, uid, name, flags...)
}

// mountOf mounts a remote by its address.
func (s *site) mountOf(address string, uid int, name string, flags ...string) *mount {
	s.t.Helper()
	m := &mount{
		s: s, t: s.t, name: name, uid: uid, address: address, flags: flags,
		point: s.path("mnt-" + name), cache: s.path("cache-" + name),
	}
	if _, err := os.Lstat(m.point); err != nil && !os.IsPermission(err) && !isDead(err) {
		s.mkdir("mnt-"+name, 0o755)
		s.mkdir("cache-"+name, 0o755)
		if uid != os.Getuid() {
			s.own(uid, "mnt-"+name, "cache-"+name)
		}
	}
	s.mounts = append(s.mounts, m)
	m.start()
	return m
}

func isDead(err error) bool { return strings.Contains(err.Error(), syscall.ENOTCONN.Error()) }

// start starts the daemon and returns when the mount answers.
func (m *mount) start() {
	m.t.Helper()
	// By default a disk that is over 95 % full keeps nothing.
	args := append([]string{"mount", "--json", "--min-free=1M", "--cache-dir", m.cache}, m.flags...)
	cmd := m.s.command(context.Background(), m.uid, binary, append(args, m.address, m.point)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	log, err := os.OpenFile(m.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.cmd, m.done, m.ended = cmd, make(chan struct{}), false
	ready := make(chan bool, 1)
	go func() {
		ready <- bufio.NewScanner(stdout).Scan() // the record, when the mount answers
		m.err = cmd.Wait()
		close(m.done)
	}()
	m.alarm = time.AfterFunc(mountLimit, m.abort)
	select {
	case ok := <-ready:
		if ok {
			break
		}
		<-m.done
		m.fail("mount %s: %v", m.name, m.err)
	case <-time.After(startLimit):
		m.abort()
		m.fail("mount %s: no answer within %v", m.name, startLimit)
	}
}

func (m *mount) logFile() string { return m.s.path(m.name + ".log") }

// fail ends the test and shows what the daemon said.
func (m *mount) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format, args...)
}

// abort is what the guardian does when the test hangs.
func (m *mount) abort() {
	m.hung.Do(func() { m.t.Errorf("mount %s: hangs, aborted", m.name) })
	m.ended = true
	if dev, ok := mountedAt(m.point); ok { // the number of one that is gone may be another's
		dev.abort()
	}
	_ = m.cmd.Process.Kill()
}

// kill is kill -9. The dead mount stays.
func (m *mount) kill() {
	m.t.Helper()
	m.ended = true
	_ = m.cmd.Process.Kill()
	m.wait()
	m.alarm.Stop()
}

// restart mounts again what kill or stop ended.
func (m *mount) restart(flags ...string) {
	m.t.Helper()
	if len(flags) > 0 {
		m.flags = flags
	}
	m.start()
}

// wait waits for the daemon to end.
func (m *mount) wait() {
	m.t.Helper()
	select {
	case <-m.done:
	case <-time.After(startLimit):
		m.abort()
		m.fail("mount %s: the daemon does not end", m.name)
	}
}

// stop unmounts as a user does; everything has to be sent.
func (m *mount) stop() {
	m.t.Helper()
	var r result
	// A child that another test starts holds our descriptors until its exec: the
	// mount may be in use for a moment.
	within(startLimit, func() bool {
		r = m.unmount()
		return r.code != 1 || !strings.Contains(r.stderr, "in use")
	})
	if r.code != 0 {
		m.fail("unmount: exit %d: %s", r.code, r.stderr)
	}
}

// unmount runs `sstatefs unmount`.
func (m *mount) unmount(flags ...string) result {
	m.t.Helper()
	m.ended = true
	r := m.s.run(m.uid, binary, append(append([]string{"unmount"}, flags...), m.point)...)
	if r.code == 0 || r.code == 3 {
		m.wait()
		m.alarm.Stop()
	}
	return r
}

// end is the cleanup: a mount that still runs is unmounted, and was healthy.
func (m *mount) end() {
	defer m.alarm.Stop()
	select {
	case <-m.done:
		if !m.ended {
			m.t.Errorf("mount %s: the daemon ended by itself: %v", m.name, m.err)
		}
	default:
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-m.done:
		case <-time.After(startLimit):
			m.abort()
			<-m.done
		}
	}
	if e, ok := mountedAt(m.point); ok && m.ended {
		e.abort()
		_ = syscall.Unmount(m.point, syscall.MNT_DETACH) // a dead one
	}
	m.checkLog()
}

// checkLog looks for what must never be in a log.
func (m *mount) checkLog() {
	text, err := os.ReadFile(m.logFile())
	if err != nil {
		return
	}
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "unexpected error"} {
		if i := strings.Index(string(text), bad); i >= 0 {
			end := min(len(text), i+4000)
			m.t.Errorf("mount %s: log: %s", m.name, text[max(0, i-200):end])
		}
	}
}

func (m *mount) showLog() {
	text, _ := os.ReadFile(m.logFile())
	const most = 6000
	m.t.Logf("log of mount %s:\n%s", m.name, text[max(0, len(text)-most):])
}

// path is a path in the mount.
func (m *mount) path(parts ...string) string {
	return filepath.Join(append([]string{m.point}, parts...)...)
}

// holds checks that the mount has all of want, byte for byte, as its user sees
// it.
func (m *mount) holds(want map[string]string) {
	m.t.Helper()
	names := make([]string, 0, len(want))
	for key := range want {
		names = append(names, m.path(key))
	}
	bad := 0
	r := m.s.run(m.uid, "sha256sum", names...)
	for _, line := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
		sum, path, _ := strings.Cut(line, "  ")
		if want[strings.TrimPrefix(path, m.point+"/")] != sum {
			bad++
		}
	}
	if bad > 0 || r.code != 0 {
		m.t.Errorf("%v: %d of %d objects differ: %.1000s", m, bad, len(want), r.stderr)
	}
}

// ask runs `sstatefs VERB --json MOUNTPOINT`, which has to succeed.
func (m *mount) ask(verb string, flags ...string) facts {
	m.t.Helper()
	args := append(append([]string{verb, "--json"}, flags...), m.point)
	return parseFacts(m.t, m.s.mustAs(m.uid, binary, args...))
}

func (m *mount) stats() facts  { m.t.Helper(); return m.ask("stats") }
func (m *mount) status() facts { m.t.Helper(); return m.ask("status") }
func (m *mount) flush()        { m.t.Helper(); m.ask("flush") }
func (m *mount) refresh()      { m.t.Helper(); m.ask("refresh") }

// learn makes known now what others did, which a mount with an index finds out
// within --refresh.
func (m *mount) learn() {
	m.t.Helper()
	if m.s.place.index() {
		m.refresh()
	}
}

// count is one number of stats.
func (m *mount) count(path string) int64 {
	m.t.Helper()
	return m.stats().number(m.t, path)
}

// mustCount compares numbers of stats: pairs of key and value.
func (m *mount) mustCount(pairs ...any) {
	m.t.Helper()
	stats := m.stats()
	for i := 0; i < len(pairs); i += 2 {
		if got, want := stats.number(m.t, pairs[i].(string)), int64(pairs[i+1].(int)); got != want {
			m.t.Errorf("stats of %s: %s = %d, want %d", m.name, pairs[i], got, want)
		}
	}
}

// awaitCount waits until a number of stats is want.
func (m *mount) awaitCount(path string, want int64) {
	m.t.Helper()
	var got int64
	ok := within(startLimit, func() bool {
		got = m.count(path)
		return got == want
	})
	if !ok {
		m.fail("stats of %s: %s = %d, want %d", m.name, path, got, want)
	}
}

// String names the mount in failures.
func (m *mount) String() string { return fmt.Sprintf("mount %s (uid %d)", m.name, m.uid) }
