// Command bench measures mounts in one run against a plain directory and a bare
// loopback file system, and over networks against the bare requests, `rclone
// mount` and s3fs.
//
//	go run ./integration/bench [-quick] [-only REGEXP] [-rtt 0,20ms] [-servers ...] ...
//
// Everything runs in rounds, the order of the contenders changing from round to
// round. The figures are the medians of the rounds' ratios with the lowest and
// the highest, so that a slow moment of the machine shows as spread and not as
// a result. docs/BENCHMARKS.md says what the cases are.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

func main() {
	o, err := readFlags()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// After the first signal everything is stopped and removed; a second one
	// ends the benchmark at once, and the kernel then ends its children.
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	// A worker that waits in a system call keeps its P for a while: as many Ps as
	// workers, so that eight of them are eight threads.
	runtime.GOMAXPROCS(max(runtime.NumCPU(), workers))
	dir, err := os.MkdirTemp(o.dir, "sstatefs-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // for a server that runs as another user
		return err
	}
	if err := os.Setenv("TMPDIR", dir); err != nil { // servers have their folders there
		return err
	}
	// The folders of a cache are made for everybody: servers write there too.
	unix.Umask(0)
	if o.binary == "" {
		o.binary = filepath.Join(dir, "sstatefs")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.binary, "sstatefs/cmd/sstatefs")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	describe(o.out, dir)
	for _, part := range []func(context.Context, options, string) error{runLocal, runNetwork, runTouches, runIndex, runProgram} {
		if err := part(ctx, o, dir); err != nil {
			return err
		}
	}
	return nil
}

// describe prints what the figures were measured on.
func describe(w io.Writer, dir string) {
	var name unix.Utsname
	_ = unix.Uname(&name)
	var disk unix.Statfs_t
	_ = unix.Statfs(dir, &disk)
	// A machine that others use too shows here, and in the spread.
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	fmt.Fprintf(w, "kernel %s, %d CPUs, load %s, %s, disk of type %#x\n",
		unix.ByteSliceToString(name.Release[:]), runtime.NumCPU(), first, runtime.Version(), disk.Type)
}
