package servers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// pollInterval is how often a condition is looked at.
const pollInterval = 10 * time.Millisecond

// A process is a server's process group.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the leader has been waited for

	gone atomic.Bool // nothing of the group is left: its number may be another's now
}

// spawn starts a program whose output goes to dir/log.
func spawn(cmd *exec.Cmd, dir string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Join(dir, "work"), log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// ended tells whether the leader has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal reaches every process of the group.
func (p *process) signal(sig syscall.Signal) error {
	if p.gone.Load() {
		return syscall.ESRCH
	}
	return syscall.Kill(-p.cmd.Process.Pid, sig)
}

// stop asks the server to end, and sees to it.
func (p *process) stop(limit time.Duration) error {
	if p.ended() {
		return p.kill() // workers may have been left
	}
	// The leader ends its workers, and needs them running for that.
	_ = p.signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(limit):
	}
	return p.kill()
}

// kill ends what is left of the group and returns when nothing is.
func (p *process) kill() error {
	deadline := time.Now().Add(stopLimit)
	for {
		err := p.signal(syscall.SIGKILL)
		if errors.Is(err, syscall.ESRCH) && p.ended() {
			p.gone.Store(true)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("process group %d does not end: %w", p.cmd.Process.Pid, err)
		}
		time.Sleep(pollInterval)
	}
}

// pause stops every thread of the group and returns when all have stopped: a
// thread that runs on another CPU may answer one more request.
func (p *process) pause(limit time.Duration) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for deadline := time.Now().Add(limit); running(p.cmd.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return errors.New("a thread does not stop")
		}
	}
	return nil
}

// running tells whether a thread of a process group is not stopped.
func running(group int) bool {
	threads, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid pgrp; the name may hold anything
		_, rest, _ := strings.Cut(string(text[max(0, bytes.LastIndexByte(text, ')')):]), " ")
		f := strings.Fields(rest)
		if len(f) > 2 && f[2] == strconv.Itoa(group) && !strings.Contains("TZX", f[0]) {
			return true
		}
	}
	return false
}
