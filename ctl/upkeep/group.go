package upkeep

import (
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A Group is an archive and its companions, as far as they are there. They
// have one name but for the ending, so that recipes which share a hash have
// groups of their own.
type Group struct {
	Name sstate.Name // of the archive, there or not

	// Those that are not there have no Key.
	Archive, Siginfo, Sig remote.Info
}

// Used is when any of the group was used or made last.
func (g *Group) Used() time.Time {
	used := g.Archive.ModTime
	for _, t := range []time.Time{g.Siginfo.ModTime, g.Sig.ModTime} {
		if t.After(used) {
			used = t
		}
	}
	return used
}

// member is where the group keeps its object with such an ending.
func (g *Group) member(side string) *remote.Info {
	switch side {
	case sstate.SideSiginfo:
		return &g.Siginfo
	case sstate.SideSig:
		return &g.Sig
	}
	return &g.Archive
}

// members are the objects that are there, the archive first.
func (g *Group) members() []remote.Info {
	all := make([]remote.Info, 0, 3)
	for _, info := range []remote.Info{g.Archive, g.Sig, g.Siginfo} {
		if info.Key != "" {
			all = append(all, info)
		}
	}
	return all
}

// groupsOf puts the files of one folder into groups; others are what is no
// object.
func groupsOf(files []remote.Info) (groups []*Group, others []remote.Info) {
	byArchive := make(map[string]*Group)
	for _, info := range files {
		name, ok := sstate.ParsePath(string(info.Key))
		if !ok {
			others = append(others, info)
			continue
		}
		path := sstate.ArchivePath(string(info.Key))
		g := byArchive[path]
		if g == nil {
			g = &Group{Name: name.Archive()}
			byArchive[path] = g
			groups = append(groups, g)
		}
		*g.member(name.Side) = info
	}
	return groups, others
}
