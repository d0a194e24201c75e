package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// localCase is one thing that is measured with a directory as the remote.
type localCase struct {
	name   string
	ops    int      // per run
	ours   string   // the place of sstatefs
	others []string // the places beside it
	bound  bound
	once   func(ctx context.Context, p *place) error            // before the first run, may be nil
	before func(p *place, round int) error                      // not timed, may be nil
	run    func(ctx context.Context, p *place, round int) error // is timed
	after  func(ctx context.Context, p *place, round int) error // not timed, may be nil
}

// localResult is what the rounds of one local case gave.
type localResult struct {
	c     localCase
	took  samples         // per operation
	loads map[string]load // by contender, of all rounds
}

// runLocal measures the cases of which one is wanted, and prints their table.
func runLocal(ctx context.Context, o options, dir string) error {
	l := &local{o: o, dir: filepath.Join(dir, "local"), places: map[string]*place{}}
	var wanted []localCase
	for _, c := range l.cases() {
		if o.wants("local " + c.name) {
			wanted = append(wanted, c)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	defer l.close()
	if err := l.build(ctx); err != nil {
		return err
	}
	passthrough, err := l.passthrough(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "a directory as the remote, passthrough %s, %d rounds\n\n", passthrough, o.pairs)
	headLocal(o.out)
	for _, c := range wanted {
		r, err := l.measure(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		r.print(o.out)
	}
	return nil
}

// build makes the folder and the loopback in it.
func (l *local) build(ctx context.Context) error {
	l.loopback = filepath.Join(l.dir, "loopback")
	build := exec.CommandContext(ctx, "go", "build", "-o", l.loopback, "sstatefs/integration/bench/loopback")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// measure runs the rounds of a case. The contenders change their order.
func (l *local) measure(ctx context.Context, c localCase) (localResult, error) {
	r := localResult{c: c, took: samples{}, loads: map[string]load{}}
	var places []*place
	for _, name := range append([]string{c.ours}, c.others...) {
		p, err := l.place(ctx, name)
		if err != nil {
			return r, err
		}
		if c.once != nil {
			if err := c.once(ctx, p); err != nil {
				return r, err
			}
		}
		places = append(places, p)
	}
	if err := writeBack(l.dir); err != nil {
		return r, err
	}
	for round := range l.o.pairs {
		for n := range places {
			if err := r.round(ctx, places[(n+round)%len(places)], round); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// writeBack has the disk written that a folder is on, lest the kernel does it
// while something is timed.
func writeBack(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("syncfs %s: %w", dir, err)
	}
	return nil
}

// round runs a case once in one place.
func (r *localResult) round(ctx context.Context, p *place, round int) error {
	if r.c.before != nil {
		if err := r.c.before(p, round); err != nil {
			return err
		}
	}
	from, err := p.run.load()
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := r.c.run(ctx, p, round); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	took := time.Since(begun)
	to, err := p.run.load()
	if err != nil {
		return err
	}
	name := p.name
	if name == r.c.ours {
		name = "sstatefs"
	}
	r.took[name] = append(r.took[name], took/time.Duration(r.c.ops))
	sum := r.loads[name]
	r.loads[name] = load{sum.reads + to.reads - from.reads, sum.cpu + to.cpu - from.cpu}
	if r.c.after == nil {
		return nil
	}
	return r.c.after(ctx, p, round)
}
