package store

import (
	"context"
	"sync"
	"time"

	"sstatefs/remote"
)

// index is what we know the remote holds: keys with size and time, in shards.
// It is used for remotes whose Stat is not cheap and that can list.
//
// A shard is the folder two levels above an object ("ab" of
// "ab/cd/sstate:..."), so that a cold cache needs a few hundred listings, not
// one for every pair of hex digits below them. Where a listing needs a request
// for each folder (perFolder) the leaves of a shard are listed one by one, and
// what a shard asks for is only which leaves there are.
type index struct {
	list      listFunc
	folders   foldersFunc
	perFolder bool
	refresh   time.Duration
	now       func() time.Time
	farNow    func() (t time.Time, known bool)   // by the remote's clock; ours if that is not known
	onDelta   func(delta)                        // called without locks after every listing
	spawn     func(fn func(ctx context.Context)) // in a goroutine that the store owns and ends
	jobs      int
	most      int64 // objects
	feed      *feed // nil unless hosts tell each other what they do

	mu         sync.Mutex
	dict       *dictionary
	dictFloor  int // prefixes that it had when it was last cleaned
	shards     map[string]*shard
	root       root
	timed      bool   // the remote tells when folders changed
	savedRoot  string // what INDEX/root says
	objects    int64
	complete   bool
	filling    *listing // the first listing of all, until it has ended
	fills      int      // listings of all that run
	refreshing bool
	restUntil  time.Time // no refresh before
	woken      time.Time // when the remote came back from its last outage
	suspect    time.Time // when a drop by half was seen, zero if it was not
	peak       int64     // most objects of the last peakAge
	peakAt     time.Time
	rounds     int       // listings of many shards that run
	gone       []removal // what they found removed, told when they end
	spare      [][]item  // buffers of listings that have ended, while rounds run
	listed     time.Time
	heard      time.Time // when the feed had told all, zero without
}

// root is what is known of the folders that lead to shards.
type root struct {
	known      bool
	listed     time.Time       // zero: not in this run
	unexamined map[string]bool // folders that may lead to shards
}

// lacks reports whether a shard that was not found is not there.
func (r *root) lacks(shard string) bool {
	return r.known && !r.unexamined[parent(shard)]
}

type listFunc func(ctx context.Context, prefix string, fn func(remote.Info) error) error
type foldersFunc func(ctx context.Context, prefix string, fn func(remote.Folder) error) error

// shard is one part of the index.
type shard struct {
	name    string
	content *content
	leaves  *[256]leaf // nil until something is to be known of one
	listed  time.Time  // perFolder: its folders; zero: not in this run
	known   bool       // listed or loaded: lookups need not wait
	used    bool       // looked up in this run
	found   bool       // it is a folder of the remote
	news    bool       // it was known not to be there, until it was found
	dirty   bool       // not saved as it is
	running *listing   // not nil while it is being listed
	failed  *listing   // the last one, if it failed
}

// leaf is what is known of one folder of objects beside its content.
type leaf struct {
	time  int64 // of the folder when it was listed, ns; 0 if that does not tell the next change
	shown int64 // of the folder when the shard's folders were last listed
	there bool  // it was among them

	// Only perFolder:
	listed  int64    // when, ns; 0 not in this run
	running *listing // not nil while it is being listed
	failed  *listing // the last one, if it failed
	known   bool     // listed or loaded
	used    bool     // looked up in this run
	news    bool     // it was known not to be there, until it was found
}

// moved reports whether a leaf may hold something else than when it was listed.
func (lf *leaf) moved() bool { return lf.time == 0 || lf.time != lf.shown }

// listing is one listing of one shard or leaf, awaited by any number of
// lookups.
type listing struct {
	done   chan struct{}
	err    error
	ended  time.Time
	own    map[remote.Key]*remote.Info // what we put (or removed: nil) meanwhile
	unsure []remote.Key                // lookups that gave up waiting
}

// suspicion ends by itself after this time: whoever removed more than half of
// a cache on purpose should not be asked.
const suspicion = time.Hour

// peakAge is the time within which a drop is sudden.
const peakAge = 10 * time.Minute

// suspectFloor is the size below which a drop by half is everyday life.
const suspectFloor = 32

// get answers from what is known. ready is false when that was never listed;
// wait then ends with the listing that was started for it, after which get may
// have to wait once more.
func (x *index) get(key remote.Key) (info remote.Info, found, ready bool, wait *listing) {
	p, ok := placeOf(key)
	if !ok {
		return remote.Info{}, false, true, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.toAsk(p.shard)
	if sh == nil {
		return remote.Info{}, false, true, nil
	}
	wait = x.await(sh, p.leaf)
	st, found := sh.content.find(p)
	if !found {
		return remote.Info{}, false, wait == nil, wait
	}
	return remote.Info{Key: key, Size: st.size, ModTime: st.time()}, true, true, nil
}

// toAsk is the shard of a name; nil if it is known that the remote has none.
// Called with mu held.
func (x *index) toAsk(name string) *shard {
	if sh := x.shards[name]; sh != nil {
		return sh
	}
	if x.root.lacks(name) {
		x.mayRefresh(x.root.listed)
		return nil
	}
	return x.shard(name)
}

// await gives what a lookup in a leaf has to wait for, nil if nothing. A shard
// whose folders are known lists no leaf that is not there. Called with mu held.
func (x *index) await(sh *shard, i byte) *listing {
	sh.used = true
	if !x.perFolder {
		return x.awaitShard(sh)
	}
	lf := sh.leaf(i)
	lf.used = true
	switch {
	case lf.known:
		x.mayRefresh(sh.seen(lf))
	case !sh.known:
		return x.awaitShard(sh)
	case lf.there && x.justFailed(lf.failed):
		return lf.failed
	case lf.there:
		return x.startLeaf(sh, i)
	default:
		x.mayRefresh(sh.listed)
	}
	return nil
}

// awaitShard is await for the shard as a whole.
func (x *index) awaitShard(sh *shard) *listing {
	switch {
	case sh.known:
		x.mayRefresh(sh.listed)
		return nil
	case x.justFailed(sh.failed):
		return sh.failed
	}
	return x.start(sh)
}

// justFailed reports whether a listing has failed so recently that thousands of
// lookups must not try it again one after the other. Called with mu held.
func (x *index) justFailed(l *listing) bool {
	return l != nil && l.ended.After(x.woken) && x.now().Sub(l.ended) < refreshRetry
}

// seen is when what is known of a leaf was last right.
func (sh *shard) seen(lf *leaf) time.Time {
	if !lf.moved() && lf.listed < sh.listed.UnixNano() {
		return sh.listed
	}
	if lf.listed == 0 {
		return time.Time{}
	}
	return time.Unix(0, lf.listed)
}

// shard finds or makes a shard. Called with mu held.
func (x *index) shard(name string) *shard {
	sh := x.shards[name]
	if sh == nil {
		sh = &shard{name: name, content: &content{dict: x.dict}}
		x.shards[name] = sh
	}
	return sh
}

// leaf is a leaf folder's state.
func (sh *shard) leaf(i byte) *leaf {
	if sh.leaves == nil {
		sh.leaves = new([256]leaf)
	}
	return &sh.leaves[i]
}

// put notes an object that is on the remote now.
func (x *index) put(info remote.Info) {
	p, ok := placeOf(info.Key)
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.toPut(p.shard)
	sh.remember(p.leaf, info.Key, &info)
	if sh.content.set(info.Key, p, stamp{info.Size, info.ModTime.UnixNano()}) {
		x.objects++
	}
	sh.dirty = true
}

// toPut is the shard that an object has come to. Called with mu held.
func (x *index) toPut(name string) *shard {
	sh := x.shards[name]
	if sh == nil {
		sh = x.shard(name)
		sh.known, sh.listed = x.root.lacks(name), x.root.listed // it was empty then
	}
	return sh
}

// remember tells the listings that run what they may not have seen.
func (sh *shard) remember(i byte, key remote.Key, info *remote.Info) {
	sh.running.remember(key, info)
	if sh.leaves != nil {
		sh.leaves[i].running.remember(key, info)
	}
}

func (l *listing) remember(key remote.Key, info *remote.Info) {
	if l == nil {
		return
	}
	if l.own == nil {
		l.own = map[remote.Key]*remote.Info{}
	}
	l.own[key] = info
}

// drop notes an object that is not on the remote any more.
func (x *index) drop(key remote.Key) {
	p, ok := placeOf(key)
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.shards[p.shard]
	if sh == nil {
		return
	}
	sh.remember(p.leaf, key, nil)
	if sh.content.unset(key, p) {
		x.objects--
		x.peak = max(x.objects, x.peak-1) // that was us, and no surprise
		sh.dirty = true
	}
}

// touched notes the new time of an object.
func (x *index) touched(key remote.Key, t time.Time) {
	p, ok := placeOf(key)
	if !ok {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.shards[p.shard]
	if sh == nil {
		return
	}
	st, ok := sh.content.find(p)
	if ok && st.mtime < t.UnixNano() {
		st.mtime = t.UnixNano()
		sh.content.set(key, p, st)
		sh.dirty = true
	}
}

// mayRefresh starts a refresh if something was listed too long ago. Called with
// mu held.
func (x *index) mayRefresh(listed time.Time) {
	if listed.Before(x.heard) {
		listed = x.heard
	}
	if x.now().Sub(listed) > x.refresh {
		x.refreshBehind()
	}
}

// unanswered notes a lookup that did not wait to the end of a listing: who
// asked hears of the object if that brings it.
func (x *index) unanswered(l *listing, key remote.Key) {
	const most = 4096 // of one build's lookups; the kernel asks again in seconds anyway
	x.mu.Lock()
	defer x.mu.Unlock()
	if l.err == nil && len(l.unsure) < most {
		l.unsure = append(l.unsure, key)
	}
}

// at is what is known of an object, without asking for it.
func (x *index) at(key remote.Key) (stamp, bool) {
	p, ok := placeOf(key)
	if !ok {
		return stamp{}, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if sh := x.shards[p.shard]; sh != nil {
		return sh.content.find(p)
	}
	return stamp{}, false
}

// remembers reports whether what is known of an object was loaded, and not
// listed or heard of since.
func (x *index) remembers(key remote.Key) bool {
	p, ok := placeOf(key)
	if !ok {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	sh := x.shards[p.shard]
	switch {
	case !x.heard.IsZero():
		return false
	case sh == nil:
		return x.root.listed.IsZero()
	case !x.perFolder || sh.leaves == nil || sh.listed.IsZero():
		return sh.listed.IsZero()
	}
	lf := &sh.leaves[p.leaf]
	return lf.known && sh.seen(lf).IsZero()
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
