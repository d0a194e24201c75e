package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"sstatefs/integration/servers"
)

// index is the case of a large bucket.
type index struct {
	o      options
	dir    string
	rclone string
	absent generator
	keys   []string // what is in the bucket
	e      endpoint
}

// indexResult is what the rounds over one link gave.
type indexResult struct {
	mounted, folder []time.Duration // until something is mounted; then the listing of a folder
	known           []time.Duration // the listing of another folder when all names were known
	listed, rclone  []time.Duration // until all names were known
	remounted       []time.Duration // from the start of a mount that has an index to the answer to its first miss
	remountCPU      []time.Duration // of the daemon until then
	rss             int64           // bytes, when all names were known, the largest
	settled         int64           // the same ten seconds later: garbage is gone
}

// settle is when memory is looked at again: what the listing left behind is
// collected by then.
func (o options) settle() time.Duration {
	if o.quick {
		return 3 * time.Second
	}
	return 10 * time.Second
}

// runIndex measures how long a mount needs to know a large bucket, against
// rclone listing it.
func runIndex(ctx context.Context, o options, dir string) (err error) {
	var rtts []time.Duration
	for _, rtt := range o.rtts {
		if o.wants(fmt.Sprint("listing ", rtt)) {
			rtts = append(rtts, rtt)
		}
	}
	if len(rtts) == 0 && !o.wants("commands") && !o.wants("cache") {
		return nil
	}
	x := &index{o: o, dir: dir, rclone: filepath.Join(servers.Programs(), "rclone"), absent: newGenerator(nil, 2), keys: newGenerator(nil, 1).treeKeys(o.objects)}
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	srv, err := s.start(servers.Versitygw)
	if err != nil {
		return err
	}
	t := newTree(o, dir, fmt.Sprint("objects-", o.objects), func(ctx context.Context, dir string) error {
		return fill(ctx, dir, x.keys)
	})
	if err := t.lend(ctx, s, srv); err != nil {
		return err
	}
	fmt.Fprintf(o.out, "\n%d files in a bucket of %s, %d rounds\n\n", o.objects, srv.Kind, o.rounds)
	for _, rtt := range rtts {
		if err := x.runLink(ctx, srv, rtt); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	return x.scale(ctx, srv)
}

func (x *index) runLink(ctx context.Context, srv *servers.Server, rtt time.Duration) (err error) {
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	if x.e, err = s.link(srv, rtt, 0); err != nil {
		return err
	}
	var r indexResult
	for round := range x.o.rounds {
		order := []string{"rclone", "sstatefs"}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, name := range order {
			if slices.Contains(x.o.without, name) {
				continue
			}
			list := map[string]func(context.Context, *indexResult) error{"rclone": x.listRclone, "sstatefs": x.listMount}[name]
			if err := list(ctx, &r); err != nil {
				return err
			}
		}
	}
	r.print(x.o, rtt)
	return nil
}

// listRclone lists the bucket as rclone does it best.
func (x *index) listRclone(ctx context.Context, r *indexResult) error {
	args := append([]string{"lsf", "-R", "--fast-list", "--config=/dev/null"}, x.e.rcloneRemote()...)
	cmd := exec.CommandContext(ctx, x.rclone, args...)
	cmd.Env = append(os.Environ(), x.e.environment()...)
	var said bytes.Buffer
	cmd.Stderr = &said
	begun := time.Now()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("rclone: %w: %s", err, said.String())
	}
	r.rclone = append(r.rclone, time.Since(begun))
	files := 0
	for line := range bytes.Lines(out) {
		if !bytes.HasSuffix(line, []byte("/\n")) {
			files++
		}
	}
	if files != x.o.objects {
		return fmt.Errorf("rclone lists %d files of %d", files, x.o.objects)
	}
	return nil
}

// listMount mounts with an empty cache and waits until all names are known;
// then it mounts again.
func (x *index) listMount(ctx context.Context, r *indexResult) error {
	f := sstatefsMount(x.dir, x.o.binary, x.e)
	defer f.stop()
	begun := time.Now()
	if err := f.start(ctx); err != nil {
		return err
	}
	r.mounted = append(r.mounted, time.Since(begun))
	if err := x.list(f, 0, &r.folder); err != nil {
		return err
	}
	objects, err := f.run.waitListed(ctx)
	if err != nil {
		return err
	}
	if objects != int64(x.o.objects) {
		return fmt.Errorf("the index is complete with %d objects of %d", objects, x.o.objects)
	}
	r.listed = append(r.listed, time.Since(begun))
	if err := x.list(f, 1, &r.known); err != nil {
		return err
	}
	rss, err := f.run.memory()
	if err != nil {
		return err
	}
	if err := pause(ctx, x.o.settle()); err != nil {
		return err
	}
	settled, err := f.run.memory()
	if err != nil {
		return err
	}
	r.rss, r.settled = max(r.rss, rss), max(r.settled, settled)
	f.run.stop()
	return x.remount(ctx, f, r)
}

// remount mounts with the index of the last mount and asks for one name.
func (x *index) remount(ctx context.Context, f *folder, r *indexResult) error {
	begun := time.Now()
	if err := f.start(ctx); err != nil {
		return err
	}
	if err := f.stat(x.absent.key()); err != nil {
		return err
	}
	r.remounted = append(r.remounted, time.Since(begun))
	used, err := f.run.cpu()
	r.remountCPU = append(r.remountCPU, used)
	return err
}

// list lists the folder of the bucket's nth archive.
func (x *index) list(f *folder, n int, took *[]time.Duration) error {
	name := filepath.Join(f.point, filepath.Dir(x.keys[4*n]))
	begun := time.Now()
	entries, err := os.ReadDir(name)
	*took = append(*took, time.Since(begun))
	if err == nil && len(entries) < 2 {
		err = fmt.Errorf("%s has %d entries", name, len(entries))
	}
	return err
}

func (r indexResult) print(o options, rtt time.Duration) {
	n := samples{"rclone": r.rclone, "sstatefs": r.listed}
	fmt.Fprintf(o.out, "\nround trip time %v\n", rtt)
	if len(r.rclone) > 0 {
		figure{name: "rclone lsf -R --fast-list", value: durations(r.rclone)}.print(o.out)
	}
	if len(r.listed) == 0 {
		return
	}
	within("from the start to a mount", r.mounted, time.Second).print(o.out)
	figure{name: "ls of one folder right then", value: durations(r.folder)}.print(o.out)
	figure{name: "from the start until all names are known", value: durations(r.listed)}.print(o.out)
	if all := n.ratios("sstatefs", "rclone"); len(all) > 0 {
		figure{"the same, to rclone", spread(all), "within 0.5", all[len(all)/2] <= 0.5}.print(o.out)
	}
	figure{name: "ls of another folder when all names are known", value: durations(r.known)}.print(o.out)
	figure{name: "memory of the daemon then", value: perObject(r.rss, o.objects).value}.print(o.out)
	settled := perObject(r.settled, o.objects)
	settled.name = fmt.Sprintf("memory %v later", o.settle())
	settled.print(o.out)
	figure{name: "mounted again: from the start to its first miss", value: durations(r.remounted)}.print(o.out)
	figure{name: "CPU time of the daemon until then", value: durations(r.remountCPU)}.print(o.out)
}
