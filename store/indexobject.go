package store

import (
	"maps"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// find tells what is known of one object. It does not allocate, and a miss
// parses no more of the name than its hash.
func (c *content) find(p place) (stamp, bool) {
	if h, begin, end, ok := hashAt(p.base); ok {
		if i, ok := c.search(&h); ok {
			for n := c.begin(i); n < c.ends[i]; n++ {
				if e := &c.rows[n]; c.dict.spells(e, p.base, begin, end) {
					return e.stamp(), true
				}
			}
		}
	}
	if len(c.odd) == 0 {
		return stamp{}, false
	}
	st, ok := c.odd[oddName{p.leaf, p.base}]
	return st, ok
}

func parse(key remote.Key, p place) (form, bool) {
	n, ok := sstate.ParsePath(string(key))
	if !ok {
		return form{}, false
	}
	return formOf(&n, p.base)
}

// set sets an object and reports whether that is new.
func (c *content) set(key remote.Key, p place, st stamp) bool {
	n, ok := sstate.ParsePath(string(key))
	if !ok {
		return false
	}
	one := builder{dict: c.dict}
	one.addName(&n, p, st)
	if len(one.items) == 1 {
		return c.put(one.items[0])
	}
	name := oddName{p.leaf, p.base}
	_, was := c.odd[name]
	c.putOdd(name, st)
	return !was
}

// unset takes an object away and reports whether it was there.
func (c *content) unset(key remote.Key, p place) bool {
	name := oddName{p.leaf, p.base}
	if _, ok := c.odd[name]; ok {
		delete(c.odd, name)
		return true
	}
	f, ok := parse(key, p)
	return ok && c.drop(&f)
}

func (c *content) putOdd(name oddName, st stamp) {
	if c.odd == nil {
		c.odd = map[oddName]stamp{}
	}
	c.odd[name] = st
}

// replaceOdd gives one leaf folder the odd names that it has in fresh.
func (c *content) replaceOdd(i byte, fresh map[oddName]stamp) {
	maps.DeleteFunc(c.odd, func(name oddName, _ stamp) bool { return name.leaf == i })
	for name, st := range fresh {
		if name.leaf == i {
			c.putOdd(name, st)
		}
	}
}
