package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"sstatefs/integration/servers"
)

// absentNames is how many names an availability check asks for.
const absentNames = 5000

// patience is how long a contender's run may take to be repeated.
const patience = time.Minute

// network is the cases over networks.
type network struct {
	o       options
	dir     string
	rclone  string // the program
	pool    []byte
	tree    tree
	restore []object // in it from the beginning
	seeds   uint64   // used for names so far
}

// netCase is one thing that is measured over networks.
type netCase struct {
	name       string
	contenders []string
	bound      bound
	run        func(ctx context.Context, c contender, objects []object) (time.Duration, error)
}

// bound is what a ratio is to be.
type bound struct {
	of     string  // the contender that sstatefs is compared with
	faster float64 // at least this many times as fast
	slower float64 // at most this many times as slow
}

func (n *network) cases() []netCase {
	mounts := []string{"plain", "rclone", "sstatefs"}
	all := []string{"plain", "raw", "rclone", "sstatefs"}
	return []netCase{
		{"start of a fresh mount", mounts[1:], bound{}, n.start},
		{"absent names, fresh mount", mounts, bound{of: "rclone", faster: 50}, n.absent},
		{"all names known", mounts[2:], bound{}, n.known},
		{"publish, 8 writers", all, bound{of: "raw", slower: 1.3}, n.publish},
		{"restore, 8 readers", all, bound{of: "raw", slower: 1.3}, n.read},
	}
}

// fresh gives a generator of names that nothing has seen.
func (n *network) fresh() generator {
	n.seeds++
	return newGenerator(n.pool, n.seeds)
}

// runNetwork measures all cases on all servers over all links.
func runNetwork(ctx context.Context, o options, dir string) error {
	n := &network{o: o, dir: dir, rclone: filepath.Join(servers.Programs(), "rclone"), pool: newPool()}
	n.restore = n.fresh().objects(o.files)
	n.tree = newTree(o, dir, fmt.Sprintf("tree-%d-%d", o.tree, o.files), n.fill)
	shown := false
	for _, kind := range o.servers {
		if !n.wantsServer(kind) {
			continue
		}
		if !shown {
			headNetwork(o)
			shown = true
		}
		if err := n.runServer(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// fill makes the tree.
func (n *network) fill(ctx context.Context, dir string) error {
	if err := fill(ctx, dir, newGenerator(n.pool, 1<<40).treeKeys(n.o.tree)); err != nil {
		return err
	}
	return write(ctx, dir, n.restore)
}

func caseName(kind servers.Kind, rtt time.Duration, name string) string {
	return fmt.Sprintf("%s %v %s", kind, rtt, name)
}

// wantsServer tells whether any case of a server is to run.
func (n *network) wantsServer(kind servers.Kind) bool {
	for _, rtt := range n.o.rtts {
		for _, c := range n.cases() {
			if n.o.wants(caseName(kind, rtt, c.name)) {
				return true
			}
		}
	}
	return false
}

// runServer starts one server, fills it and measures it over all links.
func (n *network) runServer(ctx context.Context, kind servers.Kind) (err error) {
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	srv, err := s.start(kind)
	if err != nil {
		return err
	}
	if err := n.tree.lend(ctx, s, srv); err != nil {
		return err
	}
	for _, rtt := range n.o.rtts {
		if err := n.runLink(ctx, srv, rtt); err != nil {
			return err
		}
	}
	return nil
}

// runLink measures one server over one link.
func (n *network) runLink(ctx context.Context, srv *servers.Server, rtt time.Duration) (err error) {
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	e, err := s.link(srv, rtt)
	if err != nil {
		return err
	}
	all := map[string]contender{
		"plain":    plainFolder(e),
		"raw":      newRaw(e, filepath.Join(n.dir, "downloads")),
		"rclone":   rcloneMount(n.dir, n.rclone, e),
		"sstatefs": sstatefsMount(n.dir, n.o.binary, e),
	}
	for _, c := range n.cases() {
		if !n.o.wants(caseName(srv.Kind, rtt, c.name)) {
			continue
		}
		row := netResult{server: srv.Kind, rtt: rtt, c: c, took: map[string][]time.Duration{}}
		for round := range n.o.rounds {
			if err := n.round(ctx, all, &row, round); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		row.print(n.o.out)
	}
	return nil
}

// round runs a case once with every contender.
func (n *network) round(ctx context.Context, all map[string]contender, row *netResult, round int) error {
	order := slices.Clone(row.c.contenders)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	for _, name := range order {
		if slices.Contains(n.o.without, name) || round > 0 && row.took[name][0] > patience {
			continue
		}
		c := all[name]
		objects := n.fresh().objects(n.o.files)
		took, err := row.c.run(ctx, c, objects)
		c.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		row.took[name] = append(row.took[name], took)
	}
	return nil
}

// start is what a mount with an empty cache takes to be there.
func (n *network) start(ctx context.Context, c contender, _ []object) (time.Duration, error) {
	begun := time.Now()
	err := c.start(ctx)
	return time.Since(begun), err
}

// absent asks a mount that has just started and knows nothing for names, one
// after the other.
func (n *network) absent(ctx context.Context, c contender, _ []object) (time.Duration, error) {
	if err := c.start(ctx); err != nil {
		return 0, err
	}
	keys := n.fresh().keys(absentNames)
	begun := time.Now()
	err := parallel(ctx, 1, len(keys), func(i int) error { return c.stat(keys[i]) })
	return time.Since(begun), err
}

// known is what it takes from the start of a mount until every name is in the
// index.
func (n *network) known(ctx context.Context, c contender, _ []object) (time.Duration, error) {
	begun := time.Now()
	err := c.startKnowing(ctx)
	return time.Since(begun), err
}

// publish makes new objects in a mount that has an empty cache, knows what the
// remote has and has answered the availability check of these names, as before
// every build.
func (n *network) publish(ctx context.Context, c contender, objects []object) (time.Duration, error) {
	if err := c.startKnowing(ctx); err != nil {
		return 0, err
	}
	if err := c.prepare(objects); err != nil {
		return 0, err
	}
	begun := time.Now()
	err := parallel(ctx, workers, len(objects), func(i int) error { return c.publish(ctx, objects[i]) })
	if err == nil {
		err = c.settle(objects)
	}
	took := time.Since(begun)
	defer remove(c.remote(), objects)
	for _, o := range objects {
		if err == nil && !(sent(c.remote(), o.archive) && sent(c.remote(), o.siginfo)) {
			err = fmt.Errorf("%s is not at the server after its publish", o.archive.key)
		}
	}
	return took, err
}

// read reads objects through a mount that has an empty cache, knows what the
// remote has and has answered the availability check of these names.
func (n *network) read(ctx context.Context, c contender, _ []object) (time.Duration, error) {
	if err := c.startKnowing(ctx); err != nil {
		return 0, err
	}
	if err := c.check(n.restore); err != nil {
		return 0, err
	}
	begun := time.Now()
	err := parallel(ctx, workers, len(n.restore), func(i int) error { return c.restore(ctx, n.restore[i].archive) })
	return time.Since(begun), err
}
