package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// again is how many names are asked for twice: few enough to be asked again
// before the kernel forgets that they are not there.
const again = 2000

// lookupCases ask for names that are not there.
func (l *local) lookupCases() []localCase {
	names := l.scaled(20_000)
	lookup := func(run string, threads, names int) func(context.Context, *place, int) error {
		return func(ctx context.Context, p *place, round int) error {
			return parallel(ctx, threads, names, func(n int) error {
				return statAbsent(filepath.Join(p.point, localKey(roundName(run, round), n)))
			})
		}
	}
	first := func(p *place, round int) error { return lookup("again", 1, again)(context.Background(), p, round) }
	others, target := []string{plainDir, loopback}, bound{of: loopback, faster: 0.9}
	return []localCase{
		{name: "absent names, 1 thread", ops: names, ours: indexed, others: others,
			bound: target, once: makeLeaves, run: lookup("a", 1, names)},
		{name: "absent names, 8 threads", ops: names, ours: indexed, others: others,
			bound: target, once: makeLeaves, run: lookup("b", 8, names)},
		{name: "absent names, asked again within 5 s", ops: again, ours: indexed, others: others,
			bound: bound{silent: true}, once: makeLeaves, before: first, run: lookup("again", 1, again)},
		{name: "absent names without an index, 1 thread", ops: names, ours: asked, others: []string{plainDir, loopbackAsk},
			once: makeLeaves, run: lookup("c", 1, names)},
		{name: "absent names without an index, 8 threads", ops: names, ours: asked, others: []string{plainDir, loopbackAsk},
			once: makeLeaves, run: lookup("d", 8, names)},
	}
}

// useCases use objects that are there. Each round has objects of its own where
// the kernel's knowledge of them is part of the case.
func (l *local) useCases() []localCase {
	check := l.sets("check", l.scaled(5000), 2000)
	cached := l.sets("cached", l.scaled(5000), 2000)
	touched := l.sets("touched", l.scaled(10_000), 200)
	large, small := localObjects("large", l.scaled(300), 1<<20), localObjects("small", l.scaled(1000), 60_000)
	buf := make([]byte, part)
	others, target := []string{plainDir, loopback}, bound{of: loopback, faster: 0.9}
	each := func(objects []object, use func(dir string, o object) error) func(context.Context, *place, int) error {
		return func(ctx context.Context, p *place, _ int) error {
			return parallel(ctx, 1, len(objects), func(n int) error { return use(p.point, objects[n]) })
		}
	}
	own := func(sets [][]object, use func(dir string, o object) error) func(context.Context, *place, int) error {
		return func(ctx context.Context, p *place, round int) error { return each(sets[round], use)(ctx, p, round) }
	}
	restored := func(dir string, o object) error { return restore(dir, o, buf) }
	used := func(dir string, o object) error { return use(filepath.Join(dir, o.archive.key)) }
	return []localCase{
		{name: "availability check, objects on the remote", ops: len(check[0]), ours: indexed, others: others,
			bound: target, once: l.seeded(false, check...), run: own(check, available)},
		{name: "availability check, objects in the cache", ops: len(cached[0]), ours: indexed, others: others,
			bound: target, once: l.seeded(true, cached...), run: own(cached, available)},
		{name: "restore of 60 kB, warm cache", ops: len(small), ours: indexed, others: others,
			bound: target, once: l.seeded(true, small), run: each(small, restored)},
		{name: "restore of 1 MiB, warm cache", ops: len(large), ours: indexed, others: others,
			bound: target, once: l.seeded(true, large), run: each(large, restored)},
		{name: "touch, objects in the cache", ops: len(small), ours: indexed, others: others,
			bound: target, once: l.seeded(true, small), run: each(small, used)},
		{name: "10,000 touches, due, objects on the remote", ops: len(touched[0]), ours: indexed, others: others,
			bound: target, once: l.aged(touched), run: own(touched, used), after: told(touched)},
	}
}

// sets gives each round objects of its own.
func (l *local) sets(run string, n, size int) [][]object {
	sets := make([][]object, l.o.pairs)
	for round := range sets {
		sets[round] = localObjects(roundName(run, round), n, size)
	}
	return sets
}

// aged seeds objects that nobody has used for three days.
func (l *local) aged(sets [][]object) func(context.Context, *place) error {
	return func(ctx context.Context, p *place) error {
		for _, objects := range sets {
			if err := write(ctx, p.data, objects); err != nil {
				return err
			}
			if err := age(p.data, archives(objects)); err != nil {
				return err
			}
		}
		if p.name != indexed {
			return nil
		}
		return p.run.refresh(l.o.binary)
	}
}

func archives(objects []object) []string {
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.archive.key
	}
	return keys
}

// told waits until the remote knows that the objects of a round are in use.
func told(sets [][]object) func(context.Context, *place, int) error {
	return func(ctx context.Context, p *place, round int) error {
		ctx, cancel := context.WithTimeout(ctx, sendLimit)
		defer cancel()
		for _, o := range sets[round] {
			for {
				fi, err := os.Stat(filepath.Join(p.data, o.archive.key))
				if err != nil {
					return err
				}
				if time.Since(fi.ModTime()) < time.Hour {
					break
				}
				if err := pause(ctx, 10*time.Millisecond); err != nil {
					return fmt.Errorf("%s is not touched: %w", o.archive.key, err)
				}
			}
		}
		return nil
	}
}

// flushed waits until a mount of ours has sent everything.
func (l *local) flushed(_ context.Context, p *place, _ int) error {
	switch p.name {
	case indexed, queued:
		return p.run.flush(l.o.binary)
	}
	return nil
}
