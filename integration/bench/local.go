package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sstatefs/ctl"
)

// local is a folder with a plain directory and mounts of directories beside it.
type local struct {
	o      options
	dir    string
	plain  string
	mounts map[string]*daemon // through, queue, indexed
}

func newLocal(ctx context.Context, o options, dir string) (*local, error) {
	l := &local{o: o, dir: dir, plain: filepath.Join(dir, "plain"), mounts: map[string]*daemon{}}
	if err := os.Mkdir(l.plain, 0o775); err != nil {
		return nil, err
	}
	for name, v := range map[string]struct{ publish, query string }{
		"through": {"through", ""}, "queue": {"queue", ""}, "indexed": {"through", "?index=always"},
	} {
		m, err := l.mount(ctx, name, v.publish, v.query)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("mount: %w", err)
		}
		l.mounts[name] = m
	}
	return l, nil
}

// mount starts a daemon and returns when it answers.
func (l *local) mount(ctx context.Context, name, publish, query string) (*daemon, error) {
	remote, point := filepath.Join(l.dir, "remote-"+name), filepath.Join(l.dir, "mnt-"+name)
	for _, dir := range []string{remote, point} {
		if err := os.Mkdir(dir, 0o775); err != nil {
			return nil, err
		}
	}
	return startDaemon(ctx, point, nil, l.o.binary, "mount", "--log-level=error", "--min-free=1M", "--publish="+publish,
		"--cache-dir", filepath.Join(l.dir, "cache-"+name), "file://"+remote+query, point)
}

func (l *local) close() {
	for _, m := range l.mounts {
		m.stop()
	}
}

// runLocal measures the cases of which one is wanted, and prints their table.
func runLocal(ctx context.Context, o options, dir string) error {
	if !wantsLocal(o) {
		return nil
	}
	l, err := newLocal(ctx, o, dir)
	if err != nil {
		return err
	}
	defer l.close()
	fmt.Fprintf(o.out, "a directory as the remote, passthrough %s, %d pairs\n\n", l.passthrough(ctx), o.pairs)
	var results []result
	for _, c := range l.cases() {
		if !o.wants("local " + c.name) {
			continue
		}
		r, err := l.measure(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return report(o.out, results)
}

// wantsLocal tells whether any local case is to run.
func wantsLocal(o options) bool {
	for _, c := range (&local{o: o}).cases() {
		if o.wants("local " + c.name) {
			return true
		}
	}
	return false
}

// passthrough tells whether the kernel reads cached files itself.
func (l *local) passthrough(ctx context.Context) string {
	status, err := l.mounts["through"].waitStatus(ctx, func(ctl.Status) bool { return true })
	switch {
	case err != nil:
		return "unknown"
	case status.Mount.Passthrough:
		return "on"
	}
	return "off"
}
