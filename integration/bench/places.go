package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A place is where the local cases work: a plain directory, or a mount.
type place struct {
	name  string
	point string  // where it is used
	data  string  // the folder whose objects it shows
	run   *daemon // nil for a plain directory
}

// The places. Those of sstatefs show a directory; with an index they are what
// a mount of a network is.
const (
	plainDir     = "plain"
	loopback     = "loopback"     // kernel settings of an indexed mount
	loopbackSlow = "loopback-off" // the same without passthrough
	loopbackAsk  = "loopback-1s"  // names are kept for a second, as in asked
	asked        = "asked"        // sstatefs, default settings: names are looked up in the remote
	indexed      = "indexed"
	indexedSlow  = "indexed-off" // without passthrough
	queued       = "queued"      // --publish=queue
	paused       = "paused"      // the same, the remote is gone
)

// local is a folder with the places of a run. They are made when a case asks.
type local struct {
	o        options
	dir      string
	loopback string // the program
	places   map[string]*place
	passes   bool // the kernel reads and writes files of a mount itself
}

// place gives one of the places, started if it is not there yet.
func (l *local) place(ctx context.Context, name string) (*place, error) {
	if p := l.places[name]; p != nil {
		return p, nil
	}
	p := &place{name: name, point: filepath.Join(l.dir, "mnt-"+name), data: filepath.Join(l.dir, "data-"+name)}
	for _, dir := range []string{p.point, p.data} {
		if err := os.Mkdir(dir, 0o775); err != nil {
			return nil, err
		}
	}
	if err := l.start(ctx, p); err != nil {
		return nil, err
	}
	l.places[name] = p
	if err := l.look(p); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func (l *local) start(ctx context.Context, p *place) (err error) {
	switch p.name {
	case plainDir:
		p.point = p.data
	case loopback:
		p.run, err = startDaemon(ctx, p.point, nil, l.loopback, p.data, p.point)
	case loopbackSlow:
		p.run, err = startDaemon(ctx, p.point, nil, l.loopback, "-passthrough=false", p.data, p.point)
	case loopbackAsk:
		p.run, err = startDaemon(ctx, p.point, nil, l.loopback, "-entry=1s", "-attr=1s", "-negative=1s", p.data, p.point)
	case asked:
		p.run, err = l.mount(ctx, p, nil, "")
	case indexed:
		p.run, err = l.mount(ctx, p, nil, "?index=always")
	case indexedSlow:
		p.run, err = l.mountWithout(ctx, p)
	case queued:
		p.run, err = l.mount(ctx, p, nil, "?index=always", "--publish=queue")
	case paused:
		if p.run, err = l.mount(ctx, p, nil, "?index=always", "--publish=queue", "--drain-timeout=0s"); err == nil {
			err = os.Rename(p.data, p.data+"-gone")
		}
	}
	return err
}

// mount starts sstatefs and returns when it answers and knows the remote. It
// lists no more: the cases are small and the listing of a directory is not
// what they measure.
func (l *local) mount(ctx context.Context, p *place, before []string, query string, flags ...string) (*daemon, error) {
	args := append(before, l.o.binary, "mount", "--log-level=error", "--min-free=1M", "--refresh=1h",
		"--cache-dir", filepath.Join(l.dir, "cache-"+p.name))
	args = append(args, flags...)
	var env []string
	if len(before) > 0 {
		env = []string{"PATH=" + filepath.Join(l.dir, "bin") + ":" + os.Getenv("PATH")}
	}
	d, err := startDaemon(ctx, p.point, env, append(args, "file://"+p.data+query, p.point)...)
	if err == nil && query != "" {
		_, err = d.waitListed(ctx)
	}
	return d, err
}

// mountWithout starts sstatefs without CAP_SYS_ADMIN, and hence without
// passthrough. root has no capabilities with the secure bit noroot; to mount
// there is a fusermount3 that has this one by itself.
func (l *local) mountWithout(ctx context.Context, p *place) (*daemon, error) {
	if os.Getuid() != 0 {
		return l.mount(ctx, p, nil, "?index=always")
	}
	dir := filepath.Join(l.dir, "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("fusermount3")
	if err != nil {
		return nil, err
	}
	code, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	helper := filepath.Join(dir, "fusermount3")
	if err := os.WriteFile(helper, code, 0o755); err != nil {
		return nil, err
	}
	if err := unix.Setxattr(helper, "security.capability", mountCapability(), 0); err != nil {
		return nil, fmt.Errorf("a fusermount3 with CAP_SYS_ADMIN: %w", err)
	}
	return l.mount(ctx, p, []string{"setpriv", "--securebits=+noroot", "--inh-caps=-all"}, "?index=always")
}

// mountCapability is CAP_SYS_ADMIN, permitted and effective, as struct
// vfs_cap_data has it (linux/capability.h).
func mountCapability() []byte {
	const revision2, effective = 0x02000000, 1
	b := make([]byte, 20)
	b[0], b[3] = effective, revision2>>24
	b[4+unix.CAP_SYS_ADMIN/8] = 1 << (unix.CAP_SYS_ADMIN % 8)
	return b
}

// look finds out whether reads bypass the daemon, and holds a place to what
// its name says.
func (l *local) look(p *place) error {
	if p.run == nil {
		return nil
	}
	passes, err := readsItself(p)
	if err != nil {
		return err
	}
	switch p.name {
	case loopback:
		l.passes = passes
	case loopbackSlow, indexedSlow:
		if passes {
			return errors.New("passthrough is on")
		}
	default:
		if os.Getuid() == 0 && l.passes && !passes {
			return errors.New("passthrough is off")
		}
	}
	return nil
}

// readsItself tells whether the kernel reads a file without the daemon.
func readsItself(p *place) (bool, error) {
	name := filepath.Join(p.point, "passthrough")
	defer os.Remove(name)
	content := make([]byte, 4<<20)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		return false, err
	}
	if err := forget(name); err != nil {
		return false, err
	}
	before, err := p.run.reads()
	if err != nil {
		return false, err
	}
	if _, err := os.ReadFile(name); err != nil {
		return false, err
	}
	after, err := p.run.reads()
	return after-before < 16, err // one for 128 KiB otherwise
}

// forget drops what the kernel has of the content of a file in a mount. What
// it has of the file below stays.
func forget(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // what is not written yet cannot be dropped
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// seed puts objects where a place shows them, without it.
func (l *local) seed(ctx context.Context, p *place, objects []object) error {
	if err := write(ctx, p.data, objects); err != nil {
		return err
	}
	switch p.name {
	case indexed, indexedSlow, queued:
		return p.run.refresh(l.o.binary)
	}
	return nil
}

// passthrough tells whether the kernel reads and writes files of mounts itself.
func (l *local) passthrough(ctx context.Context) (string, error) {
	if _, err := l.place(ctx, loopback); err != nil {
		return "", err
	}
	if l.passes {
		return "on", nil
	}
	return "off", nil
}

func (l *local) close() {
	for _, p := range l.places {
		if p.run != nil {
			p.run.stop()
		}
	}
}
