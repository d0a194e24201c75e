package store

import "sstatefs/sstate"

// shows reports whether an object that counts is known to be below a folder.
// false says nothing: it may have to be waited for, see children.
func (x *index) shows(dir string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !sstate.IsFolder(dir) {
		return x.showsLeading(dir)
	}
	if x.awaitFolder(dir) != nil {
		return false
	}
	if sh := x.shards[parent(dir)]; sh != nil {
		i, ok := leafIndex(baseName(dir))
		if !ok {
			return false
		}
		from, to := sh.content.leaf(i)
		return sh.content.showsAny(from, to)
	}
	sh := x.shards[dir]
	return sh != nil && sh.content.showsAny(0, len(sh.content.hashes))
}

// showsLeading is shows for a folder that leads to shards. Called with mu held.
func (x *index) showsLeading(dir string) bool {
	if !x.complete || dir == "" {
		return false
	}
	x.wantBelow(dir)
	x.mayRefresh(x.root.listed)
	for name, sh := range x.shards {
		if parent(name) == dir && sh.content.showsAny(0, len(sh.content.hashes)) {
			return true
		}
	}
	return false
}

// showsAny reports whether one of some hashes has an object that is not empty:
// an empty archive is a miss.
func (c *content) showsAny(from, to int) bool {
	if from >= to {
		return false
	}
	for n := c.begin(from); n < c.ends[to-1]; n++ {
		if c.rows[n].stamp().size > 0 {
			return true
		}
	}
	return false
}
