package store

import (
	"maps"
	"slices"
	"strings"

	"sstatefs/sstate"
)

// children calls fn for what is directly below a folder. ready is false when
// that is not known yet; wait then ends when more is known.
func (x *index) children(dir string, fn func(name string, folder bool)) (ready bool, wait *listing) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !sstate.IsFolder(dir) {
		if !x.complete && x.filling != nil {
			return false, x.filling
		}
		x.wantBelow(dir)
		x.mayRefresh(x.root.listed)
	} else if wait := x.awaitFolder(dir); wait != nil {
		return false, wait
	}
	x.report(dir, fn)
	return true, nil
}

// awaitFolder gives what has to be waited for before it is known what a shard
// or leaf holds. Called with mu held.
func (x *index) awaitFolder(dir string) *listing {
	up := parent(dir)
	if i, ok := leafIndex(baseName(dir)); ok && sstate.IsFolder(up) {
		if sh := x.toAsk(up); sh != nil {
			return x.await(sh, i)
		}
		return nil
	}
	sh := x.toAsk(dir)
	if sh == nil {
		return nil
	}
	x.want(sh)
	return x.awaitShard(sh)
}

// want makes refreshes look at a shard, and into its leaves that were empty: the
// kernel asks for nothing below a folder that holds nothing, so that nobody else
// would want them. Called with mu held.
func (x *index) want(sh *shard) {
	sh.used = true
	if !x.perFolder || sh.leaves == nil {
		return
	}
	for i := range sh.leaves {
		if lf := &sh.leaves[i]; lf.there && !sh.content.holds(byte(i)) {
			lf.used = true
		}
	}
}

// wantBelow is want for the empty shards below a folder that leads to shards.
// Called with mu held.
func (x *index) wantBelow(dir string) {
	if dir == "" {
		return // what is at the root is asked for by name
	}
	for name, sh := range x.shards {
		if parent(name) == dir && sh.content.size() == 0 {
			x.want(sh)
		}
	}
}

// known is children without asking whether it is all.
func (x *index) known(dir string, fn func(name string, folder bool)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.report(dir, fn)
}

// report calls fn for what is known below a folder. Called with mu held.
func (x *index) report(dir string, fn func(name string, folder bool)) {
	if sh := x.shards[parent(dir)]; sh != nil {
		if i, ok := leafIndex(baseName(dir)); ok {
			sh.content.names(i, func(name string) { fn(name, false) })
		}
	}
	if sh := x.shards[dir]; sh != nil {
		for i := range 256 {
			if x.hasLeaf(sh, byte(i)) {
				fn(leafName(dir, byte(i)), true)
			}
		}
	}
	x.reportLeading(dir, fn)
}

// hasLeaf reports whether a leaf folder holds objects, or may. Called with mu
// held.
func (x *index) hasLeaf(sh *shard, i byte) bool {
	if x.perFolder && sh.leaves != nil && sh.leaves[i].there && !sh.leaves[i].known {
		return true
	}
	return sh.content.holds(i)
}

// reportLeading reports the components that lead to shards. Called with mu
// held.
func (x *index) reportLeading(dir string, fn func(name string, folder bool)) {
	if dir != "" && parent(dir) != "" {
		return
	}
	seen := map[string]bool{}
	for name, sh := range x.shards {
		if sh.content.size() == 0 && (sh.known || !sh.found) && !x.mayHold(sh) {
			continue
		}
		switch up := parent(name); {
		case up == dir:
			seen[baseName(name)] = true
		case dir == "":
			seen[up] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		fn(name, true)
	}
}

// mayHold reports whether a shard has leaves that were not listed. Called with
// mu held.
func (x *index) mayHold(sh *shard) bool {
	if !x.perFolder || sh.leaves == nil {
		return false
	}
	return slices.ContainsFunc(sh.leaves[:], func(lf leaf) bool { return lf.there && !lf.known })
}

// baseName is the last component of a path.
func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }
