package integration

import (
	"os"
	"path/filepath"
	"sort"
	"strings"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// absent is the sum of an object that is not there.
const absent = ""

// object is what is known of one key.
type object struct {
	may   map[string]bool // sums that it may have now, absent among them
	made  map[string]bool // sums of all that anybody offered
	acked string          // what was acknowledged in this round, or absent
	lives bool            // acked means something

	theirs string // what another host has published, or absent
}

// object gives the record of a key.
func (l *lane) object(key string) *object {
	o := l.objects[key]
	if o == nil {
		o = &object{may: map[string]bool{absent: true}, made: map[string]bool{}}
		l.objects[key] = o
		l.keys = append(l.keys, key)
	}
	return o
}

// keysOf are the keys of a round's steps, each once.
func (l *lane) keysOf(p *plan) []string {
	seen := map[string]bool{}
	for _, st := range p.all() {
		seen[st.key] = true
		if st.sigSum != "" {
			seen[st.key+sstate.SideSig] = true
		}
	}
	keys := make([]string, 0, len(seen))
	for key := range seen {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// offer notes all contents that a round may bring, before it begins.
func (l *lane) offer(p *plan) {
	for _, st := range p.all() {
		if st.offers() {
			l.object(st.key).made[st.sum] = true
		}
		if st.sigSum != "" {
			l.object(st.key + sstate.SideSig).made[st.sigSum] = true
		}
	}
	for _, th := range p.theirs {
		l.object(th.key).made[th.sum] = true
		l.object(th.key).theirs = th.sum
	}
	for _, key := range l.keysOf(p) {
		l.object(key).lives = false
	}
}

// account works out what the objects may be after a round, by what its
// processes were told. What was begun and not answered may have happened.
func (l *lane) account(p *plan, old map[string]map[string]bool) {
	l.t.Helper()
	for _, st := range p.all() {
		l.judge(p, st)
		if !st.begun || st.outcome != "" && st.outcome != "fail" {
			continue
		}
		switch {
		case st.verb == "remove":
			l.object(st.key).may[absent] = true
		case st.offers():
			l.object(st.key).may[st.sum] = true
		}
		if st.sigSum != "" {
			l.object(st.key + sstate.SideSig).may[st.sigSum] = true
		}
	}
	for _, st := range p.all() {
		if st.outcome != "ack" || st.verb != "remove" && !st.offers() {
			continue
		}
		l.acked++
		l.acknowledge(st.key, st.leaves())
		if p.hidden && st.verb == "rename" {
			// Nobody could say that the name was taken: it was a create, which gives
			// way to what was there.
			for s := range old[st.key] {
				l.object(st.key).may[s] = l.object(st.key).may[s] || s != absent
			}
		}
		if st.sigSum != "" {
			l.acknowledge(st.key+sstate.SideSig, st.sigSum)
		}
	}
	for _, th := range p.theirs {
		o := l.object(th.key)
		switch {
		case !l.alone:
			o.may, o.lives = map[string]bool{th.sum: true}, false
		case !o.lives: // else ours stays ours, here
			o.may[th.sum] = true
			delete(o.may, absent)
		}
	}
}

// acknowledge takes note of an answer.
func (l *lane) acknowledge(key, sum string) {
	l.t.Helper()
	o := l.object(key)
	if o.lives {
		l.t.Errorf("%s: two publishers were told that they were first", key)
	}
	o.may, o.acked, o.lives = map[string]bool{sum: true}, sum, true
}

// deathErrnos are what a call says that waits in a mount, or uses it, when the
// daemon is dead.
var deathErrnos = map[string]bool{"ENOTCONN": true, "ECONNABORTED": true}

// judge looks at one answer.
func (l *lane) judge(p *plan, st *step) {
	l.t.Helper()
	switch st.outcome {
	case "read":
		if !l.object(st.key).made[st.detail] {
			l.t.Errorf("round %d: %s was read as %s, which nobody published", p.round, st.key, st.detail)
		}
	case "fail":
		// What waits for a page when the daemon dies sees EIO, too.
		if !deathErrnos[st.detail] && !(st.detail == "EIO" && (!p.clean || st.verb == "read" && p.hidden)) {
			l.t.Errorf("round %d: %s %s: %s", p.round, st.verb, st.key, st.detail)
		}
	case "exists":
		if len(l.object(st.key).made) == 1 {
			l.t.Errorf("round %d: %s %s: EEXIST, and nobody else publishes it", p.round, st.verb, st.key)
		}
	case "gone":
		if st.offers() {
			l.t.Errorf("round %d: %s %s: ENOENT", p.round, st.verb, st.key)
		}
	}
}

// mustBeWhole looks at all files of a folder that have an object's name: each is
// one of the contents that somebody offered for it, whole.
func (l *lane) mustBeWhole(p *plan, dir string) {
	l.t.Helper()
	for _, name := range files(l.t, dir) {
		if remote.IsTemporary(filepath.Base(name)) || strings.HasPrefix(name, feedFolder) {
			continue
		}
		o := l.objects[name]
		if o == nil {
			l.t.Errorf("round %d: %s holds %s, which nobody published", p.round, dir, name)
		} else if got := sum(filepath.Join(dir, name)); !o.made[got] {
			l.t.Errorf("round %d: %s: %s is %s, which nobody published", p.round, dir, name, got)
		}
	}
}

// far is the sum of what the remote has under a key.
func (l *lane) far(key string) string {
	if _, err := os.Lstat(l.s.far(key)); os.IsNotExist(err) {
		return absent
	}
	return sum(l.s.far(key))
}

// compare holds what the mount and the remote have of some keys against what
// they may have, and learns from it.
func (l *lane) compare(p *plan, keys []string, near map[string]string) {
	l.t.Helper()
	if l.alone {
		l.compareAlone(p, keys, near)
		return
	}
	for _, key := range keys {
		o, far := l.object(key), l.far(key)
		switch {
		case !o.may[far]:
			l.t.Errorf("round %d: %s: the remote has %q, want one of %v", p.round, key, far, options(o.may))
		case near[key] != far:
			l.t.Errorf("round %d: %s: the mount has %q, the remote %q", p.round, key, near[key], far)
		}
		o.may = map[string]bool{far: true}
		if archive, ok := strings.CutSuffix(key, sstate.SideSig); ok && far != absent && l.far(archive) == absent {
			l.t.Errorf("round %d: %s is on the remote without its archive", p.round, key)
		}
	}
}

// compareAlone is compare of a mount that keeps to itself what it does: the
// remote has what others have published, and nothing of ours.
func (l *lane) compareAlone(p *plan, keys []string, near map[string]string) {
	l.t.Helper()
	for _, key := range keys {
		o := l.object(key)
		if !o.may[near[key]] {
			l.t.Errorf("round %d: %s: the mount has %q, want one of %v", p.round, key, near[key], options(o.may))
		}
		if far := l.far(key); far != o.theirs {
			l.t.Errorf("round %d: %s: the remote has %q, want %q", p.round, key, far, o.theirs)
		}
		o.may = map[string]bool{near[key]: true}
	}
}

func options(set map[string]bool) []string {
	var all []string
	for s := range set {
		if s == absent {
			s = "absent"
		}
		all = append(all, s)
	}
	sort.Strings(all)
	return all
}
