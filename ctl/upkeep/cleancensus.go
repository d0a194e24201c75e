package upkeep

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// An identity is a group in one state: which objects, of which sizes and times.
// A group that was used, replaced or completed since has another.
type identity [16]byte

// identify hashes a group. 16 bytes of SHA-256 do not collide.
func identify(g *Group) identity {
	h := sha256.New()
	for _, info := range g.members() {
		var numbers [16]byte
		binary.LittleEndian.PutUint64(numbers[:], uint64(info.Size))
		binary.LittleEndian.PutUint64(numbers[8:], uint64(info.ModTime.UnixNano()))
		h.Write(numbers[:])
		h.Write([]byte(info.Key))
	}
	return identity(h.Sum(nil))
}

// A fate is what goes of a group.
type fate struct{ archive, siginfo bool }

// doomed are the groups that are to go, and what of each.
type doomed map[identity]fate

// A census is all groups, as far as rules need them that compare.
type census struct {
	o      CleanOptions
	total  int64 // bytes of all objects
	groups []counted

	newestArchive, newestSiginfo map[identity]int64 // by series: when it was used last
}

// counted is a group that may go.
type counted struct {
	id      identity
	series  identity // what it may be a duplicate in, zero if in nothing
	used    int64    // Unix nanoseconds
	archive int64    // bytes of the archive and its .sig, negative without
	siginfo int64    // bytes, negative without
}

func newCensus(o CleanOptions) *census {
	return &census{o: o, newestArchive: make(map[identity]int64), newestSiginfo: make(map[identity]int64)}
}

// add counts a group. One that is protected still takes room, and may be the
// newest of its series.
func (c *census) add(g *Group, mayGo bool) {
	for _, info := range g.members() {
		c.total += info.Size
	}
	if len(g.members()) == 0 {
		return
	}
	one := counted{used: g.Used().UnixNano(), archive: -1, siginfo: -1}
	if c.o.RemoveDuplicated {
		one.series = seriesOf(g)
	}
	if g.Archive.Key != "" || g.Sig.Key != "" {
		one.archive = g.Archive.Size + g.Sig.Size
	}
	if g.Archive.Key != "" {
		raise(c.newestArchive, one)
	}
	if g.Siginfo.Key != "" {
		one.siginfo = g.Siginfo.Size
		raise(c.newestSiginfo, one)
	}
	if mayGo {
		one.id = identify(g)
		c.groups = append(c.groups, one)
	}
}

func raise(newest map[identity]int64, one counted) {
	if one.series != (identity{}) {
		newest[one.series] = max(newest[one.series], one.used)
	}
}

// seriesOf names what of which only the newest is wanted: a recipe's task for
// one target and arch. Names of tasks like populate_lic hold neither target nor
// arch, so that two of them may be of different builds, each the newest of its
// own: they are no duplicates, as sstate-cache-management.py has it too.
func seriesOf(g *Group) identity {
	n := g.Name
	if n.Target == "" && n.Arch == "" {
		return identity{}
	}
	h := sha256.New()
	for _, field := range []string{n.ExtraPath, n.PN, n.Target, n.Arch, n.Task, n.Ext} {
		h.Write([]byte(field))
		h.Write([]byte{0})
	}
	return identity(h.Sum(nil))
}

// doom decides. Duplicates go first; then the archives that were used least
// recently, until the rest fits. Siginfo explain misses and are small, so for
// room they go only when no archive is left to go.
func (c *census) doom() doomed {
	doom := make(doomed)
	if c.o.RemoveDuplicated {
		c.duplicates(doom)
	}
	if c.o.MaxSize > 0 {
		slices.SortFunc(c.groups, func(a, b counted) int {
			return cmp.Or(cmp.Compare(a.used, b.used), slices.Compare(a.id[:], b.id[:]))
		})
		c.shrink(doom, func(one *counted, f *fate) (*int64, *bool) { return &one.archive, &f.archive })
		c.shrink(doom, func(one *counted, f *fate) (*int64, *bool) { return &one.siginfo, &f.siginfo })
	}
	return doom
}

// duplicates dooms what is not the newest of its series. Archives are compared
// with archives, lest a siginfo alone lets go the last archive. A siginfo goes
// by its own age where one is given.
func (c *census) duplicates(doom doomed) {
	for i := range c.groups {
		one := &c.groups[i]
		if one.series == (identity{}) {
			continue
		}
		f := fate{
			archive: one.archive >= 0 && one.used < c.newestArchive[one.series],
			siginfo: one.siginfo >= 0 && one.used < c.newestSiginfo[one.series] && c.o.MaxSigAge <= 0,
		}
		f.siginfo = f.siginfo && (f.archive || one.archive < 0)
		if f.archive {
			c.total -= one.archive
			one.archive = -1
		}
		if f.siginfo {
			c.total -= one.siginfo
			one.siginfo = -1
		}
		if f != (fate{}) {
			doom[one.id] = f
		}
	}
}

// shrink dooms a part of groups, the oldest first, until the rest fits.
func (c *census) shrink(doom doomed, part func(*counted, *fate) (bytes *int64, goes *bool)) {
	for i := range c.groups {
		one := &c.groups[i]
		f := doom[one.id]
		bytes, goes := part(one, &f)
		if c.total <= c.o.MaxSize {
			return
		}
		if *bytes >= 0 {
			c.total -= *bytes
			*bytes, *goes = -1, true
			doom[one.id] = f
		}
	}
}
