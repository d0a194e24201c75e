package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"sstatefs/ctl"
)

// Limits of a mount's start, and of its end before it is killed.
const (
	startLimit = 30 * time.Second
	stopLimit  = 20 * time.Second
)

// daemon is a running program that serves a mount.
type daemon struct {
	point string
	cmd   *exec.Cmd
	said  bytes.Buffer // to be read after done
	done  chan struct{}
	err   error // how it ended, after done
}

// startDaemon runs a mount program and returns when something is mounted at
// point. env is added to the environment.
func startDaemon(ctx context.Context, point string, env []string, args ...string) (*daemon, error) {
	d := &daemon{point: point, cmd: exec.Command(args[0], args[1:]...), done: make(chan struct{})}
	d.cmd.Stderr = &d.said
	d.cmd.Env = append(os.Environ(), env...)
	// Of its own group: Ctrl-C is for the benchmark, which then ends it.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		d.err = d.cmd.Wait()
		close(d.done)
	}()
	if err := d.waitMounted(ctx); err != nil {
		d.stop()
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(args[0]), err, d.said.String())
	}
	return d, nil
}

func (d *daemon) waitMounted(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startLimit, errors.New("not mounted in time"))
	defer cancel()
	for {
		if mounted(d.point) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.done:
			return fmt.Errorf("ended: %w", d.err)
		case <-time.After(time.Millisecond):
		}
	}
}

func mounted(point string) bool {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && strings.Contains(string(table), " "+point+" ")
}

// stop unmounts and waits. What does not end is killed and detached.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(stopLimit):
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	if mounted(d.point) {
		_ = exec.Command("fusermount3", "-u", "-z", d.point).Run()
	}
}

// status asks a mount of sstatefs.
func (d *daemon) status(ctx context.Context) (ctl.Status, error) {
	client, err := ctl.ThisHost().Dial(d.point)
	if err != nil {
		return ctl.Status{}, err
	}
	return client.Status(ctx)
}

// waitStatus waits until the status of a mount of sstatefs is as wanted. Its
// socket comes a little later than the mount.
func (d *daemon) waitStatus(ctx context.Context, wanted func(ctl.Status) bool) (ctl.Status, error) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := d.status(ctx)
		if err == nil && wanted(status) {
			return status, nil
		}
		select {
		case <-d.done:
			return status, fmt.Errorf("the mount ended: %w: %s", d.err, d.said.String())
		case <-ctx.Done():
			return status, ctx.Err()
		case <-tick.C:
		}
	}
}

// waitListed waits until the index of a mount of sstatefs is complete, and
// tells how many objects are in it.
func (d *daemon) waitListed(ctx context.Context) (objects int64, err error) {
	status, err := d.waitStatus(ctx, func(s ctl.Status) bool { return s.Index.Complete })
	return status.Index.Objects, err
}

// flush waits until a mount of sstatefs has sent everything.
func (d *daemon) flush(binary string) error { return d.ask(binary, "flush") }

// refresh lists the remote of a mount of sstatefs.
func (d *daemon) refresh(binary string) error { return d.ask(binary, "refresh") }

// ask runs a command on a mount of sstatefs.
func (d *daemon) ask(binary, verb string) error {
	out, err := exec.Command(binary, verb, d.point).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", verb, err, out)
	}
	return nil
}
