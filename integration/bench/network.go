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

// patience is how long a contender's run may take to be repeated, peers how
// often rclone and s3fs run: no target is close to what they do.
const (
	patience = time.Minute
	peers    = 3
)

// network is the cases over networks.
type network struct {
	o       options
	dir     string
	rclone  string // the program
	pool    *pool
	tree    tree
	large   object // in it from the beginning
	summed  object // as large, published by a mount, as are those that follow: the server has their checksums where it can
	restore []object
	small   []object
	seeds   uint64 // used for names so far
}

// fresh gives a generator of names that nothing has seen.
func (n *network) fresh() generator {
	n.seeds++
	return newGenerator(n.pool, n.seeds)
}

// runNetwork measures all cases on all servers over all links.
func runNetwork(ctx context.Context, o options, dir string) error {
	n := &network{o: o, dir: dir, rclone: filepath.Join(servers.Programs(), "rclone")}
	wanted := slices.DeleteFunc(slices.Clone(o.servers), func(kind servers.Kind) bool { return !n.wantsServer(kind) })
	if len(wanted) == 0 {
		return nil
	}
	var err error
	if n.pool, err = newPool(); err != nil {
		return err
	}
	n.make(o)
	n.tree = newTree(o, dir, fmt.Sprintf("tree-3-%d-%d-%v", o.tree, o.files, o.quick), n.fill)
	headNetwork(o)
	for _, kind := range wanted {
		if err := n.runServer(ctx, kind); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// make makes what the remotes have from the beginning.
func (n *network) make(o options) {
	small, large := 1000, 256<<20
	if o.quick {
		small, large = 200, 64<<20
	}
	n.restore = n.fresh().objects(o.files)
	n.small = n.fresh().equal(small, smallSize)
	pair := n.fresh().equal(2, large)
	n.large, n.summed = pair[0], pair[1]
}

// fill makes the tree.
func (n *network) fill(ctx context.Context, dir string) error {
	if err := fill(ctx, dir, newGenerator(n.pool, 1<<40).treeKeys(n.o.tree)); err != nil {
		return err
	}
	return write(ctx, dir, []object{n.large})
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
	defer remove(srv.Data, n.published()) // the tree stays what it was
	if err := n.upload(ctx, srv); err != nil {
		return err
	}
	for _, rtt := range n.o.rtts {
		if err := n.runLink(ctx, srv, rtt); err != nil {
			return err
		}
	}
	return nil
}

// published is what is not in the tree.
func (n *network) published() []object {
	return slices.Concat([]object{n.summed}, n.restore, n.small)
}

// upload publishes it as a site does, through a mount.
func (n *network) upload(ctx context.Context, srv *servers.Server) error {
	e, err := endpointOf(srv, srv.URL)
	if err != nil {
		return err
	}
	f := sstatefsMount(n.dir, n.o.binary, e)
	defer f.stop()
	if err := f.start(ctx); err != nil {
		return err
	}
	objects := n.published()
	return parallel(ctx, workers, len(objects), func(i int) error { return f.publish(ctx, objects[i]) })
}

// contenders are those of a server as seen over one link.
func (n *network) contenders(e endpoint) map[string]contender {
	return map[string]contender{
		"s3fs":     s3fsMount(n.dir, e),
		"plain":    plainFolder(e),
		"raw":      newRaw(e, filepath.Join(n.dir, "downloads")),
		"rclone":   rcloneMount(n.dir, n.rclone, e),
		"sstatefs": sstatefsMount(n.dir, n.o.binary, e),
	}
}

// runLink measures one server over one link, and over the same with a rate.
func (n *network) runLink(ctx context.Context, srv *servers.Server, rtt time.Duration) (err error) {
	s := &site{}
	defer func() { err = errors.Join(err, s.close()) }()
	links := map[bandwidth]map[string]contender{}
	for _, rate := range []bandwidth{0, n.o.rate} {
		e, err := s.link(srv, rtt, rate)
		if err != nil {
			return err
		}
		links[rate] = n.contenders(e)
	}
	for _, c := range n.cases() {
		if !n.o.wants(caseName(srv.Kind, rtt, c.name)) {
			continue
		}
		if c.same && srv.Kind == servers.Apache && slices.Contains(n.o.servers, servers.ApacheDeep) {
			continue
		}
		row := netResult{server: srv.Kind, rtt: rtt, c: c, took: samples{}}
		for round := range n.o.rounds {
			if err := n.round(ctx, links[c.rate], &row, round); err != nil {
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
		if n.omits(name, row, round) {
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

// omits tells whether a contender does not take part in a round.
func (n *network) omits(name string, row *netResult, round int) bool {
	peer := name == "rclone" || name == "s3fs"
	switch {
	case slices.Contains(n.o.without, name), peer && round >= peers:
		return true
	case name == "s3fs" && !row.server.IsS3():
		return true
	}
	return len(row.took[name]) > 0 && row.took[name][0] > patience
}
