package s3

import (
	"context"
	"slices"
	"strings"
	"sync"

	"sstatefs/remote"
)

const (
	// listers is how many requests list at a time.
	listers = 16
	// pagesInRow is how many pages of one prefix are listed one after the
	// other before the rest of it is split. A page depends on the one before,
	// but a part may be far smaller than a page: a shard of 4,000 objects is 4
	// pages, or one and 190 parts.
	pagesInRow = 8
	// fewPrefixes is a number of prefixes that leaves listers without work.
	fewPrefixes = 4
)

// A tree lists all names that begin with a prefix. Of the root it begins with
// one page, as there may be no more. A prefix that goes on is split at its next slash, and
// the parts are listed at the same time.
type tree struct {
	b    *Bucket
	want func(remote.Key) bool
	hand func([]remote.Info) error

	mu      sync.Mutex
	todo    []branch
	workers int
	err     error // the first
	running sync.WaitGroup
}

// A branch is a prefix that is to be listed.
type branch struct {
	prefix string
	after  string // names up to this one were listed
	row    int    // pages after which it is split
}

// list lists in goroutines and waits for them.
func (t *tree) list(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	row := pagesInRow
	if prefix == t.b.s.root {
		row = 1
	}
	t.add(ctx, cancel, branch{prefix: prefix, row: row})
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

// work lists branches until there are none. A branch is split before its
// worker takes the next one, so that no work is left without a worker.
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
		parts, err := t.walk(ctx, one)
		if err != nil {
			t.fail(err)
			cancel()
		}
		t.add(ctx, cancel, parts...)
	}
}

func (t *tree) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// walk lists a branch, or its beginning and gives the rest in parts.
func (t *tree) walk(ctx context.Context, one branch) (parts []branch, err error) {
	row, sorted, last := 0, true, one.after
	split := false
	err = t.b.pages(ctx, span{prefix: one.prefix, after: one.after}, func(p *page) bool {
		p.entries = once(p.entries, last)
		for _, e := range p.entries {
			sorted = sorted && e.name > last // not so in AWS's directory buckets
			last = e.name
		}
		t.send(p.entries, one.after)
		row++
		split = sorted && p.truncated && row >= one.row
		return !split && ctx.Err() == nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || !split {
		return nil, err
	}
	return t.split(ctx, one.prefix, last)
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

// split finds the parts of what comes after a name.
func (t *tree) split(ctx context.Context, prefix, last string) (parts []branch, err error) {
	err = t.b.pages(ctx, span{prefix: prefix, delimiter: "/"}, func(p *page) bool {
		t.send(once(p.entries, ""), last)
		for _, name := range p.prefixes {
			switch {
			case strings.HasPrefix(last, name):
				parts = append(parts, branch{prefix: name, after: last})
			case name > last:
				parts = append(parts, branch{prefix: name})
			}
		}
		return ctx.Err() == nil
	})
	row := pagesInRow
	if len(parts) <= fewPrefixes {
		row = 1
	}
	for i := range parts {
		parts[i].row = row
	}
	return parts, err
}

// send hands on what comes after a name and is wanted.
func (t *tree) send(entries []entry, after string) {
	infos := make([]remote.Info, 0, len(entries))
	for _, e := range entries {
		if key, ok := t.b.key(e.name); ok && e.name > after && t.want(key) {
			infos = append(infos, remote.Info{Key: key, Size: e.size, ModTime: e.time})
		}
	}
	_ = t.hand(infos) // its error is that of the context, which the caller sees
}
