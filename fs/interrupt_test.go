package fs

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// waiting starts a shell that has said what it does with signals, and waits.
func waiting(t *testing.T, trap string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "ulimit -c 0; "+trap+" echo; kill -STOP $$")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for ; stateOf(t, cmd) != 'T'; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the shell does not stop")
		}
	}
	return cmd
}

func stateOf(t *testing.T, cmd *exec.Cmd) byte {
	t.Helper()
	status, err := os.ReadFile(procFile(uint32(cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	const field = "\nState:\t"
	for i := range status {
		if string(status[i:min(len(status), i+len(field))]) == field {
			return status[i+len(field)]
		}
	}
	return 0
}

// TestDying tells signals that end a process from those that do not. A stopped
// process keeps them pending, as one does that waits for an answer of the mount.
func TestDying(t *testing.T) {
	for _, c := range []struct {
		trap   string
		signal unix.Signal
		dying  bool
	}{
		{"", unix.SIGQUIT, true},
		{"", unix.SIGABRT, true},
		{"", unix.SIGCHLD, false},
		{"trap '' QUIT;", unix.SIGQUIT, false},
		{"trap : QUIT;", unix.SIGQUIT, false},
		{"trap : USR1;", unix.SIGUSR1, false},
	} {
		cmd := waiting(t, c.trap)
		pid := uint32(cmd.Process.Pid)
		if dying(pid) {
			t.Errorf("%q: dying without a signal", c.trap)
		}
		if err := cmd.Process.Signal(c.signal); err != nil {
			t.Fatal(err)
		}
		if got := dying(pid); got != c.dying {
			t.Errorf("%q: dying after %v = %v, want %v", c.trap, c.signal, got, c.dying)
		}
	}
	if dying(0) {
		t.Error("a process of another namespace is dying")
	}
}

// TestExiting knows a process that has ended.
func TestExiting(t *testing.T) {
	as := func(pid int) context.Context { return &fuse.Context{Caller: fuse.Caller{Pid: uint32(pid)}} }
	if exiting(as(os.Getpid())) || exiting(as(0)) || exiting(context.Background()) {
		t.Error("a living process is said to be ending")
	}
	cmd := exec.Command("true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	deadline := time.Now().Add(10 * time.Second)
	for ; stateOf(t, cmd) != 'Z'; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("true(1) does not end")
		}
	}
	if !exiting(as(pid)) { // a zombie: nobody has waited for it
		t.Error("a process that has ended is said to live")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !exiting(as(pid)) || !dying(uint32(pid)) {
		t.Error("a process that is gone is said to live")
	}
}
