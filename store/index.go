package store

import (
	"context"
	"strings"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// index is what we know the remote holds: keys with size and time, in shards
// that are listed one by one. It is used for remotes whose Stat is not cheap.
//
// A shard is the folder two levels above an object ("ab" of
// "ab/cd/sstate:..."), so that a cold cache needs a few hundred listings, not
// one for every pair of hex digits below them.
type index struct {
	list    listFunc
	folders foldersFunc
	refresh time.Duration
	now     func() time.Time
	onDelta func(delta)                        // called without locks after every listing
	spawn   func(fn func(ctx context.Context)) // in a goroutine that the store owns and ends
	jobs    int

	mu         sync.Mutex
	shards     map[string]*shard
	objects    int64
	complete   bool
	filling    *listing // the first listing of all, until it has ended
	refreshing bool
	retryAt    time.Time // no refresh before: the last one failed
	suspect    time.Time // when a drop by half was seen, zero if it was not
	peak       int64     // most objects of the last peakAge
	peakAt     time.Time
	rounds     int          // listings of many shards that run
	gone       []remote.Key // what they found removed, told when they end
	listed     time.Time
}

type listFunc func(ctx context.Context, prefix string, fn func(remote.Info) error) error
type foldersFunc func(ctx context.Context, prefix string, fn func(remote.Folder) error) error

// shard is one part of the index.
type shard struct {
	name    string
	leaves  map[string]*leaf // by the last folder, "cd" of "ab/cd"
	listed  time.Time        // zero: not in this run
	known   bool             // listed or loaded: lookups need not wait
	used    bool             // looked up in this run
	found   bool             // it is a folder of the remote
	running *listing         // not nil while it is being listed
}

// leaf is one folder of objects.
type leaf struct {
	names map[string]stamp
	time  time.Time // of the folder when it was listed, zero if it may have changed since
}

type stamp struct {
	size  int64
	mtime int64 // nanoseconds since 1970
}

// listing is one listing of one shard, awaited by any number of lookups.
type listing struct {
	done chan struct{}
	err  error
	own  map[remote.Key]*remote.Info // what we put (or removed: nil) meanwhile
}

// delta is what a listing found different from before.
type delta struct {
	added   []remote.Key
	removed []remote.Key
	resized []remote.Key
}

// suspicion ends by itself after this time: whoever removed more than half of
// a cache on purpose should not be asked.
const suspicion = time.Hour

// peakAge is the time within which a drop is sudden.
const peakAge = 10 * time.Minute

// suspectFloor is the size below which a drop by half is everyday life.
const suspectFloor = 32

// split cuts an object's key into shard, leaf folder and base name.
func split(key remote.Key) (shardName, leafName, base string) {
	k := string(key)
	i := strings.LastIndexByte(k, '/')
	if i < 0 {
		return "", "", k
	}
	dir, base := k[:i], k[i+1:]
	j := strings.LastIndexByte(dir, '/')
	if j < 0 {
		return "", dir, base
	}
	return dir[:j], dir[j+1:], base
}

// get answers from what is known. ready is false when the shard was never
// listed; wait then ends with the listing that was started for it.
func (x *index) get(key remote.Key) (info remote.Info, found, ready bool, wait *listing) {
	sn, ln, base := split(key)
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.shard(sn)
	sh.used = true
	if !sh.known {
		return remote.Info{}, false, false, x.start(sh)
	}
	x.mayRefresh(sh.listed)
	if lf := sh.leaves[ln]; lf != nil {
		if st, ok := lf.names[base]; ok {
			return remote.Info{Key: key, Size: st.size, ModTime: time.Unix(0, st.mtime)}, true, true, nil
		}
	}
	return remote.Info{}, false, true, nil
}

// shard finds or makes a shard. Called with mu held.
func (x *index) shard(name string) *shard {
	sh := x.shards[name]
	if sh == nil {
		sh = &shard{name: name, leaves: map[string]*leaf{}}
		x.shards[name] = sh
	}
	return sh
}

// put notes an object that is on the remote now.
func (x *index) put(info remote.Info) {
	x.mu.Lock()
	defer x.mu.Unlock()
	sn, ln, base := split(info.Key)
	sh := x.shard(sn)
	if sh.running != nil {
		sh.running.own[info.Key] = &info
	}
	lf := sh.leaves[ln]
	if lf == nil {
		lf = &leaf{names: map[string]stamp{}}
		sh.leaves[ln] = lf
	}
	if _, ok := lf.names[base]; !ok {
		x.objects++
	}
	lf.names[base] = stamp{info.Size, info.ModTime.UnixNano()}
}

// drop notes an object that is not on the remote any more.
func (x *index) drop(key remote.Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	sn, ln, base := split(key)
	sh := x.shard(sn)
	if sh.running != nil {
		sh.running.own[key] = nil
	}
	if lf := sh.leaves[ln]; lf != nil {
		if _, ok := lf.names[base]; ok {
			delete(lf.names, base)
			x.objects--
			x.peak = max(x.objects, x.peak-1) // that was us, and no surprise
		}
		if len(lf.names) == 0 {
			delete(sh.leaves, ln)
		}
	}
}

// touched notes the new time of an object.
func (x *index) touched(key remote.Key, t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	sn, ln, base := split(key)
	if lf := x.shard(sn).leaves[ln]; lf != nil {
		if st, ok := lf.names[base]; ok && st.mtime < t.UnixNano() {
			st.mtime = t.UnixNano()
			lf.names[base] = st
		}
	}
}

// children calls fn for what is directly below a folder. ready is false when
// that is not known yet; wait then ends when it is.
func (x *index) children(dir string, fn func(name string, folder bool, info remote.Info)) (ready bool, wait *listing) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if sh := x.holder(dir); sh != nil {
		sh.used = true
		if !sh.known {
			return false, x.start(sh)
		}
		x.mayRefresh(sh.listed)
	} else {
		if !x.complete && x.filling != nil {
			return false, x.filling
		}
		x.mayRefresh(x.listed)
	}
	x.belowLocked(dir, fn)
	return true, nil
}

// below is children without asking whether it is all.
func (x *index) below(dir string, fn func(name string, folder bool, info remote.Info)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.belowLocked(dir, fn)
}

func (x *index) belowLocked(dir string, fn func(name string, folder bool, info remote.Info)) {
	parentName, last := parent(dir), dir[strings.LastIndexByte(dir, '/')+1:]
	if sh := x.shards[parentName]; sh != nil && sh.leaves[last] != nil {
		for base, st := range sh.leaves[last].names {
			fn(base, false, remote.Info{Key: remote.Key(dir + "/" + base), Size: st.size, ModTime: time.Unix(0, st.mtime)})
		}
	}
	if sh := x.shards[dir]; sh != nil {
		for ln := range sh.leaves {
			fn(ln, true, remote.Info{})
		}
	}
	x.subfolders(dir, fn)
}

// holder is the shard that a folder is, or is a leaf of; nil for a folder that
// only leads to shards. Called with mu held.
func (x *index) holder(dir string) *shard {
	if !sstate.IsFolder(dir) {
		return nil
	}
	if p := parent(dir); p != "" && sstate.IsFolder(p) {
		return x.shard(p)
	}
	return x.shard(dir)
}

// mayRefresh starts a refresh if something was listed too long ago. Called with
// mu held.
func (x *index) mayRefresh(listed time.Time) {
	if x.now().Sub(listed) > x.refresh {
		x.refreshBehind()
	}
}

// subfolders reports the components that lead to shards. Called with mu held.
func (x *index) subfolders(dir string, fn func(name string, folder bool, info remote.Info)) {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	seen := map[string]bool{}
	for name, sh := range x.shards {
		if len(sh.leaves) == 0 && (sh.known || !sh.found) || !strings.HasPrefix(name, prefix) || name == dir {
			continue
		}
		first, _, _ := strings.Cut(name[len(prefix):], "/")
		if first != "" && !seen[first] {
			seen[first] = true
			fn(first, true, remote.Info{})
		}
	}
}

// status tells what is known.
func (x *index) status() IndexStatus {
	x.mu.Lock()
	defer x.mu.Unlock()
	return IndexStatus{Objects: x.objects, Complete: x.complete, Suspect: x.isSuspect(), Listed: x.listed}
}

func (x *index) isSuspect() bool {
	return !x.suspect.IsZero() && x.now().Sub(x.suspect) < suspicion
}

// doubted reports whether what is missing may be missing by mistake.
func (x *index) doubted() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.isSuspect()
}
