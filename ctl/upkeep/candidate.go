package upkeep

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// candidateLimit is how many signatures of one task of one recipe are kept,
// the newest: what is older than 500 builds of it explains nothing.
const candidateLimit = 500

// pair is what a candidate has in common with what it stands in for. Hashes
// alone say nothing: recipes share them.
type pair struct{ pn, task string }

// style is what is the same in many names.
type style struct{ extraPath, target, pv, pr, arch, version, ext string }

func styleOf(n sstate.Name) style {
	return style{n.ExtraPath, n.Target, n.PV, n.PR, n.Arch, n.Version, n.Ext}
}

// compact is the name of a signature in 56 bytes.
type compact struct {
	hash    [32]byte
	length  uint8 // of the hash, bytes
	style   uint32
	modTime int64 // nanoseconds since 1970
}

// located is a signature that can be read.
type located struct {
	key     remote.Key
	name    sstate.Name
	modTime time.Time
}

// candidates are names of signatures by recipe and task.
type candidates struct {
	limit  int // names kept of each pair, 0 for all
	pairs  map[pair]*samePair
	styles []style
	number map[style]uint32
	extra  map[string]bool // EXTRAPATHs that were seen
}

// samePair is what there is of one task of one recipe.
type samePair struct {
	names  []compact
	counts map[string]int // of all, by architecture
}

func newCandidates(limit int) *candidates {
	return &candidates{limit: limit, pairs: map[pair]*samePair{}, number: map[style]uint32{}, extra: map[string]bool{"": true}}
}

// wantPair makes add keep signatures of the task and recipe of n.
func (c *candidates) wantPair(n sstate.Name) {
	p := pair{n.PN, n.Task}
	if c.pairs[p] == nil {
		c.pairs[pair{strings.Clone(n.PN), strings.Clone(n.Task)}] = &samePair{counts: map[string]int{}}
	}
}

// add keeps a signature. With a limit only those of pairs that are wanted are
// kept.
func (c *candidates) add(info remote.Info, n sstate.Name) {
	if !c.extra[n.ExtraPath] {
		c.extra[strings.Clone(n.ExtraPath)] = true
	}
	if c.limit == 0 {
		c.wantPair(n)
	}
	s := c.pairs[pair{n.PN, n.Task}]
	if s == nil {
		return
	}
	row := compact{modTime: info.ModTime.UnixNano()}
	size, err := hex.Decode(row.hash[:], []byte(n.Hash))
	if err != nil {
		return // INVALID: BitBake had no hash
	}
	row.length, row.style = uint8(size), c.styleNumber(styleOf(n))
	s.counts[c.styles[row.style].arch]++
	s.names = append(s.names, row)
	if c.limit > 0 && len(s.names) >= 2*c.limit {
		slices.SortFunc(s.names, func(a, b compact) int { return cmp.Compare(b.modTime, a.modTime) })
		s.names = slices.Clip(slices.Clone(s.names[:c.limit]))
	}
}

// styleNumber gives the number of a style. Its strings are copied: those of a
// listing are parts of keys, which must not stay.
func (c *candidates) styleNumber(s style) uint32 {
	if number, ok := c.number[s]; ok {
		return number
	}
	for _, field := range []*string{&s.extraPath, &s.target, &s.pv, &s.pr, &s.arch, &s.version, &s.ext} {
		*field = strings.Clone(*field)
	}
	number := uint32(len(c.styles))
	c.styles = append(c.styles, s)
	c.number[s] = number
	return number
}

// of gives what is kept of a task and recipe.
func (c *candidates) of(p pair) *samePair {
	if s := c.pairs[p]; s != nil {
		return s
	}
	return &samePair{}
}

// locate gives the whole name.
func (c *candidates) locate(p pair, row compact) located {
	s := c.styles[row.style]
	n := sstate.Name{
		ExtraPath: s.extraPath, PN: p.pn, Target: s.target, PV: s.pv, PR: s.pr, Arch: s.arch, Version: s.version,
		Hash: hex.EncodeToString(row.hash[:row.length]), Task: p.task, Ext: s.ext, Side: sstate.SideSiginfo,
	}
	return located{remote.Key(n.Path()), n, time.Unix(0, row.modTime)}
}

// find looks for the signature of a task with a hash.
func (c *candidates) find(p pair, hash string) (located, bool) {
	s := c.pairs[p]
	if s == nil {
		return located{}, false
	}
	var want [32]byte
	size, err := hex.Decode(want[:], []byte(hash[:min(len(hash), 2*len(want))]))
	if err != nil {
		return located{}, false
	}
	for _, row := range s.names {
		if row.hash == want && int(row.length) == size {
			return c.locate(p, row), true
		}
	}
	return located{}, false
}

// choose gives the candidates for a miss that are worth to be read, by their
// names: of the same architecture if there are any, likest names first, then
// the newest. matches is how many there are in all.
func (a *analysis) choose(w *wanted) (near []located, matches int, otherArch bool) {
	p := pair{w.name.PN, w.name.Task}
	same := a.targets.of(p)
	var here, elsewhere []compact
	var own, ownElsewhere int
	for _, row := range same.names {
		sameArch := a.targets.styles[row.style].arch == w.name.Arch
		switch excluded := a.excludes(w, p, row); {
		case excluded && sameArch:
			own++
		case excluded:
			ownElsewhere++
		case sameArch:
			here = append(here, row)
		default:
			elsewhere = append(elsewhere, row)
		}
	}
	matches = same.counts[w.name.Arch] - own
	if len(here) == 0 && len(elsewhere) > 0 {
		here, otherArch = elsewhere, true
		matches = -ownElsewhere
		for arch, count := range same.counts {
			if arch != w.name.Arch {
				matches += count
			}
		}
	}
	a.sortByName(here, styleOf(w.name))
	for _, row := range here[:min(len(here), a.limit)] {
		near = append(near, a.targets.locate(p, row))
	}
	return near, matches, otherArch
}

// excludes tells whether a signature comes from the build that missed w.
func (a *analysis) excludes(w *wanted, p pair, row compact) bool {
	if len(a.own) == 0 {
		return false
	}
	published, ok := a.own[a.targets.locate(p, row).key]
	return ok && !published.Before(w.looked)
}

// sortByName puts the likest names first.
func (a *analysis) sortByName(rows []compact, like style) {
	likeness := make([]int, len(a.targets.styles))
	for i, s := range a.targets.styles {
		for _, same := range []bool{
			s.extraPath == like.extraPath, s.target == like.target, s.pv == like.pv, s.pr == like.pr,
		} {
			if same {
				likeness[i]++
			}
		}
	}
	slices.SortFunc(rows, func(x, y compact) int {
		return cmp.Or(cmp.Compare(likeness[y.style], likeness[x.style]), cmp.Compare(y.modTime, x.modTime),
			slices.Compare(x.hash[:], y.hash[:]))
	})
}
