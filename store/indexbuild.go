package store

import (
	"slices"
	"strings"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// builder gathers what a listing brings.
type builder struct {
	dict  *dictionary
	items []item
	odd   map[oddName]stamp

	archive string // the key of the last archive
	ext     string // "TASK.EXT" of it
	last    item
}

// add takes an object that was listed. Names that are no objects of this
// grammar, or not below prefix, are left out.
func (b *builder) add(prefix string, info *remote.Info) {
	key := string(info.Key)
	st := stamp{info.Size, info.ModTime.UnixNano()}
	if b.addCompanion(key, st) || len(key) <= len(prefix) || key[len(prefix)] != '/' || key[:len(prefix)] != prefix {
		return
	}
	n, ok := sstate.ParsePath(key)
	if !ok {
		return
	}
	p, ok := placeOf(info.Key)
	if ok && b.addName(&n, p, st) && n.IsArchive() {
		b.archive, b.ext, b.last = key, key[len(key)-len(n.Task)-len(n.Ext):], b.items[len(b.items)-1]
	}
}

// addCompanion takes an object that belongs to the last archive, which most do
// that come next, without parsing it again.
func (b *builder) addCompanion(key string, st stamp) bool {
	side, ok := strings.CutPrefix(key, b.archive)
	if !ok || b.archive == "" || side != sstate.SideSiginfo && side != sstate.SideSig || len(key)-len("ab/cd/") > 255 {
		return false
	}
	suffix, ok := b.dict.companion(b.last.suffix, b.ext, side)
	if ok {
		b.items = append(b.items, item{b.last.hash, newRow(b.last.prefix, suffix, st)})
	}
	return ok
}

// addBase takes an object of a shard by its base name.
func (b *builder) addBase(base string, st stamp) {
	if n, ok := sstate.ParseName(base); ok {
		leaf, _ := leafIndex(n.Hash[2:4])
		b.addName(&n, place{leaf: leaf, base: base}, st)
	}
}

// addName takes an object. It is false for an odd name.
func (b *builder) addName(n *sstate.Name, p place, st stamp) bool {
	if f, ok := formOf(n, p.base); ok {
		if prefix, suffix, ok := b.dict.intern(&f); ok {
			b.items = append(b.items, item{f.hash, newRow(prefix, suffix, st)})
			return true
		}
	}
	b.addOdd(oddName{p.leaf, strings.Clone(p.base)}, st)
	return false
}

func (b *builder) addOdd(name oddName, st stamp) {
	if b.odd == nil {
		b.odd = map[oddName]stamp{}
	}
	b.odd[name] = st
}

// content sorts what was gathered. Object stores list a shard leaf by leaf, so
// that only the objects of each leaf are out of order.
func (b *builder) content() *content {
	for rest := b.items; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].hash[1] == rest[0].hash[1] {
			n++
		}
		slices.SortFunc(rest[:n], compareItems)
		rest = rest[n:]
	}
	if !slices.IsSortedFunc(b.items, compareItems) {
		slices.SortFunc(b.items, compareItems)
	}
	return newContent(b.dict, b.items, b.odd)
}

// delta is what a listing found different from before.
type delta struct {
	added   []remote.Key
	removed []remote.Key
	resized []remote.Key
}

// comparison walks through what a shard held before and holds now.
type comparison struct {
	shard string
	d     delta   // but what was removed
	gone  builder // that
	fresh bool    // nothing was known before: what is there now is no news
}

// removal is what a listing found removed. It may be half of a remote, and
// waits for the end of many listings: keys would take five times the memory.
type removal struct {
	shard string
	was   *content
}

// keys are the keys of what was removed.
func (r removal) keys() []remote.Key {
	var keys []remote.Key
	for i := range r.was.hashes {
		for n := r.was.begin(i); n < r.was.ends[i]; n++ {
			keys = append(keys, r.was.key(r.shard, i, &r.was.rows[n]))
		}
	}
	for name := range r.was.odd {
		keys = append(keys, name.key(r.shard))
	}
	return keys
}

// leaf compares one leaf folder.
func (c *comparison) leaf(i byte, old, now *content) {
	from, to := old.leaf(i)
	newFrom, newTo := now.leaf(i)
	c.run(span{old, from, to}, span{now, newFrom, newTo})
	c.odd(old, now, func(name oddName) bool { return name.leaf == i })
}

// all compares whole shards.
func (c *comparison) all(old, now *content) {
	c.run(span{old, 0, len(old.hashes)}, span{now, 0, len(now.hashes)})
	c.odd(old, now, func(oddName) bool { return true })
}

// span is some hashes of a content.
type span struct {
	*content
	from, to int
}

func (s span) row(n uint32) *row { return &s.rows[n] }

// run merges two sorted spans of one dictionary.
func (c *comparison) run(old, now span) {
	for old.from < old.to || now.from < now.to {
		order := 0
		switch {
		case old.from == old.to:
			order = 1
		case now.from == now.to:
			order = -1
		default:
			order = old.hashes[old.from].compare(&now.hashes[now.from])
		}
		c.rowsOf(old, now, order)
		if order <= 0 {
			old.from++
		}
		if order >= 0 {
			now.from++
		}
	}
}

// rowsOf compares what is below one hash, which only old (order < 0), only
// now (order > 0) or both have.
func (c *comparison) rowsOf(old, now span, order int) {
	var i, iEnd, j, jEnd uint32
	if order <= 0 {
		i, iEnd = old.begin(old.from), old.ends[old.from]
	}
	if order >= 0 {
		j, jEnd = now.begin(now.from), now.ends[now.from]
	}
	for i < iEnd || j < jEnd {
		switch {
		case j == jEnd || i < iEnd && old.row(i).compare(now.row(j)) < 0:
			c.gone.items = append(c.gone.items, item{old.hashes[old.from], *old.row(i)})
			i++
		case i == iEnd || old.row(i).compare(now.row(j)) > 0:
			if !c.fresh {
				c.d.added = append(c.d.added, now.key(c.shard, now.from, now.row(j)))
			}
			j++
		default:
			if old.row(i).stamp().size != now.row(j).stamp().size {
				c.d.resized = append(c.d.resized, now.key(c.shard, now.from, now.row(j)))
			}
			i, j = i+1, j+1
		}
	}
}

// odd compares the names that do not fit the form.
func (c *comparison) odd(old, now *content, in func(oddName) bool) {
	for name, st := range old.odd {
		is, ok := now.odd[name]
		switch {
		case !in(name):
		case !ok:
			c.gone.addOdd(name, st)
		case is.size != st.size:
			c.d.resized = append(c.d.resized, name.key(c.shard))
		}
	}
	for name := range now.odd {
		if _, ok := old.odd[name]; !ok && !c.fresh && in(name) {
			c.d.added = append(c.d.added, name.key(c.shard))
		}
	}
}

// key is the key of a row below hash i.
func (c *content) key(shard string, i int, e *row) remote.Key {
	buf := make([]byte, 0, 320)
	buf = append(append(append(buf, shard...), '/'), leafName(shard, c.hashes[i][1])...)
	buf = append(buf, '/')
	return remote.Key(c.dict.appendBase(buf, &c.hashes[i], e.prefix, e.suffix))
}

func (o oddName) key(shard string) remote.Key {
	return remote.Key(shard + "/" + leafName(shard, o.leaf) + "/" + o.base)
}
