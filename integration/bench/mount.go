package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// bench is a folder with a plain directory and mounts of directories beside it.
type bench struct {
	o      options
	dir    string
	plain  string
	mounts map[string]*mount // through, queue, indexed
}

// mount is one running daemon.
type mount struct {
	point string
	cmd   *exec.Cmd
}

func newBench(o options) (*bench, error) {
	dir, err := os.MkdirTemp(o.dir, "sstatefs-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{o: o, dir: dir, plain: filepath.Join(dir, "plain"), mounts: map[string]*mount{}}
	if err := b.start(); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bench) start() error {
	if err := os.Mkdir(b.plain, 0o775); err != nil {
		return err
	}
	if b.o.binary == "" {
		b.o.binary = filepath.Join(b.dir, "sstatefs")
		build := exec.Command("go", "build", "-o", b.o.binary, "sstatefs/cmd/sstatefs")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	for name, v := range map[string]struct{ publish, query string }{
		"through": {"through", ""}, "queue": {"queue", ""}, "indexed": {"through", "?index=always"},
	} {
		m, err := b.mount(name, v.publish, v.query)
		if err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		b.mounts[name] = m
	}
	return nil
}

// mount starts a daemon and returns when it answers.
func (b *bench) mount(name, publish, query string) (*mount, error) {
	remote, point := filepath.Join(b.dir, "remote-"+name), filepath.Join(b.dir, "mnt-"+name)
	for _, dir := range []string{remote, point} {
		if err := os.Mkdir(dir, 0o775); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command(b.o.binary, "mount", "--json", "--log-level=error", "--publish="+publish,
		"--cache-dir", filepath.Join(b.dir, "cache-"+name), "file://"+remote+query, point)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if !bufio.NewScanner(out).Scan() { // the record comes when the mount answers
		return nil, fmt.Errorf("%w: %s", cmd.Wait(), said.String())
	}
	return &mount{point: point, cmd: cmd}, nil
}

// close ends the daemons and removes what was made.
func (b *bench) close() {
	for _, m := range b.mounts {
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
		_ = m.cmd.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

// flush waits until a mount has sent everything.
func (b *bench) flush(m *mount) error {
	out, err := exec.Command(b.o.binary, "flush", m.point).CombinedOutput()
	if err != nil {
		return fmt.Errorf("flush: %w: %s", err, out)
	}
	return nil
}

// passthrough asks a mount whether the kernel reads cached files itself.
func (b *bench) passthrough(m *mount) string {
	var status struct {
		Mount struct {
			Passthrough bool `json:"passthrough"`
		} `json:"mount"`
	}
	out, err := exec.Command(b.o.binary, "status", "--json", m.point).Output()
	if err == nil {
		err = json.Unmarshal(out, &status)
	}
	switch {
	case err != nil:
		return "unknown"
	case status.Mount.Passthrough:
		return "on"
	}
	return "off"
}

// describe prints what the figures were measured on.
func (b *bench) describe(w io.Writer) {
	var name unix.Utsname
	_ = unix.Uname(&name)
	var disk unix.Statfs_t
	_ = unix.Statfs(b.dir, &disk)
	fmt.Fprintf(w, "kernel %s, %d CPUs, %s, passthrough %s, disk of type %#x, %d pairs\n\n",
		unix.ByteSliceToString(name.Release[:]), runtime.NumCPU(), runtime.Version(),
		b.passthrough(b.mounts["through"]), disk.Type, b.o.pairs)
}
