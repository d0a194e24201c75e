package upkeep

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// ShowResult is what there is of the recipes that were asked for. The JSON
// keys are stable.
type ShowResult struct {
	Remote    string     `json:"remote"`
	Now       time.Time  `json:"now"`   // ages are told by it
	Clock     string     `json:"clock"` // whose time that is: "remote" or "host"
	Artefacts []Artefact `json:"artefacts"`
	Total     Sum        `json:"total"`

	// Similar are recipes with names like the one that was asked for, best
	// first, when there is nothing of that.
	Similar []string `json:"similar"`
}

// Artefact is an archive with its companions, or what is left of them.
type Artefact struct {
	PN         string    `json:"pn"`
	Task       string    `json:"task"`
	Arch       string    `json:"arch"`
	Version    string    `json:"version"` // PV-PR
	ExtraPath  string    `json:"extra_path,omitempty"`
	Hash       string    `json:"hash"`
	Key        string    `json:"key"` // of the archive, whether it is there or not
	Parts      []string  `json:"parts"`
	Size       int64     `json:"bytes"`    // of all parts
	ModTime    time.Time `json:"modified"` // of the newest
	AgeSeconds float64   `json:"age_seconds"`
}

// Show lists the remote for all artefacts that the filter picks: by recipe and
// task, newest first. It needs memory for these, and for each recipe's name.
func Show(ctx context.Context, t *Target, f Filter, report Report) (ShowResult, error) {
	clock, err := t.clock(ctx)
	if err != nil {
		return ShowResult{}, err
	}
	result := ShowResult{Remote: t.String(), Now: clock.now.UTC(), Clock: clock.name(), Similar: []string{}}
	found := map[string]*Artefact{}
	names := map[string]bool{}
	note := func(info remote.Info, n sstate.Name) error {
		if !names[n.PN] {
			names[strings.Clone(n.PN)] = true
		}
		if f.Picks(n) {
			result.Total.add(info.Size)
			addPart(found, info, n)
		}
		return nil
	}
	_, err = visitAll(ctx, t, visit{object: note}, report)
	result.Artefacts = sortedArtefacts(found, clock)
	if err == nil && len(found) == 0 {
		result.Similar = similar(names, f.PN)
	}
	return result, err
}

// addPart notes one object of an artefact.
func addPart(found map[string]*Artefact, info remote.Info, n sstate.Name) {
	key := sstate.ArchivePath(string(info.Key))
	a := found[key]
	if a == nil {
		a = &Artefact{
			PN: n.PN, Task: n.Task, Arch: n.Arch, Version: versionOf(n), ExtraPath: n.ExtraPath, Hash: n.Hash, Key: key,
		}
		found[key] = a
	}
	a.Parts = append(a.Parts, kindOf(n))
	a.Size += info.Size
	if info.ModTime.After(a.ModTime) {
		a.ModTime = info.ModTime.UTC()
	}
}

// versionOf is the recipe's version as in work folders.
func versionOf(n sstate.Name) string {
	if n.PR == "" {
		return n.PV
	}
	return n.PV + "-" + n.PR
}

func sortedArtefacts(found map[string]*Artefact, clock times) []Artefact {
	all := make([]Artefact, 0, len(found))
	for _, a := range found {
		slices.Sort(a.Parts) // archive, sig, siginfo
		a.AgeSeconds = clock.age(a.ModTime).Seconds()
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b Artefact) int {
		return cmp.Or(cmp.Compare(a.PN, b.PN), cmp.Compare(a.Task, b.Task), b.ModTime.Compare(a.ModTime), cmp.Compare(a.Key, b.Key))
	})
	return all
}

// mostSimilar is how many names are worth reading.
const mostSimilar = 5

// similar gives the names that look like one of the wanted, best first: those
// that hold it, then those with few letters that differ.
func similar(names map[string]bool, wanted []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for name := range names {
		best := -1
		for _, w := range wanted {
			if d, ok := distance(strings.Trim(w, "*?"), name); ok && (best < 0 || d < best) {
				best = d
			}
		}
		if best >= 0 {
			all = append(all, candidate{name, best})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	result := []string{}
	for _, c := range all[:min(len(all), mostSimilar)] {
		result = append(result, c.name)
	}
	return result
}

// distance says how far a name is from what was typed; not ok is too far.
func distance(typed, name string) (int, bool) {
	a, b := strings.ToLower(typed), strings.ToLower(name)
	if a == "" {
		return 0, false
	}
	if len(a) > 1 && strings.Contains(b, a) || len(b) > 2 && strings.Contains(a, b) {
		return 0, true
	}
	d := edits(a, b)
	return d, d <= max(1, len(a)/3)
}

// edits is Levenshtein's distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
