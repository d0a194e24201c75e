package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// benchCase is one thing that is measured with a directory as the remote.
type benchCase struct {
	name  string
	ops   int // per run
	mount *daemon
	setup func(dir string) error                                 // once for each directory
	run   func(ctx context.Context, dir string, round int) error // is timed
	after func() error                                           // not timed, may be nil
}

// leaves is how many folders the objects are spread over.
const leaves = 64

// localKey names object n of a run. Runs never share names, so no cache knows
// them.
func localKey(run string, n int) string {
	leaf := n % leaves
	hash := fmt.Sprintf("%02x%02x%x", leaf, leaf, sha256.Sum256(fmt.Appendf(nil, "%s %d", run, n)))[:64]
	return fmt.Sprintf("%02x/%02x/sstate:bench:core2-64-poky-linux:1.0:r0:core2-64:14:%s_package.tar.zst", leaf, leaf, hash)
}

// localObject is one of a run, its signature of 6 kB.
func localObject(run string, n int, body []byte) object {
	key := localKey(run, n)
	head := sha256.Sum256([]byte(key))
	return object{file{key, head, body}, file{key + ".siginfo", head, body[:6000]}}
}

// cases are the local ones.
func (l *local) cases() []benchCase {
	names, objects, size := 20000, 300, 1<<20
	if l.o.quick {
		names, objects, size = 4000, 60, 256<<10
	}
	through, queue, indexed := l.mounts["through"], l.mounts["queue"], l.mounts["indexed"]
	body := make([]byte, size-32)
	stat := func(run string, threads int) func(context.Context, string, int) error {
		return func(ctx context.Context, dir string, round int) error {
			return parallel(ctx, threads, names, func(n int) error {
				return statAbsent(filepath.Join(dir, localKey(fmt.Sprint(run, round), n)))
			})
		}
	}
	each := func(fn func(dir string, round, n int) error) func(context.Context, string, int) error {
		return func(ctx context.Context, dir string, round int) error {
			return parallel(ctx, 1, objects, func(n int) error { return fn(dir, round, n) })
		}
	}
	publisher := func(run string) func(context.Context, string, int) error {
		return each(func(dir string, round, n int) error {
			return publish(dir, localObject(fmt.Sprint(run, round), n, body))
		})
	}
	buf := make([]byte, part)
	warm := func(n int) file { return localObject("warm", n, body).archive }
	fill := func(dir string) error { return fillOnce(dir, objects, warm) }
	return []benchCase{
		{"stat of absent names, 1 thread", names, through, makeLeaves, stat("a", 1), nil},
		{"stat of absent names, 8 threads", names, through, makeLeaves, stat("b", 8), nil},
		{"the same with an index, 1 thread", names, indexed, makeLeaves, stat("c", 1), nil},
		{"the same with an index, 8 threads", names, indexed, makeLeaves, stat("d", 8), nil},
		{"publish, through", objects, through, makeLeaves, publisher("through"), nil},
		{"publish, queue", objects, queue, makeLeaves, publisher("queue"), func() error { return queue.flush(l.o.binary) }},
		{"restore, warm cache", objects, through, fill, each(func(dir string, _, n int) error { return restore(dir, warm(n), buf) }), nil},
		{"touch", objects, through, fill, each(func(dir string, _, n int) error { return touch(filepath.Join(dir, warm(n).key)) }), nil},
	}
}

// makeLeaves makes the folders, so that lookups go all the way.
func makeLeaves(dir string) error {
	for n := range leaves {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, localKey("", n))), 0o775); err != nil {
			return err
		}
	}
	return nil
}

// fillOnce publishes what restore and touch use. Reading it once warms caches.
func fillOnce(dir string, count int, warm func(n int) file) error {
	if _, err := os.Stat(filepath.Join(dir, warm(0).key)); err == nil {
		return nil
	}
	if err := makeLeaves(dir); err != nil {
		return err
	}
	buf := make([]byte, part)
	for n := range count {
		if err := publishArchive(dir, warm(n)); err != nil {
			return err
		}
		if err := restore(dir, warm(n), buf); err != nil {
			return err
		}
	}
	return nil
}
