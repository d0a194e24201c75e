package main

import (
	"context"
	"fmt"
	"time"
)

// absentNames is how many names an availability check asks for.
const absentNames = 5000

// netRun runs a case once, objects being names that nothing has seen, and
// tells how long it took.
type netRun func(ctx context.Context, c contender, objects []object) (time.Duration, error)

// netCase is one thing that is measured over networks.
type netCase struct {
	name       string
	contenders []string
	bound      bound
	run        netRun
	same       bool      // with and without DavDepthInfinity: it runs with
	rate       bandwidth // of the link
}

func (n *network) cases() []netCase {
	all := []string{"plain", "raw", "s3fs", "rclone", "sstatefs"}
	mounts, readers := []string{"plain", "s3fs", "rclone", "sstatefs"}, []string{"raw", "s3fs", "rclone", "sstatefs"}
	read := func(objects *[]object) netRun {
		return func(ctx context.Context, c contender, _ []object) (time.Duration, error) {
			return n.read(ctx, c, *objects)
		}
	}
	cases := []netCase{
		{"start of a fresh mount", mounts[1:], bound{}, n.start, true, 0},
		{"absent names, fresh mount", mounts, bound{of: "rclone", faster: 50}, n.absent, false, 0},
		{"all names known", mounts[3:], bound{}, n.known, false, 0},
		{"publish, 8 writers", all, bound{of: "raw", slower: 1.2}, n.publish, false, 0},
		{"restore, 8 readers", all, bound{of: "raw", slower: 1.3}, read(&n.restore), false, 0},
		{"restore, small, 8 readers", all, bound{of: "raw", slower: 1.2}, read(&n.small), false, 0},
		{"first byte of 256 MB", readers, bound{}, n.open(&n.summed, contender.first), true, 0},
		{"cold read of 256 MB", readers, bound{of: "raw", slower: 1.15}, n.open(&n.summed, contender.whole), true, 0},
		{"the same, no checksum", readers, bound{of: "raw", slower: 1.15}, n.open(&n.large, contender.whole), true, 0},
	}
	if n.o.rate == 0 {
		return cases
	}
	over := func(name string, slower float64, run netRun) netCase {
		return netCase{fmt.Sprintf("%s over %v", name, n.o.rate), readers, bound{of: "raw", slower: slower}, run, true, n.o.rate}
	}
	return append(cases,
		over("restore, 8 readers,", 1.3, read(&n.restore)),
		over("cold read of 256 MB", 1.15, n.open(&n.summed, contender.whole)),
		over("the same, no checksum,", 1.15, n.open(&n.large, contender.whole)))
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
	share := c.share()
	keys := n.fresh().keys(absentNames / share)
	begun := time.Now()
	err := parallel(ctx, 1, len(keys), func(i int) error { return c.stat(keys[i]) })
	return time.Since(begun) * time.Duration(share), err
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

// read restores objects through a mount that has an empty cache, knows what the
// remote has and has answered the availability check of these names.
func (n *network) read(ctx context.Context, c contender, objects []object) (time.Duration, error) {
	if err := c.startKnowing(ctx); err != nil {
		return 0, err
	}
	if err := c.check(objects); err != nil {
		return 0, err
	}
	begun := time.Now()
	err := parallel(ctx, workers, len(objects), func(i int) error { return c.restore(ctx, objects[i]) })
	return time.Since(begun), err
}

// open reads the beginning or all of a large object that nobody has read. It
// has a checksum, or it has none and a mount decodes it.
func (n *network) open(o *object, read func(contender, context.Context, file) error) netRun {
	return func(ctx context.Context, c contender, _ []object) (time.Duration, error) {
		if err := c.startKnowing(ctx); err != nil {
			return 0, err
		}
		if err := c.check([]object{*o}); err != nil {
			return 0, err
		}
		begun := time.Now()
		err := read(c, ctx, o.archive)
		return time.Since(begun), err
	}
}
