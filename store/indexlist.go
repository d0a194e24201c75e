package store

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// start begins the listing of a shard unless one runs. Called with mu held.
func (x *index) start(sh *shard) *listing {
	if sh.running == nil {
		l := &listing{done: make(chan struct{}), own: map[remote.Key]*remote.Info{}}
		sh.running = l
		x.spawn(func(ctx context.Context) { x.listShard(ctx, sh, l) })
	}
	return sh.running
}

// wait waits for a listing.
func (l *listing) wait(ctx context.Context) error {
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// listShard lists one shard and puts the result in place. The remote's guard
// bounds its time.
func (x *index) listShard(ctx context.Context, sh *shard, l *listing) {
	begun := x.now()
	fresh, err := x.collect(ctx, sh)
	var d delta
	x.mu.Lock()
	if err == nil {
		for key, info := range l.own {
			apply(fresh, key, info)
		}
		d = x.replace(sh, fresh)
		if x.rounds > 0 {
			x.gone, d.removed = append(x.gone, d.removed...), nil
		}
		sh.listed, sh.known = begun, true
		x.listed = x.now()
	}
	l.err = err
	sh.running = nil
	x.mu.Unlock()
	close(l.done)
	if err == nil {
		x.onDelta(d)
	}
}

// settle is how long a folder must have been quiet before its time is trusted
// to show the next change: file systems keep times as coarse as two seconds.
const settle = 3 * time.Second

// collect asks the remote what a shard holds. Leaves whose folder did not move
// since they were listed are taken over.
func (x *index) collect(ctx context.Context, sh *shard) (map[string]*leaf, error) {
	fresh := map[string]*leaf{}
	begun := x.now()
	var stale []string
	times := map[string]time.Time{}
	x.mu.Lock()
	partial := sh.known && !sh.listed.IsZero()
	x.mu.Unlock()
	if partial {
		err := x.folders(ctx, sh.name, func(f remote.Folder) error {
			if f.ModTime.IsZero() {
				partial = false
			}
			times[f.Name] = f.ModTime
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if !partial {
		return fresh, x.list(ctx, sh.name, func(i remote.Info) error { apply(fresh, i.Key, &i); return nil })
	}
	x.mu.Lock()
	for name, t := range times {
		if old := sh.leaves[name]; old != nil && old.time.Equal(t) {
			fresh[name] = old.clone()
		} else {
			stale = append(stale, name)
		}
	}
	x.mu.Unlock()
	for _, name := range stale {
		if err := x.list(ctx, sh.name+"/"+name, func(i remote.Info) error { apply(fresh, i.Key, &i); return nil }); err != nil {
			return nil, err
		}
		if t := times[name]; fresh[name] != nil && begun.Sub(t) > settle {
			fresh[name].time = t
		}
	}
	return fresh, nil
}

func (l *leaf) clone() *leaf {
	c := &leaf{names: make(map[string]stamp, len(l.names)), time: l.time}
	for k, v := range l.names {
		c.names[k] = v
	}
	return c
}

// apply puts one object into leaves, or takes it out when info is nil. Names
// that are no objects of this grammar are left out.
func apply(leaves map[string]*leaf, key remote.Key, info *remote.Info) {
	_, ln, base := split(key)
	if info == nil {
		if lf := leaves[ln]; lf != nil {
			delete(lf.names, base)
		}
		return
	}
	if _, ok := sstate.ParsePath(string(key)); !ok {
		return
	}
	lf := leaves[ln]
	if lf == nil {
		lf = &leaf{names: map[string]stamp{}}
		leaves[ln] = lf
	}
	lf.names[base] = stamp{info.Size, info.ModTime.UnixNano()}
}

// replace swaps a shard's content and tells what changed. Called with mu held.
func (x *index) replace(sh *shard, fresh map[string]*leaf) delta {
	var d delta
	var was, is int64
	key := func(ln, base string) remote.Key { return remote.Key(sh.name + "/" + ln + "/" + base) }
	for ln, old := range sh.leaves {
		for base, st := range old.names {
			was++
			now, ok := fresh[ln].get(base)
			if !ok {
				d.removed = append(d.removed, key(ln, base))
			} else if now.size != st.size {
				d.resized = append(d.resized, key(ln, base))
			}
		}
	}
	for ln, lf := range fresh {
		if len(lf.names) == 0 {
			delete(fresh, ln)
			continue
		}
		for base := range lf.names {
			is++
			if _, ok := sh.leaves[ln].get(base); !ok {
				d.added = append(d.added, key(ln, base))
			}
		}
	}
	sh.leaves = fresh
	x.account(is - was)
	return d
}

func (l *leaf) get(base string) (stamp, bool) {
	if l == nil {
		return stamp{}, false
	}
	st, ok := l.names[base]
	return st, ok
}

// account moves the number of objects and watches for a sudden drop. Called
// with mu held.
func (x *index) account(diff int64) {
	x.objects += diff
	if x.isSuspect() {
		if x.objects*2 > x.peak {
			x.suspect = time.Time{}
		}
		return
	}
	t := x.now()
	if x.objects >= x.peak || t.Sub(x.peakAt) > peakAge {
		x.peak, x.peakAt = max(x.objects, x.objects-diff), t
	}
	if x.peak >= suspectFloor && x.objects*2 < x.peak {
		x.suspect = t
	}
}

// refreshRetry is the pause after a refresh that failed.
const refreshRetry = 5 * time.Second

// refreshBehind lists all stale shards in use again, in the background. Called
// with mu held.
func (x *index) refreshBehind() {
	if x.refreshing || x.now().Before(x.retryAt) {
		return
	}
	x.refreshing = true
	x.spawn(func(ctx context.Context) {
		err := x.refreshStale(ctx)
		x.mu.Lock()
		x.refreshing = false
		if err != nil {
			x.retryAt = x.now().Add(refreshRetry)
		}
		x.mu.Unlock()
	})
}

// refreshStale lists the stale shards in use, and those that are new on the
// remote.
func (x *index) refreshStale(ctx context.Context) error {
	names, err := x.discover(ctx)
	if err != nil {
		return err
	}
	var stale []*shard
	x.mu.Lock()
	for _, n := range names {
		if x.shards[n] == nil {
			stale = append(stale, x.shard(n))
		}
	}
	now := x.now()
	for _, sh := range x.shards {
		if sh.known && sh.used && now.Sub(sh.listed) > x.refresh {
			stale = append(stale, sh)
		}
	}
	x.listed = now
	x.mu.Unlock()
	if err := x.listAll(ctx, stale); err != nil {
		return err
	}
	x.mu.Lock()
	x.complete = true
	x.mu.Unlock()
	return nil
}

// wake looks at a remote again that is back.
func (x *index) wake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.retryAt = time.Time{}
	x.refreshBehind()
}

// listAll lists shards in parallel and returns the first error. What is gone is
// told at the end, when it is known whether the listing is to be believed.
func (x *index) listAll(ctx context.Context, shards []*shard) error {
	x.mu.Lock()
	x.rounds++
	x.mu.Unlock()
	defer x.endRound()
	var g errgroup.Group
	g.SetLimit(max(1, x.jobs))
	for _, sh := range shards {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			x.mu.Lock()
			l := x.start(sh)
			x.mu.Unlock()
			return l.wait(ctx)
		})
	}
	return g.Wait()
}

func (x *index) endRound() {
	x.mu.Lock()
	x.rounds--
	var d delta
	if x.rounds == 0 {
		d.removed, x.gone = x.gone, nil
	}
	x.mu.Unlock()
	x.onDelta(d)
}

// fill finds all shards and lists them. Lookups of folders wait for the first.
func (x *index) fill(ctx context.Context) (err error) {
	defer func() { x.filled(err) }()
	names, err := x.discover(ctx)
	if err != nil {
		return err
	}
	var all []*shard
	x.mu.Lock()
	for _, n := range names {
		x.shard(n).found = true
	}
	for _, sh := range x.shards {
		all = append(all, sh)
	}
	x.mu.Unlock()
	x.filled(nil) // which folders there are is known now
	if err := x.listAll(ctx, all); err != nil {
		return err
	}
	x.mu.Lock()
	x.complete = true
	x.listed = x.now()
	x.mu.Unlock()
	return nil
}

// filled ends the wait for the first listing of all.
func (x *index) filled(err error) {
	x.mu.Lock()
	l := x.filling
	x.filling = nil
	x.mu.Unlock()
	if l != nil {
		l.err = err
		close(l.done)
	}
}

// discover names the shards of the remote: hex pairs at its root, and below
// every other folder there.
func (x *index) discover(ctx context.Context) ([]string, error) {
	var names, others []string
	err := x.folders(ctx, "", func(f remote.Folder) error {
		if sstate.IsFolder(f.Name) {
			names = append(names, f.Name)
		} else {
			others = append(others, f.Name)
		}
		return nil
	})
	for _, o := range others {
		if err != nil {
			return nil, err
		}
		err = x.folders(ctx, o, func(f remote.Folder) error {
			if p := o + "/" + f.Name; sstate.IsFolder(p) {
				names = append(names, p)
			}
			return nil
		})
	}
	return names, err
}
