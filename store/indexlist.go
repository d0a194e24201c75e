package store

import (
	"context"
	"fmt"
	"time"

	"sstatefs/remote"
)

// start begins the listing of a shard unless one runs. Called with mu held.
func (x *index) start(sh *shard) *listing {
	if sh.running == nil {
		l := &listing{done: make(chan struct{})}
		sh.running = l
		x.spawn(func(ctx context.Context) {
			p := x.newPass()
			if x.perFolder {
				x.end(sh, p, l, x.collectFolders(ctx, sh, p))
			} else {
				x.end(sh, p, l, x.collect(ctx, sh, p))
			}
		})
	}
	return sh.running
}

// startLeaf begins the listing of one leaf unless one runs. Called with mu
// held.
func (x *index) startLeaf(sh *shard, i byte) *listing {
	lf := sh.leaf(i)
	if lf.running == nil {
		l := &listing{done: make(chan struct{})}
		lf.running = l
		x.spawn(func(ctx context.Context) {
			p := x.newPass()
			p.single = &i
			x.end(sh, p, l, x.collectLeaf(ctx, sh, p, i))
		})
	}
	return lf.running
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

// pass is what one listing finds out.
type pass struct {
	builder
	begun  time.Time
	quiet  int64          // ns by the remote's clock: folders not moved since show the next change
	whole  bool           // the whole shard was listed
	single *byte          // perFolder: the leaf that this is about, nil for the shard's folders
	listed [256]bool      // else the leaves that were, or that are gone
	times  map[byte]int64 // of the folders, ns; 0 is unknown
}

func (x *index) newPass() *pass {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := &pass{begun: x.now(), quiet: x.quietSince(), builder: builder{dict: x.dict}}
	if n := len(x.spare); n > 0 {
		p.items, x.spare = x.spare[n-1][:0], x.spare[:n-1]
	}
	return p
}

// A folder must have been quiet for a while before its time is trusted to show
// the next change: file systems keep times as coarse as two seconds, and the
// remote's clock is known to a second, or not at all.
const (
	settle        = time.Minute
	settleUnknown = 10 * time.Minute // hosts without NTP are wrong by minutes
)

// quietSince is the latest time of a folder that is trusted.
func (x *index) quietSince() int64 {
	t, known := x.farNow()
	if !known {
		return t.Add(-settleUnknown).UnixNano()
	}
	return t.Add(-settle).UnixNano()
}

// trusted is the time of a folder if that shows the next change, else 0.
func (p *pass) trusted(t int64) int64 {
	if t < p.quiet {
		return t
	}
	return 0
}

// readFolders asks which leaves a shard has.
func (x *index) readFolders(ctx context.Context, sh *shard, p *pass) error {
	p.times = map[byte]int64{}
	return x.folders(ctx, sh.name, func(f remote.Folder) error {
		if i, ok := leafIndex(f.Name); ok && f.Name == leafName(sh.name, i) {
			p.times[i] = 0
			if !f.ModTime.IsZero() {
				p.times[i] = f.ModTime.UnixNano()
			}
		}
		return nil
	})
}

// collect asks the remote what a shard holds. Where folders have times, leaves
// whose folder did not move since they were listed in this run are spared.
func (x *index) collect(ctx context.Context, sh *shard, p *pass) error {
	x.mu.Lock()
	timed, partly := x.timed, sh.known && !sh.listed.IsZero()
	x.mu.Unlock()
	if timed {
		if err := x.readFolders(ctx, sh, p); err != nil {
			return err
		}
	}
	stale := x.stale(sh, p)
	if !timed || !partly || 2*len(stale) > len(p.times) {
		p.whole = true
		return x.listInto(ctx, sh, sh.name, p)
	}
	for _, i := range stale {
		if err := x.collectLeaf(ctx, sh, p, i); err != nil {
			return err
		}
	}
	return nil
}

// stale names the leaves that moved, and marks those that are gone as listed.
func (x *index) stale(sh *shard, p *pass) []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	var stale []byte
	for n := range 256 {
		i := byte(n)
		t, there := p.times[i]
		switch {
		case !there:
			p.listed[i] = true
		case t == 0 || sh.leaves == nil || sh.leaves[i].time != t:
			stale = append(stale, i)
		}
	}
	return stale
}

// collectLeaf asks the remote what one leaf holds.
func (x *index) collectLeaf(ctx context.Context, sh *shard, p *pass, i byte) error {
	p.listed[i] = true
	return x.listInto(ctx, sh, sh.name+"/"+leafName(sh.name, i), p)
}

// collectFolders asks the remote which leaves a shard has. Those that are gone
// are empty.
func (x *index) collectFolders(ctx context.Context, sh *shard, p *pass) error {
	if err := x.readFolders(ctx, sh, p); err != nil {
		return err
	}
	for i := range p.listed {
		_, there := p.times[byte(i)]
		p.listed[i] = !there
	}
	return nil
}

func (x *index) listInto(ctx context.Context, sh *shard, prefix string, p *pass) error {
	x.mu.Lock()
	room := x.most - x.objects + int64(sh.content.size())
	x.mu.Unlock()
	return x.list(ctx, prefix, func(i remote.Info) error {
		p.add(prefix, &i)
		if p.count() > room {
			return fmt.Errorf("remote lists more than %d objects: %w", x.most, remote.ErrUnsupported)
		}
		return nil
	})
}

// mostIndexed bounds the objects of a remote, 63 bytes of memory each: docs/SCALE.md
// reckons with a hundred million, and what is more is a server that makes up
// names without an end.
const mostIndexed = 128 << 20

// count is how many objects were gathered.
func (b *builder) count() int64 { return int64(len(b.items) + len(b.odd)) }

// end puts what a listing found in place, and releases who waits for it.
func (x *index) end(sh *shard, p *pass, l *listing, err error) {
	var c comparison
	var fresh *content
	if err == nil {
		fresh = p.content()
	}
	x.mu.Lock()
	if err == nil {
		c = x.install(sh, p, l, fresh)
		x.listed = x.now()
	}
	gone := removal{sh.name, c.gone.content()}
	if x.rounds > 0 && gone.was.size() > 0 {
		x.gone, gone.was = append(x.gone, gone), &content{}
	}
	if x.rounds > 0 && cap(p.items) > 0 {
		x.spare = append(x.spare, p.items)
	}
	x.ended(sh, p, l, err)
	x.mu.Unlock()
	close(l.done)
	if err == nil {
		c.d.removed = gone.keys()
		x.onDelta(c.d)
	}
}

// ended notes that a listing has. Called with mu held.
func (x *index) ended(sh *shard, p *pass, l *listing, err error) {
	l.err, l.ended, l.own, l.unsure = err, x.now(), nil, nil
	failed := l
	if err == nil {
		failed = nil
	}
	if p.single != nil {
		lf := &sh.leaves[*p.single]
		lf.running, lf.failed = nil, failed
	} else {
		sh.running, sh.failed = nil, failed
	}
}

// install swaps the content of what was listed and tells what changed. Called
// with mu held.
func (x *index) install(sh *shard, p *pass, l *listing, fresh *content) comparison {
	if fresh.dict != sh.content.dict { // cleaned meanwhile
		fresh = fresh.moveTo(sh.content.dict)
	}
	for key, info := range l.own {
		fresh.amend(key, info)
	}
	before := sh.content.size()
	c := comparison{shard: sh.name, gone: builder{dict: sh.content.dict}}
	if p.whole {
		c.fresh = !sh.known && !sh.news
		c.all(sh.content, fresh)
		sh.content = fresh
	} else {
		for i, listed := range p.listed {
			if listed {
				c.fresh = p.single != nil && !sh.leaves[i].known && !sh.leaves[i].news
				c.leaf(byte(i), sh.content, fresh)
				sh.content.replaceLeaf(byte(i), fresh)
			}
		}
	}
	changed := len(c.d.added)+len(c.gone.items)+len(c.gone.odd)+len(c.d.resized) > 0
	if changed || !sh.known || sh.content.size() != before {
		sh.dirty = true
	}
	c.d.added = append(c.d.added, sh.answers(l)...)
	x.settled(sh, p)
	x.account(int64(sh.content.size() - before))
	return c
}

// amend brings in what we did to an object while it was listed.
func (c *content) amend(key remote.Key, info *remote.Info) {
	p, ok := placeOf(key)
	switch {
	case !ok:
	case info == nil:
		c.unset(key, p)
	default:
		c.set(key, p, stamp{info.Size, info.ModTime.UnixNano()})
	}
}

// answers are the lookups that did not wait for what is there now.
func (sh *shard) answers(l *listing) []remote.Key {
	var found []remote.Key
	for _, key := range l.unsure {
		if p, ok := placeOf(key); ok {
			if _, ok := sh.content.find(p); ok {
				found = append(found, key)
			}
		}
	}
	return found
}

// settled notes what is known from now on. Called with mu held.
func (x *index) settled(sh *shard, p *pass) {
	if p.single != nil {
		lf := sh.leaf(*p.single)
		lf.known, lf.news, lf.listed = true, false, p.begun.UnixNano()
		sh.setTime(lf, p.trusted(lf.shown))
		return
	}
	news := sh.known || sh.news
	sh.listed, sh.known, sh.news = p.begun, true, false
	if p.times == nil {
		return
	}
	for n := range 256 {
		i := byte(n)
		t, there := p.times[i]
		if !there && sh.leaves == nil {
			continue
		}
		lf := sh.leaf(i)
		lf.news = there && (lf.news || news && !lf.there && !lf.known)
		sh.dirty = sh.dirty || lf.there != there
		lf.there, lf.shown = there, t
		switch {
		case !there:
			lf.known, lf.listed = false, 0
			sh.setTime(lf, 0)
		case !x.perFolder && (p.whole || p.listed[i]):
			sh.setTime(lf, p.trusted(t))
		}
	}
}

// setTime notes the time that a leaf's folder had when it was listed.
func (sh *shard) setTime(lf *leaf, t int64) {
	if lf.time != t {
		lf.time, sh.dirty = t, true
	}
}
