package s3

import (
	"context"
	"slices"
	"sync"

	"sstatefs/remote"
)

const (
	// listers is how many requests list at a time.
	listers = 16
	// pagesInRow is how many pages are listed one after the other before what
	// comes after them may be split. A page depends on the one before, but a
	// split costs a request for the folders that are left, and one more or less
	// for each range: most shards are a few pages.
	pagesInRow = 8
	// rangePages is how many pages a range is thought to have.
	rangePages = 4
	// fewFolders is a number of folders that tells nothing about how much is
	// left: there may be one for each release.
	fewFolders = 4
)

// A tree lists all names that begin with a prefix. Where they go on for long
// and a lister has nothing to do, what is left is split into ranges of folders,
// which are listed at the same time. A range is told from the next by names
// alone, so that each name is in one, whatever the folders are.
type tree struct {
	b      *Bucket
	want   func(remote.Key) bool
	hand   func([]remote.Info) error
	limit  int32 // names in a page, 0 for the server's own
	prefix string

	mu      sync.Mutex
	todo    []branch
	workers int
	err     error // the first
	running sync.WaitGroup
}

// A branch is a range of names that is to be listed.
type branch struct {
	after string // names up to this one are others'
	end   string // and those from this one on, empty: there are none
	row   int    // pages after which it may be split
}

// holds tells whether a name is in the range.
func (r branch) holds(name string) bool { return name > r.after && (r.end == "" || name < r.end) }

// list lists in goroutines and waits for them. Of the root there may be no more
// than a page, and there may be a hundred thousand.
func (t *tree) list(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.prefix = prefix
	row := pagesInRow
	if prefix == t.b.s.root {
		row = 1
	}
	t.add(ctx, cancel, branch{row: row})
	t.running.Wait()
	return t.err
}

// add gives work, and makes a worker for it if there may be one more.
func (t *tree) add(ctx context.Context, cancel context.CancelFunc, work ...branch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.todo = append(t.todo, work...)
	for n := min(listers-t.workers, len(work)); n > 0; n-- {
		t.workers++
		t.running.Go(func() { t.work(ctx, cancel) })
	}
}

// idle tells whether there may be another worker and there is no work for it.
func (t *tree) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.todo) == 0 && t.workers < listers
}

// work lists branches until there are none. Who splits one is at work, so that
// no work is left without a worker.
func (t *tree) work(ctx context.Context, cancel context.CancelFunc) {
	for {
		t.mu.Lock()
		last := len(t.todo) - 1
		if last < 0 || t.err != nil {
			t.workers--
			t.mu.Unlock()
			return
		}
		one := t.todo[last]
		t.todo = t.todo[:last]
		t.mu.Unlock()
		if err := t.walk(ctx, cancel, one); err != nil {
			t.fail(err)
			cancel()
		}
	}
}

func (t *tree) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// walk lists a branch, or its beginning and gives the rest to others.
func (t *tree) walk(ctx context.Context, cancel context.CancelFunc, one branch) error {
	w := walker{branch: one, t: t, sorted: true}
	err := t.b.pages(ctx, span{prefix: t.prefix, after: one.after, limit: t.limit}, func(p *page) bool {
		w.take(p)
		if p.truncated && w.maySplit() && t.idle() {
			t.add(ctx, cancel, w.split(ctx)...)
		}
		return !w.isPast() && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// send hands on what is in a range and wanted.
func (t *tree) send(entries []entry, r branch) {
	infos := make([]remote.Info, 0, len(entries))
	for _, e := range entries {
		if key, ok := t.b.key(e.name); ok && r.holds(e.name) && t.want(key) {
			infos = append(infos, remote.Info{Key: key, Size: e.size, ModTime: e.time})
		}
	}
	_ = t.hand(infos) // its error is that of the context, which the caller sees
}

// once leaves out names that follow themselves: rclone lists an object twice
// while it is replaced.
func once(entries []entry, last string) []entry {
	return slices.DeleteFunc(entries, func(e entry) bool {
		same := e.name == last
		last = e.name
		return same
	})
}
