package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// readyVariable tells a process that it is the daemon, and the descriptor on
// which its parent waits.
const readyVariable = "SSTATEFS_READY_FD"

// parentPipe is the pipe to the parent of a daemon, nil in any other process.
func parentPipe() *os.File {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil || fd < 3 {
		return nil
	}
	_ = os.Unsetenv(readyVariable) // not for fusermount3
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "parent")
}

// startDaemon runs this command again in a session of its own and returns when
// its mount answers, or with its error.
func (p *program) startDaemon(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	defer read.Close()
	const first = 3 // where ExtraFiles begin
	child := &exec.Cmd{
		Path: exe, Args: os.Args, Stdout: os.Stdout, Stderr: os.Stderr, // until it has its log
		Env:         append(os.Environ(), readyVariable+"="+strconv.Itoa(first)),
		ExtraFiles:  []*os.File{write},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	ctx, stop := interruptible(ctx) // before there is a child to end
	defer stop()
	err = child.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = child.Process.Signal(syscall.SIGTERM) })()
	return p.await(child, read)
}

// await reads what the daemon says of itself.
func (p *program) await(child *exec.Cmd, pipe *os.File) error {
	var m message
	err := json.NewDecoder(pipe).Decode(&m)
	switch {
	case err == nil && m.Mount != nil:
		p.printMounted(*m.Mount)
		return child.Process.Release()
	case err == nil:
		_ = child.Wait() // its exit code is in the message
		return &failure{code: m.Code, err: errors.New(m.Error), hint: m.Hint}
	}
	return fmt.Errorf("mount: the daemon ended before it mounted: %v", child.Wait())
}
