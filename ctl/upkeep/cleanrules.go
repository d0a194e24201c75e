package upkeep

import (
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A judge applies the rules of age. It is pure: all it knows is in it.
type judge struct {
	o   CleanOptions
	now time.Time // less what times may be early
}

// mayGo tells that nothing protects a group.
func (j judge) mayGo(g *Group) bool { return j.o.Filter.Picks(g.Name) && !j.o.Stamps.Used(g.Name) }

// unused tells that a time is so long ago.
func (j judge) unused(used time.Time, age time.Duration) bool {
	return age > 0 && j.now.Sub(used) >= age
}

// byAge gives what goes of a group by its age and takes it out of the group.
func (j judge) byAge(g *Group) (gone []removal) {
	if !j.mayGo(g) {
		return nil
	}
	used := g.Used()
	archive := j.unused(used, j.o.MaxAge)
	// Without a rule for archives only siginfo go that have none.
	siginfo := j.unused(used, j.o.MaxSigAge) && (j.o.MaxAge > 0 || g.Archive.Key == "")
	return g.take(archive, siginfo)
}

// siginfoLag is how much earlier than its archive a siginfo was used at least
// when it is worth to set that right. BitBake from nanbield to wrynose refreshes
// archives only when it looks for them.
const siginfoLag = minimumAge

// take takes out of a group what is to go: the archive with its .sig, the
// siginfo, or both.
func (g *Group) take(archive, siginfo bool) []removal {
	var keys []remote.Info
	used, alone := g.Used(), g.Archive.Key == ""
	out := func(info *remote.Info, goes bool) {
		if goes && info.Key != "" {
			keys = append(keys, *info)
			*info = remote.Info{}
		}
	}
	out(&g.Archive, archive)
	out(&g.Sig, archive)
	out(&g.Siginfo, siginfo)
	if len(keys) == 0 {
		return nil
	}
	r := removal{first: keys[0], rest: keys[1:]}
	if !alone && g.Siginfo.Key != "" && used.Sub(g.Siginfo.ModTime) > siginfoLag {
		g.Siginfo.ModTime = used
		r.stays = g.Siginfo
	}
	return []removal{r}
}

// stale tells a temporary that nobody is writing any more, or a part of the
// change feed that nobody reads any more. Where a filter says
// what may go it is not picked.
func (j judge) stale(info remote.Info) bool {
	if isFeed(info.Key) {
		return j.o.Filter.picksAll() && j.unused(info.ModTime, sstate.FeedKept)
	}
	return j.o.Filter.picksAll() && isLeftover(info.Key) && j.unused(info.ModTime, leftoverAge)
}
