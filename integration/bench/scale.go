package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sstatefs/ctl"
	"sstatefs/integration/servers"
)

// scaleLimit bounds the wait for a mount that counts or trims its cache.
const scaleLimit = 10 * time.Minute

// scale is what commands and a mount do with many objects, without a network
// between: the first in the bucket, then in the cache of this host.
func (x *index) scale(ctx context.Context, srv *servers.Server) (err error) {
	if x.e, err = endpointOf(srv, srv.URL); err != nil {
		return err
	}
	if x.o.wants("commands") {
		if err := x.commands(ctx); err != nil {
			return fmt.Errorf("commands: %w", err)
		}
	}
	if x.o.wants("cache") {
		ctx, cancel := context.WithTimeout(ctx, scaleLimit)
		defer cancel()
		if err := x.cached(ctx); err != nil {
			return fmt.Errorf("cache: %w", err)
		}
	}
	return nil
}

// commands asks what is in the bucket, and what would be cleaned, of the
// server and of a mount.
func (x *index) commands(ctx context.Context) error {
	fmt.Fprintf(x.o.out, "\ncommands, %d files in the bucket\n\n", x.o.objects)
	f := sstatefsMount(x.dir, x.o.binary, x.e)
	defer f.stop()
	if err := f.startKnowing(ctx); err != nil {
		return err
	}
	for _, target := range []struct{ name, address string }{{"the server", x.e.address()}, {"a mount", f.point}} {
		for _, verb := range [][]string{{"info"}, {"clean", "--dry-run", "--max-age=30d"}} {
			if err := x.command(ctx, f.run, "of "+target.name, append(verb, target.address)); err != nil {
				return err
			}
		}
	}
	return nil
}

// command prints what one took, and how much memory it and the daemon had at
// most.
func (x *index) command(ctx context.Context, d *daemon, of string, args []string) error {
	if err := d.forgetPeak(); err != nil {
		return err
	}
	before, err := d.memory()
	if err != nil {
		return err
	}
	begun := time.Now()
	used, err := x.watched(ctx, args)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	took := time.Since(begun)
	peak, err := d.peak()
	figure{name: args[0] + " " + of, value: fmt.Sprintf("%s, %s; the daemon %s more than before",
		seconds(took), mebibytes(used), mebibytes(max(0, peak-before)))}.print(x.o.out)
	return err
}

// watched runs a command and tells how much memory it had at most: as seen
// every few milliseconds, because what wait4(2) tells includes what this
// program had when it started the command.
func (x *index) watched(ctx context.Context, args []string) (most int64, err error) {
	cmd := exec.CommandContext(ctx, x.o.binary, args...)
	cmd.Env = append(os.Environ(), x.e.environment()...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	d := &daemon{cmd: cmd}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%w: %s", err, said.String())
			}
			return most, err
		case <-tick.C:
			if rss, err := d.peak(); err == nil {
				most = max(most, rss)
			}
		}
	}
}

// cached mounts a cache that holds all objects of the bucket.
func (x *index) cached(ctx context.Context) error {
	fmt.Fprintf(x.o.out, "\n%d files in the cache of this host\n\n", x.o.objects)
	f := sstatefsMount(x.dir, x.o.binary, x.e, "--cache-size=100T")
	defer f.stop()
	// A mount makes the cache, its objects come later.
	if err := f.startKnowing(ctx); err != nil {
		return err
	}
	f.run.stop()
	objects := filepath.Join(f.cache, "objects")
	if err := fill(ctx, objects, x.keys); err != nil {
		return err
	}
	begun := time.Now()
	if err := f.start(ctx); err != nil {
		return err
	}
	mounted := time.Since(begun)
	if err := stat(filepath.Join(f.point, x.keys[0])); err != nil {
		return err
	}
	answered := time.Since(begun)
	status, err := f.run.waitStatus(ctx, func(s ctl.Status) bool { return s.Cache.Objects >= int64(x.o.objects) })
	if err != nil {
		return err
	}
	scanned := time.Since(begun)
	within("from the start to a mount", []time.Duration{mounted}, time.Second).print(x.o.out)
	within("from the start to the first object", []time.Duration{answered}, time.Second).print(x.o.out)
	figure{name: "from the start until its size is known", value: seconds(scanned)}.print(x.o.out)
	if err := x.memory(ctx, f.run); err != nil {
		return err
	}
	f.run.stop()
	return x.trim(ctx, status.Cache.Bytes)
}

// memory prints what the daemon has, and had at most.
func (x *index) memory(ctx context.Context, d *daemon) error {
	if err := pause(ctx, x.o.settle()); err != nil {
		return err
	}
	peak, err := d.peak()
	if err != nil {
		return err
	}
	rss, err := d.memory()
	line := perObject(rss, x.o.objects)
	line.name = fmt.Sprintf("memory %v later, of cache and index", x.o.settle())
	line.print(x.o.out)
	figure{name: "most memory until then", value: mebibytes(peak)}.print(x.o.out)
	return err
}

// quiet is how long the size of a cache stays the same when a trim is over.
const quiet = 3 * time.Second

// trim mounts the cache anew with room for nine tenths, and waits until the
// rest is gone. Meanwhile it looks up what stays.
func (x *index) trim(ctx context.Context, bytes int64) error {
	f := sstatefsMount(x.dir, x.o.binary, x.e, fmt.Sprintf("--cache-size=%dM", bytes*9/10>>20))
	defer f.stop()
	begun := time.Now()
	if err := f.start(ctx); err != nil {
		return err
	}
	name := filepath.Join(f.point, x.keys[0])
	var longest time.Duration
	var objects int64
	changed := begun
	trimmed := func(s ctl.Status) bool {
		asked := time.Now()
		_ = stat(name) // it may be gone
		longest = max(longest, time.Since(asked))
		if s.Cache.Objects != objects {
			objects, changed = s.Cache.Objects, asked
		}
		// While the cache is counted it seems small.
		return objects > int64(x.o.objects)/2 && s.Cache.Bytes <= bytes*9/10 && time.Since(changed) > quiet
	}
	if _, err := f.run.waitStatus(ctx, trimmed); err != nil {
		return err
	}
	peak, err := f.run.peak()
	figure{name: "trimmed at the next start", value: fmt.Sprintf("%d objects less after %s",
		int64(x.o.objects)-objects, seconds(changed.Sub(begun)))}.print(x.o.out)
	figure{name: "longest lookup meanwhile", value: seconds(longest)}.print(x.o.out)
	figure{name: "most memory", value: mebibytes(peak)}.print(x.o.out)
	return err
}
