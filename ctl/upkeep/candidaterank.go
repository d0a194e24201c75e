package upkeep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// How many candidates are read to find the nearest: as many for each miss as
// the budget allows for all, within bounds. A signature is read and compared in
// less than a millisecond from a disk, and in tens of them from elsewhere.
const (
	readBudget = 20_000
	readLeast  = 8
	readMost   = 100

	farBudget = 8_000
	farLeast  = 4
)

func (a *analysis) readLimit(misses int) int {
	budget, least := readBudget, readLeast
	if !a.t.Traits().CheapStat {
		budget, least = farBudget, farLeast
	}
	return min(readMost, max(least, budget/max(1, misses)))
}

// rank reads candidates and gives the nearest: those that differ least, of
// equals the newest.
func (a *analysis) rank(ctx context.Context, near []located, after *siginfo.Signature) ([]Candidate, error) {
	var ranked []Candidate
	for _, c := range near {
		before, err := a.finder.read(ctx, a.t, c.key)
		switch {
		case errors.Is(err, remote.ErrNotExist), errors.Is(err, siginfo.ErrBroken):
			continue
		case err != nil:
			return nil, err
		}
		changes := siginfo.Diff(before, after)
		ranked = append(ranked, Candidate{
			Key: c.key, Hash: c.name.Hash, Modified: c.modTime.UTC(), Distance: distanceOf(changes), Changes: changes, name: c.name,
		})
		if len(ranked) > 2*a.o.Candidates {
			ranked = nearest(ranked, a.o.Candidates)
		}
	}
	return nearest(ranked, a.o.Candidates), nil
}

func nearest(ranked []Candidate, n int) []Candidate {
	slices.SortFunc(ranked, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), b.Modified.Compare(a.Modified), cmp.Compare(a.Key, b.Key))
	})
	return ranked[:min(n, len(ranked))]
}

// distanceOf weighs changes. What a recipe does itself weighs more than what
// reaches it from another; what only follows weighs nothing.
func distanceOf(changes []siginfo.Change) int {
	sum := 0
	for _, c := range changes {
		switch c.Kind {
		case siginfo.BaseHash, siginfo.Deps:
		case siginfo.DepHash, siginfo.VarDeps, siginfo.TaskDeps:
			sum++
		case siginfo.DepAdded, siginfo.DepRemoved, siginfo.VarAdded, siginfo.VarRemoved:
			sum += 2
		default:
			sum += 3
		}
	}
	return sum
}

// compare words what differs from a candidate, dependencies included.
func (a *analysis) compare(ctx context.Context, c *Candidate, w *wanted, after *siginfo.Signature) error {
	before, err := a.finder.read(ctx, a.t, c.Key)
	if err != nil {
		return err
	}
	c.comparison, err = siginfo.Compare(ctx, before, after, siginfo.Options{Finder: a.finder, Missing: lost})
	if err != nil {
		return err
	}
	c.Text = c.lines(siginfo.Plain)
	if len(c.Text) == 0 {
		c.Text = nameChanges(c.name, w.name)
	}
	return nil
}

// nameChanges words what differs in the names of two equal signatures.
func nameChanges(before, after sstate.Name) []string {
	var lines []string
	for _, f := range []struct{ what, before, after string }{
		{"EXTRAPATH", before.ExtraPath, after.ExtraPath},
		{"target", before.Target, after.Target},
		{"PV", before.PV, after.PV},
		{"PR", before.PR, after.PR},
		{"arch", before.Arch, after.Arch},
		{"SSTATE_VERSION", before.Version, after.Version},
		{"suffix", before.Ext, after.Ext},
		{"unihash", before.Hash, after.Hash},
	} {
		if f.before != f.after {
			lines = append(lines, fmt.Sprintf("Only the name changed: %s from '%s' to '%s'", f.what, f.before, f.after))
		}
	}
	return shorten(lines)
}
