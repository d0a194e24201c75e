package upkeep

import (
	"context"
	"errors"
	"strings"

	"sstatefs/remote"
)

// pass lists the target once. fn judges one folder after the other, and gives
// what is to go to the queue.
func (c *cleaner) pass(ctx context.Context, fn func(*cleanFolder) error) error {
	c.queue = c.t.beginRemoving(ctx, c.o.DryRun, removeEvents{c.gone, c.failed, c.stays})
	each := func(folder string, files []remote.Info) error {
		if len(files) == 0 {
			c.empty.note(folder)
			return nil
		}
		f := &cleanFolder{}
		f.groups, f.others = groupsOf(files)
		return fn(f)
	}
	whole, err := c.t.sweep(ctx, each)
	if err == nil && !whole {
		err = c.t.leftovers(ctx, func(info remote.Info) error { return fn(&cleanFolder{others: []remote.Info{info}}) })
	}
	ended := c.queue.close()
	if why := c.queue.why; why != nil && c.result.FailedReason == "" {
		c.result.FailedReason = firstLine(why)
	}
	if ended != nil {
		return ended // err is the same, or what came of it
	}
	return err
}

// firstLine is the first of joined errors.
func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// first judges a folder by age.
func (c *cleaner) first(f *cleanFolder) error {
	c.lookAt(f)
	var all []removal
	for _, info := range f.others {
		if c.judge.stale(info) {
			all = append(all, removal{first: info})
		}
	}
	for _, g := range f.groups {
		all = append(all, c.judge.byAge(g)...)
		c.remains(g)
	}
	return c.remove(all)
}

// second removes what the census has doomed. What goes by age has gone before.
func (c *cleaner) second(f *cleanFolder, doom doomed) error {
	var all []removal
	for _, g := range f.groups {
		if c.o.DryRun {
			c.judge.byAge(g)
		}
		if what, ok := doom[identify(g)]; ok {
			all = append(all, g.take(what.archive, what.siginfo)...)
		}
		c.remains(g)
	}
	return c.remove(all)
}

func (c *cleaner) remove(all []removal) error {
	for _, r := range all {
		if err := c.queue.add(r); err != nil {
			return err
		}
	}
	return nil
}

// lookAt counts a folder.
func (c *cleaner) lookAt(f *cleanFolder) {
	c.mu.Lock()
	for _, g := range f.groups {
		for _, info := range g.members() {
			c.result.LookedAt.add(info)
		}
	}
	for _, info := range f.others {
		if isLeftover(info.Key) || isFeed(info.Key) {
			c.result.LookedAt.add(info)
		}
	}
	c.mu.Unlock()
	c.tell("listing")
}

// tell reports how far it is.
func (c *cleaner) tell(stage string) {
	c.mu.Lock()
	now := Progress{Stage: stage, Done: c.result.LookedAt.Total.Objects}
	if gone := c.result.Removed.Total; gone.Objects > 0 {
		now = Progress{Stage: "removing", Done: gone.Objects, DoneBytes: gone.Bytes}
	}
	c.mu.Unlock()
	c.report(now)
}

// remains notes what is left of a group.
func (c *cleaner) remains(g *Group) {
	if c.hashes == nil || len(g.members()) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hashes.add(g.Name.Hash)
}

// gone counts what was removed.
func (c *cleaner) gone(info remote.Info) {
	c.mu.Lock()
	c.result.Removed.add(info)
	c.mu.Unlock()
	if c.o.OnRemoved != nil {
		c.o.OnRemoved(info)
	}
	c.tell("removing")
}

// failed counts what could not be removed: it remains.
func (c *cleaner) failed(info remote.Info) {
	c.mu.Lock()
	c.result.Failed.add(info.Size)
	c.mu.Unlock()
	c.stays(info)
}

// stays notes an object that does not go after all.
func (c *cleaner) stays(info remote.Info) {
	groups, _ := groupsOf([]remote.Info{info})
	for _, g := range groups {
		c.remains(g)
	}
}

// uploads removes the uploads in parts that nobody completes any more.
func (c *cleaner) uploads(ctx context.Context) error {
	stale, err := c.t.staleUploads(ctx, c.judge.now.Add(-leftoverAge))
	if err != nil {
		return err
	}
	lister, _ := c.t.Remote.(remote.UploadLister)
	for _, u := range stale {
		if !c.o.DryRun {
			err = lister.AbortUpload(ctx, u.key, u.id)
		}
		switch {
		case err == nil:
			c.result.Uploads++
		case ctx.Err() != nil, errors.Is(err, remote.ErrUnavailable):
			return err
		default:
			c.result.Failed.add(0)
		}
	}
	return nil
}
