package store

import (
	"slices"
	"time"

	"sstatefs/remote"
)

// hear takes over what other hosts did, as their feed tells it. News may come
// late, twice and out of order: what is known to be newer stays. What is wrong
// all the same ends as it does after a listing: what is gone becomes ENOENT when
// it is opened. Objects of which it cannot be said whether they were removed
// before or after they came stay, and are returned.
func (x *index) hear(all []news) (unsure []remote.Key) {
	const atOnce = 256 // lookups go on in between
	var d delta
	for some := range slices.Chunk(all, atOnce) {
		x.mu.Lock()
		diff := int64(0)
		for i := range some {
			n := &some[i]
			if n.op == newsGone && x.isBlurred(n) {
				unsure = append(unsure, n.key)
				continue
			}
			diff += x.hearOne(n, &d)
		}
		x.account(diff)
		x.mu.Unlock()
	}
	if len(d.added)+len(d.removed)+len(d.resized) > 0 {
		x.onDelta(d)
	}
	return unsure
}

// isBlurred reports whether an object is known of about the time that it was
// removed. Called with mu held.
func (x *index) isBlurred(n *news) bool {
	p, ok := placeOf(n.key)
	if !ok || x.shards[p.shard] == nil {
		return false
	}
	was, found := x.shards[p.shard].content.find(p)
	return found && isBlurred(was.mtime, n.mtime)
}

// hearOne returns by how much the number of objects changed. Called with mu
// held.
func (x *index) hearOne(n *news, d *delta) int64 {
	p, ok := placeOf(n.key)
	if !ok {
		return 0
	}
	sh := x.shards[p.shard]
	var was stamp
	found := false
	if sh != nil {
		was, found = sh.content.find(p)
	}
	switch n.op {
	case newsPut:
		return x.hearPut(n, p, d)
	case newsTouched:
		if found && was.mtime < n.mtime {
			sh.content.set(n.key, p, stamp{was.size, n.mtime})
			sh.dirty = true
		}
	case newsGone:
		if found && was.mtime <= n.mtime && sh.content.unset(n.key, p) {
			sh.remember(p.leaf, n.key, nil)
			sh.dirty = true
			d.removed = append(d.removed, n.key)
			return -1
		}
	}
	return 0
}

// hearPut is hearOne for an object that came. Called with mu held.
func (x *index) hearPut(n *news, p place, d *delta) int64 {
	sh := x.toPut(p.shard)
	was, found := sh.content.find(p)
	if found && was.mtime >= n.mtime || !found && x.objects >= x.most {
		return 0
	}
	sh.remember(p.leaf, n.key, &remote.Info{Key: n.key, Size: n.size, ModTime: n.time()})
	sh.content.set(n.key, p, n.stamp)
	sh.found, sh.dirty = true, true
	switch {
	case !found:
		d.added = append(d.added, n.key)
		return 1
	case was.size != n.size:
		d.resized = append(d.resized, n.key)
	}
	return 0
}

// caughtUp notes that all that others did until then is known.
func (x *index) caughtUp(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heard = t
}

// resumed notes that what was saved was all there is, and is up to date again.
func (x *index) resumed() {
	x.mu.Lock()
	x.complete = x.complete || x.allKnown()
	x.mu.Unlock()
	x.filled(nil)
}

// isWhole reports whether everything was listed, now or when it was saved.
func (x *index) isWhole() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.complete || x.root.known && x.allKnown()
}

// requests is about how many a listing of all takes.
func (x *index) requests() int64 {
	const page = 1000 // of an object store; folder by folder it is more
	x.mu.Lock()
	defer x.mu.Unlock()
	n := int64(len(x.shards)) + x.objects/page
	if x.perFolder {
		n = max(n, min(256*int64(len(x.shards)), x.objects))
	}
	return n
}
