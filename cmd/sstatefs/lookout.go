package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/ctl"
)

// A lookout is a small process beside the daemon of a mount. It is needed when
// the daemon is killed while it is itself in the kernel for its mount, and waits
// there without an end: in the poll(2) with which go-fuse begins, or for the
// lock of a folder in which the kernel is to forget a name
// (fuse_reverse_inval_entry of Linux 6.18), when who holds that waits for an
// answer that nobody is left to give. Then none of them ever ends: builds hang,
// and the cache stays locked. The lookout aborts such a connection.
type lookout struct {
	dismiss func()
}

const (
	// lookoutVariable tells a process that it is one, and for whom: the daemon's
	// process and its thread that started it, the mountpoint.
	lookoutVariable = "SSTATEFS_LOOKOUT"
	lookoutFormat   = "%d %d %q"

	// deathSignal is what the kernel sends it when the daemon dies. It does
	// nothing to a process that is still starting; SIGTERM and SIGINT go to all
	// processes of a service or terminal.
	deathSignal = syscall.SIGWINCH

	// dyingGrace is how long a killed process may take to end by itself: it
	// frees its memory and closes its files.
	dyingGrace = time.Second
)

// startLookout starts one for the mount that this process is about to make:
// later it would inherit /dev/fuse, and a connection lives as long as that.
func startLookout(mountpoint string) (*lookout, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{"sstatefs-lookout", mountpoint}, Dir: "/", Stdin: read,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Pdeathsig: deathSignal},
	}
	started, leave, done := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		// The signal comes when the thread ends that has started the process: this
		// one does so with the daemon, even if another thread cannot.
		runtime.LockOSThread()
		words := fmt.Sprintf(lookoutFormat, os.Getpid(), unix.Gettid(), mountpoint)
		cmd.Env = []string{lookoutVariable + "=" + words, "GOMAXPROCS=1"}
		err := cmd.Start()
		started <- err
		if err == nil {
			<-leave
			write.Close()
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		write.Close()
		return nil, err
	}
	return &lookout{dismiss: sync.OnceFunc(func() { close(leave); <-done })}, nil
}

// lookOut is the life of a lookout. It ends when it is dismissed, or with the
// daemon. It returns the exit code.
func lookOut(words string) int {
	var daemon, thread int
	var mountpoint string
	if _, err := fmt.Sscanf(words, lookoutFormat, &daemon, &thread, &mountpoint); err != nil {
		return exitUsage
	}
	death := make(chan os.Signal, 1)
	signal.Notify(death, deathSignal)
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	process, err := unix.PidfdOpen(daemon, 0) // Linux 5.3
	if err != nil {
		return exitFailed
	}
	dismissed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(dismissed)
	}()
	if isAlive(daemon, thread) { // else the signal may have come too early
		select {
		case <-dismissed:
			return exitDone
		case <-death:
		}
	}
	if hasEnded(process, dyingGrace) {
		return exitDone // and the kernel has ended the connection
	}
	return abortMount(mountpoint)
}

// abortMount ends the kernel's side of the mount at a path, if it is ours.
func abortMount(path string) int {
	table, err := ctl.ReadTable()
	if err != nil {
		return exitFailed
	}
	if entry, ok := table.At(path); !ok || !entry.Ours() {
		return exitDone
	} else if abortConnection(entry.Connection) != nil {
		forceAbort(path)
	}
	return exitDone
}

// forceAbort aborts where there is no fusectl, which root may do. What is in use
// stays mounted then: a build must not go on in the folder below.
func forceAbort(path string) {
	use, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	_ = unix.Unmount(path, unix.MNT_FORCE)
	_ = unix.Close(use)
}

// isAlive tells whether a thread has not ended. proc_pid_stat(5): its state is
// the word behind its name, which stands in parentheses.
func isAlive(process, thread int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", process, thread))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// hasEnded waits for the end of a process, all of its threads, at most limit.
func hasEnded(process int, limit time.Duration) bool {
	fds := []unix.PollFd{{Fd: int32(process), Events: unix.POLLIN}}
	for deadline := time.Now().Add(limit); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline).Milliseconds())))
		if err != unix.EINTR || time.Now().After(deadline) {
			return n > 0
		}
	}
}

// abortConnection ends the kernel's side of a FUSE mount: whoever waits for its
// daemon gets ECONNABORTED. It works for the mount's user and root, where the
// fusectl file system is mounted.
func abortConnection(number int) error {
	return os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", number), []byte("1"), 0)
}
