package store

import (
	"maps"
	"time"
)

// modelHost is one host: its store, and what is known of it by the rules. The
// rules know what was asked of it and what reached the remote, and nothing of
// how it works.
type modelHost struct {
	*Store
	n    int
	opt  Options
	link *modelLink
	life int // counts its daemons

	relisted bool // its daemon has listed the remote, and does not go by what the last one knew

	hidden  map[string]bool          // removed here, until it is published here again
	pinned  map[string]int           // published under --read-only
	pending map[string][]modelEntry  // acknowledged, and not known to be at an end
	cached  map[string]modelCopy     // is certainly here
	had     map[string]map[int]bool  // was here once, and may still be
	doubt   map[string]bool          // was not to be had whole
	cut     map[string]bool          // may have lost its end, and was not read since
	used    map[string]time.Time     // touched: the remote is to hear of it
	shown   map[string]time.Time     // as used, as long as this host is to show it
	asked   map[string]int           // event of the last stat
	floor   modelKnowledge           // what it knows at least
	saved   modelKnowledge           // what it knows at least after a crash
	handles map[string][]modelHandle // open objects
}

// modelKnowledge is what an index knows at least: the remote as it was at these
// events, or later.
type modelKnowledge struct {
	listed bool // it knows of every key, if only that it is not there
	seq    map[string]int
}

func (k modelKnowledge) clone() modelKnowledge {
	return modelKnowledge{k.listed, maps.Clone(k.seq)}
}

// modelEntry is a publish, or a removal, that the remote is to hear of.
type modelEntry struct {
	id      int // 0 removes
	create  bool
	replace bool
	seq     int // of the remote when it was acknowledged
	at      time.Time
	waited  bool // for a link, or for a daemon
	risky   bool // a power cut may have taken it
	sent    int  // the event that did it
	exist   int  // the event that found the key taken
}

// modelCopy is a content that is here since an event of the remote.
type modelCopy struct{ id, seq int }

type modelHandle struct {
	object *Object
	id     int
}

func newModelHost(n int, opt Options) *modelHost {
	return &modelHost{
		n: n, opt: opt,
		hidden: map[string]bool{}, pinned: map[string]int{}, pending: map[string][]modelEntry{},
		cached: map[string]modelCopy{}, had: map[string]map[int]bool{}, doubt: map[string]bool{}, cut: map[string]bool{},
		used: map[string]time.Time{}, shown: map[string]time.Time{}, asked: map[string]int{},
		floor: modelKnowledge{seq: map[string]int{}}, saved: modelKnowledge{seq: map[string]int{}},
		handles: map[string][]modelHandle{},
	}
}

// isSmall tells that its cache may drop anything that was sent.
func (h *modelHost) isSmall() bool { return h.opt.CacheSize > 0 }

// sends tells whether its removals reach others.
func (h *modelHost) sends() bool { return h.opt.Unlink == UnlinkRemote && !h.opt.ReadOnly }

// learned notes that it knows of a key at least what was so at an event.
func (h *modelHost) learned(key string, seq int) {
	h.floor.seq[key] = max(h.floor.seq[key], seq)
}

// keeps notes that it had a content.
func (h *modelHost) keeps(key string, id int) {
	if h.had[key] == nil {
		h.had[key] = map[int]bool{}
	}
	h.had[key][id] = true
}

// own is what it has published, as long as that counts whatever the remote has.
func (h *modelHost) own(key string) (id int, ok bool) {
	if id, ok := h.pinned[key]; ok {
		return id, true
	}
	if p := h.pending[key]; len(p) > 0 && p[len(p)-1].id != 0 {
		return p[len(p)-1].id, true
	}
	return 0, false
}

// published notes an acknowledged publish.
func (h *modelHost) published(key string, e modelEntry) {
	delete(h.hidden, key)
	delete(h.cached, key)
	delete(h.shown, key)
	delete(h.used, key)
	h.keeps(key, e.id)
	if h.opt.ReadOnly {
		h.pinned[key] = e.id
		return
	}
	h.pending[key] = append(h.pending[key], e)
}

// removed notes an acknowledged removal.
func (h *modelHost) removed(key string, e modelEntry) {
	h.hidden[key] = true
	delete(h.pinned, key)
	delete(h.cached, key)
	delete(h.shown, key)
	delete(h.used, key)
	delete(h.pending, key) // what was not sent yet never will be
	if h.sends() {
		h.pending[key] = []modelEntry{e}
	}
}

// restarted notes what a daemon forgets when it ends.
func (h *modelHost) restarted() {
	h.life++
	h.relisted = false
	clear(h.doubt)
	clear(h.used)
	clear(h.shown)
	for _, entries := range h.pending {
		for i := range entries {
			entries[i].waited = true
		}
	}
}

// modelViews are all that a host may take a key for.
type modelViews struct {
	absent  bool
	ids     map[int]bool
	trouble bool // what is there may not be had
	doubt   bool // it was not to be had before
	cut     bool // a power cut has shortened what is here
}

// views tells what a host may see: what is its own; else what it certainly has;
// else anything that the remote was since the host knew better.
func (w *modelWorld) views(h *modelHost, key string, start int) modelViews {
	v := modelViews{ids: map[int]bool{}, doubt: h.doubt[key]}
	if h.hidden[key] {
		v.absent = true
		return v
	}
	if id, ok := h.own(key); ok {
		v.ids[id] = true
		if p := h.pending[key]; len(p) > 0 && p[len(p)-1].risky {
			w.others(h, key, start, &v)
			v.cut, v.absent, v.trouble = true, true, true
		}
		return v
	}
	if id, ok := w.certain(h, key, start); ok {
		v.ids[id] = true
		return v
	}
	w.others(h, key, start, &v)
	return v
}

// others adds what the remote was, and what may be left here.
func (w *modelWorld) others(h *modelHost, key string, start int, v *modelViews) {
	for _, past := range w.before(h, key, w.floorOf(h, key, start), start) {
		if past.id == 0 {
			v.absent = true
			continue
		}
		v.ids[past.id] = true
		for had := range h.had[key] { // of one length: the bytes are not compared
			if w.contents.size(had) == w.contents.size(past.id) {
				v.ids[had] = true
			}
		}
	}
	away := h.link.get() == linkDown || h.link.get() == linkGarbles
	if h.doubt[key] || away && !w.indexed() || w.indexed() && !h.floor.listed {
		v.absent = true
	}
	if w.indexed() && !h.relisted && h.life > 0 || v.absent && away { // nobody says that what is left here is gone
		for had := range h.had[key] {
			v.ids[had] = true
		}
	}
	v.trouble = away || h.doubt[key]
}

// floorOf is the event that a host knows of at least.
func (w *modelWorld) floorOf(h *modelHost, key string, start int) int {
	switch {
	case w.traits.CheapStat:
		return start
	case w.traits.NoList:
		return min(start, w.far.at(w.clock.now().Add(-hitLife-time.Minute)))
	}
	return h.floor.seq[key]
}

// before are the versions since floor, without those that the host itself has
// made since start.
func (w *modelWorld) before(h *modelHost, key string, floor, start int) []modelVersion {
	var others []modelVersion
	for _, v := range w.far.since(key, floor) {
		if v.host != h.n || v.seq <= start {
			others = append(others, v)
		}
	}
	return others
}

// certain is what a host has had since it was the remote's, if that has not
// changed.
func (w *modelWorld) certain(h *modelHost, key string, start int) (int, bool) {
	c, ok := h.cached[key]
	if !ok || h.isSmall() {
		return 0, false
	}
	versions := w.before(h, key, c.seq, start)
	return c.id, len(versions) == 1 && versions[0].id == c.id
}

// indexed tells whether hosts keep an index.
func (w *modelWorld) indexed() bool { return !w.traits.CheapStat && !w.traits.NoList }
