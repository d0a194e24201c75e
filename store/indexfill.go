package store

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// target is a shard to be listed, or one leaf of it.
type target struct {
	sh   *shard
	leaf int // -1: the shard
}

// fill finds all shards and lists them. Lookups of folders wait for the first.
// One that cannot be listed does not keep the others from it.
func (x *index) fill(ctx context.Context) (err error) {
	begun, mark := x.beginFill(), x.feed.mark()
	defer func() { x.filled(err) }()
	defer x.endFill()
	if err := x.discover(ctx, true); err != nil {
		return err
	}
	x.filled(nil) // which folders there are is known now
	err = x.listAll(ctx, x.choose(func(*shard) bool { return true }, nil))
	unsure := func(_ *shard, lf *leaf) bool { return !lf.known || lf.moved() }
	if err := errors.Join(err, x.listAll(ctx, x.choose(nil, unsure))); err != nil {
		if errors.Is(err, remote.ErrPermission) && !errors.Is(err, remote.ErrUnavailable) && ctx.Err() == nil {
			x.feed.listedAll(mark) // no other listing brings more
		}
		return err
	}
	x.mu.Lock()
	x.complete = true
	x.listed = x.now()
	x.rest(begun)
	x.mu.Unlock()
	x.feed.listedAll(mark)
	return nil
}

// choose collects shards, and leaves that are there.
func (x *index) choose(shards func(*shard) bool, leaves func(*shard, *leaf) bool) []target {
	x.mu.Lock()
	defer x.mu.Unlock()
	var chosen []target
	for _, sh := range x.shards {
		if shards != nil && shards(sh) {
			chosen = append(chosen, target{sh, -1})
		}
		if leaves == nil || sh.leaves == nil || !x.perFolder {
			continue
		}
		for i := range sh.leaves {
			if lf := &sh.leaves[i]; lf.there && leaves(sh, lf) {
				chosen = append(chosen, target{sh, i})
			}
		}
	}
	return chosen
}

// beginFill and endFill surround a listing of all: no refresh begins meanwhile,
// unless it only hears.
func (x *index) beginFill() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fills++
	return x.now()
}

func (x *index) endFill() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.fills--
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

const (
	// refreshRetry is the pause after a refresh that failed, and of lookups
	// after the first listing of what they ask for has failed.
	refreshRetry = 5 * time.Second

	// refreshShare bounds what refreshing costs: one that took t is not
	// repeated within refreshShare * t. A listing cannot tell what did not
	// change, and a million objects are a thousand pages of an object store.
	refreshShare = 10

	// longestRest bounds that pause: what others publish is missed meanwhile.
	longestRest = 5 * time.Minute
)

// rest postpones the next refresh after one that began then. Called with mu
// held.
func (x *index) rest(begun time.Time) {
	if !x.heard.IsZero() {
		return
	}
	t := x.now()
	x.restUntil = t.Add(min(refreshShare*t.Sub(begun), longestRest))
}

// refreshBehind lists all that is stale and in use again, in the background.
// Called with mu held.
func (x *index) refreshBehind() {
	if x.refreshing || x.fills > 0 && x.heard.IsZero() || x.now().Before(x.restUntil) {
		return
	}
	x.refreshing = true
	x.spawn(func(ctx context.Context) {
		begun := x.now()
		err := x.learn(ctx)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.refreshing = false
		x.rest(begun)
		if retry := x.now().Add(refreshRetry); err != nil && x.restUntil.Before(retry) {
			x.restUntil = retry
		}
	})
}

// learn finds out what others did: from the feed where there is one that serves,
// else by listing.
func (x *index) learn(ctx context.Context) error {
	switch err := x.feed.refresh(ctx); {
	case err == nil:
		return nil
	case errors.Is(err, errNoFeedYet):
		x.caughtUp(time.Time{})
		return x.fill(ctx)
	case !errors.Is(err, errFeedRefused):
		return err
	}
	x.caughtUp(time.Time{})
	return x.refreshStale(ctx)
}

// refreshStale lists what is stale and in use, and what is new on the remote.
// What is refused to us does not keep the rest from being refreshed.
func (x *index) refreshStale(ctx context.Context) error {
	err := x.discover(ctx, false)
	if ctx.Err() != nil || errors.Is(err, remote.ErrUnavailable) {
		return err
	}
	now := x.now()
	old := func(t time.Time) bool { return now.Sub(t) > x.refresh }
	shards := x.choose(func(sh *shard) bool { return !sh.known && sh.found || sh.used && old(sh.listed) }, nil)
	err = errors.Join(err, x.listAll(ctx, shards))
	leaves := x.choose(nil, func(sh *shard, lf *leaf) bool {
		return !lf.known && sh.used || lf.used && !old(sh.listed) && lf.moved() && old(sh.seen(lf))
	})
	if err := errors.Join(err, x.listAll(ctx, leaves)); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.listed = x.now()
	if !x.complete {
		x.complete = x.allKnown()
	}
	return nil
}

// allKnown reports whether every shard and leaf was listed. Called with mu
// held.
func (x *index) allKnown() bool {
	for _, sh := range x.shards {
		if sh.found && !sh.known {
			return false
		}
		if sh.leaves == nil || !x.perFolder {
			continue
		}
		for i := range sh.leaves {
			if lf := &sh.leaves[i]; lf.there && !lf.known {
				return false
			}
		}
	}
	return true
}

// wake looks at a remote again that is back.
func (x *index) wake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.restUntil, x.woken = time.Time{}, x.now()
	x.refreshBehind()
}

// distrust makes the next listing of all look into every folder, whatever its
// time says, and waits for the listings that run: they may have passed what is
// asked for.
func (x *index) distrust(ctx context.Context) {
	for _, l := range x.distrusted() {
		_ = l.wait(ctx)
	}
}

// distrusted forgets the times of folders and collects the listings that run.
func (x *index) distrusted() (running []*listing) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, sh := range x.shards {
		if sh.running != nil {
			running = append(running, sh.running)
		}
		if sh.leaves == nil {
			continue
		}
		for i := range sh.leaves {
			sh.setTime(&sh.leaves[i], 0)
			if l := sh.leaves[i].running; l != nil {
				running = append(running, l)
			}
		}
	}
	return running
}

// listAll lists in parallel and returns the first error. What is gone is told
// at the end, when it is known whether the listing is to be believed.
func (x *index) listAll(ctx context.Context, targets []target) error {
	x.mu.Lock()
	x.rounds++
	x.mu.Unlock()
	defer x.endRound()
	var g errgroup.Group
	g.SetLimit(max(1, x.jobs))
	for _, t := range targets {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return x.begin(t).wait(ctx)
		})
	}
	return g.Wait()
}

func (x *index) begin(t target) *listing {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t.leaf < 0 {
		return x.start(t.sh)
	}
	return x.startLeaf(t.sh, byte(t.leaf))
}

// endRound tells what is gone and gives memory back.
func (x *index) endRound() {
	x.mu.Lock()
	x.rounds--
	var gone []removal
	last := x.rounds == 0
	if last {
		gone, x.gone = x.gone, nil
		x.spare = nil
	}
	x.mu.Unlock()
	if last {
		x.tidy()
		x.giveBack()
	}
	for _, r := range gone {
		x.onDelta(delta{removed: r.keys()})
	}
}

// manyObjects is how many make a listing's garbage worth a collection: pages
// and builders are several times what stays.
const manyObjects = 100_000

// giveBack returns the memory of a large listing to the system, which Go would
// do in minutes.
func (x *index) giveBack() {
	x.mu.Lock()
	many := x.objects >= manyObjects
	x.mu.Unlock()
	if many {
		debug.FreeOSMemory()
	}
}

// tidy gives memory back, a shard at a time: lookups go on meanwhile.
func (x *index) tidy() {
	dict := x.cleanDictionary()
	for _, t := range x.choose(func(*shard) bool { return true }, nil) {
		x.mu.Lock()
		if dict != nil {
			t.sh.content = t.sh.content.moveTo(dict)
		}
		t.sh.content.pack()
		x.mu.Unlock()
	}
}

// cleanDictionary begins a new dictionary when the old may hold as many names
// that no object has any more as of others; else it is nil.
func (x *index) cleanDictionary() *dictionary {
	const few = 1 << 16
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.dict.size()
	if x.dictFloor == 0 {
		x.dictFloor = n
	}
	if n < 2*x.dictFloor+few {
		return nil
	}
	x.dict, x.dictFloor = newDictionary(), 0
	return x.dict
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
