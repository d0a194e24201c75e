package integration

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLocksBetweenProcesses are flock and record locks of two processes.
func TestLocksBetweenProcesses(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("write_file", "file", "content")
		f, g := a.open("file", unix.O_RDWR), b.open("file", unix.O_RDWR)
		a.do("flock", f, unix.LOCK_EX)
		b.want("EAGAIN", "flock", g, unix.LOCK_EX|unix.LOCK_NB)
		a.do("flock", f, unix.LOCK_SH)
		b.do("flock", g, unix.LOCK_SH|unix.LOCK_NB)
		a.do("flock", f, unix.LOCK_UN)
		b.do("flock", g, unix.LOCK_EX|unix.LOCK_NB)
		b.do("flock", g, unix.LOCK_UN)

		a.do("setlk", f, "w", 0, 10)
		b.want("EAGAIN", "setlk", g, "w", 5, 10)
		b.do("setlk", g, "w", 10, 10)
		if pid := integer(b.do("getlk", g, "r", 0, 1)); pid != integer(a.do("getpid")) {
			t.Errorf("F_GETLK: held by %d", pid)
		}
		a.do("close", a.open("file", unix.O_RDONLY)) // closing any descriptor gives up a process's locks
		b.do("setlk", g, "w", 0, 10)
	})
}

// TestLocksWithinProcess changes locks that the process has: upgrades,
// downgrades and parts of ranges.
func TestLocksWithinProcess(t *testing.T) {
	onFileSystems(t, func(_ *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("write_file", "file", "content")
		f, g := a.open("file", unix.O_RDWR), b.open("file", unix.O_RDWR)
		a.do("setlk", f, "r", 0, 100)
		b.do("setlk", g, "r", 0, 100)
		a.want("EAGAIN", "setlk", f, "w", 0, 100) // an upgrade beside another reader
		b.do("setlk", g, "u", 0, 100)
		a.do("setlk", f, "w", 0, 100)
		a.do("setlk", f, "u", 40, 20) // a hole in the middle
		b.do("setlk", g, "w", 40, 20)
		b.want("EAGAIN", "setlk", g, "r", 39, 1)
		b.want("EAGAIN", "setlk", g, "r", 60, 1)
		a.do("setlk", f, "r", 60, 40) // a downgrade
		b.do("setlk", g, "r", 60, 40)
		b.want("EAGAIN", "setlk", g, "w", 99, 1)
		b.do("setlk", g, "w", 100, 0) // to the end of the file, wherever that is
		a.want("EAGAIN", "setlk", f, "r", 1<<40, 1)
	})
}

// TestWaitingForLocks waits for record locks, whose holder gives up or dies.
func TestWaitingForLocks(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		b, c := a.s.actorIn(a.uid, dir), a.s.actorIn(a.uid, dir)
		a.do("write_file", "file", "content")
		f, g, h := a.open("file", unix.O_RDWR), b.open("file", unix.O_RDWR), c.open("file", unix.O_RDWR)
		a.do("setlk", f, "w", 0, 10)
		b.begin("setlkw", g, "w", 0, 10)
		if _, _, done := b.poll(100 * time.Millisecond); done {
			t.Fatalf("F_SETLKW did not wait")
		}
		a.do("stat", "file") // who waits for a lock keeps nobody from the file
		a.do("setlk", f, "u", 0, 10)
		if _, errno := b.finish(); errno != "" {
			t.Errorf("F_SETLKW = %s", errno)
		}
		c.begin("setlkw", h, "r", 5, 1)
		if _, _, done := c.poll(50 * time.Millisecond); done {
			t.Fatalf("F_SETLKW did not wait")
		}
		b.end() // a process that dies has no locks
		if _, errno := c.finish(); errno != "" {
			t.Errorf("F_SETLKW after the holder died = %s", errno)
		}
		a.begin("setlkw", f, "w", 0, 10)
		c.do("close", h)
		if _, errno := a.finish(); errno != "" {
			t.Errorf("F_SETLKW after the holder closed the file = %s", errno)
		}
	})
}

// TestKilledWaiter kills a process that waits for a lock: its wait is over, and
// it gets no lock any more.
func TestKilledWaiter(t *testing.T) {
	onFileSystems(t, func(_ *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("write_file", "file", "content")
		f, g := a.open("file", unix.O_RDWR), b.open("file", unix.O_RDWR)
		a.do("setlk", f, "w", 0, 10)
		b.begin("setlkw", g, "w", 0, 10)
		b.poll(50 * time.Millisecond)
		b.end()
		a.do("setlk", f, "u", 0, 10)
		c := a.s.actorIn(a.uid, dir)
		c.do("setlk", c.open("file", unix.O_RDWR), "w", 0, 10)
	})
}
