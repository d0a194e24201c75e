package upkeep

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sstatefs/sstate/siginfo"
)

// CauseKind says of what sort a cause is. The words are stable: they are in
// JSON.
type CauseKind string

// The kinds of cause.
const (
	CauseChange  CauseKind = "change"          // something in a recipe changed
	CauseLost    CauseKind = "lost-signature"  // the way ends at a dependency without signatures
	CauseName    CauseKind = "name"            // the signatures are equal, the names are not
	CauseNew     CauseKind = "no-candidate"    // the target never had this task
	CauseRemoved CauseKind = "archive-removed" // the target has the signature still
	CauseUnread  CauseKind = "unread"          // could not be compared
)

// RootCause is what a number of misses come from. The JSON keys are stable.
type RootCause struct {
	Kind    CauseKind `json:"kind"`
	Recipe  string    `json:"recipe,omitempty"`  // in which it is
	What    []string  `json:"what,omitempty"`    // variables, files, dependencies
	Misses  int64     `json:"misses"`            // how many it explains
	Recipes []string  `json:"recipes,omitempty"` // whose tasks these are, sorted
	Tasks   []string  `json:"tasks,omitempty"`   // RECIPE:TASK of each, sorted
}

// String is the cause in words: "37 misses come from MACHINE_FEATURES in
// base-files".
func (c RootCause) String() string {
	misses, come, have := fmt.Sprintf("%d misses", c.Misses), "come", "have"
	if c.Misses == 1 {
		misses, come, have = "1 miss", "comes", "has"
	}
	what := strings.Join(c.What[:min(shownChanges, len(c.What))], ", ")
	if more := len(c.What) - shownChanges; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	switch c.Kind {
	case CauseChange:
		return fmt.Sprintf("%s %s from %s in %s", misses, come, what, c.Recipe)
	case CauseLost:
		return fmt.Sprintf("%s %s from %s in %s, whose signatures were not found", misses, come, what, c.Recipe)
	case CauseName:
		return fmt.Sprintf("%s %s from names alone: %s", misses, come, what)
	case CauseNew:
		return fmt.Sprintf("%s %s no candidate: the remote cache never had these tasks", misses, have)
	case CauseRemoved:
		return fmt.Sprintf("%s %s from archives that were cleaned away or never came: nothing changed, their signatures are there", misses, come)
	default:
		return fmt.Sprintf("%s could not be explained", misses)
	}
}

// shownChanges is how many changes of one cause are named.
const shownChanges = 4

// causeID is what makes two causes one: not the hashes, which differ with
// every architecture and candidate.
type causeID struct {
	kind   CauseKind
	recipe string
	what   string
}

// causes collects root causes.
type causes map[causeID]*collected

type collected struct {
	what    []string
	misses  int64
	recipes map[string]bool
	tasks   map[string]bool
}

// add notes the causes of one miss, by its nearest candidate.
func (all causes) add(item *Analyzed) {
	switch {
	case item.State == MissRemoved:
		all.note(item, CauseRemoved, "", nil)
	case item.State == MissUnread, item.Matches > 0 && len(item.Candidates) == 0:
		all.note(item, CauseUnread, "", nil)
	case len(item.Candidates) == 0:
		all.note(item, CauseNew, "", nil)
	default:
		all.addCompared(item, &item.Candidates[0])
	}
}

func (all causes) addCompared(item *Analyzed, nearest *Candidate) {
	found := nearest.comparison.Causes()
	if len(found) == 0 {
		all.note(item, CauseName, "", namedFields(nearest.Text))
		return
	}
	for _, c := range found {
		recipe, task := item.PN, item.Task
		if dep, ok := siginfo.ParseDep(c.Key); ok {
			recipe, task = dep.PN, dep.Task
		}
		if at, own := lastKnown(nearest.comparison); c.Missing && len(own) > 0 {
			if dep, ok := siginfo.ParseDep(at); ok {
				recipe = dep.PN
			} else {
				recipe = item.PN
			}
			all.note(item, CauseChange, recipe, whatChanged(own))
			continue
		}
		if c.Missing {
			all.note(item, CauseLost, recipe, []string{"do_" + task})
			continue
		}
		all.note(item, CauseChange, recipe, whatChanged(c.Changes))
	}
}

// lastKnown goes down to where the way ends at a dependency without signatures,
// and gives what else changed in the task there: that is known, and often the
// same change that the dependency has.
func lastKnown(c *siginfo.Comparison) (key string, own []siginfo.Change) {
	for len(c.Followed) > 0 {
		last := c.Followed[len(c.Followed)-1]
		if last.Comparison == nil {
			break
		}
		key, c = last.Key, last.Comparison
	}
	for _, change := range c.Changes {
		switch change.Kind {
		case siginfo.BaseHash, siginfo.Deps, siginfo.DepHash:
		default:
			own = append(own, change)
		}
	}
	return key, own
}

func (all causes) note(item *Analyzed, kind CauseKind, recipe string, what []string) {
	id := causeID{kind, recipe, strings.Join(what, "\n")}
	c := all[id]
	if c == nil {
		c = &collected{what: what, recipes: map[string]bool{}, tasks: map[string]bool{}}
		all[id] = c
	}
	c.misses++
	c.recipes[item.PN] = true
	c.tasks[item.PN+":"+item.Task] = true
}

// sorted gives the causes, those that explain most first.
func (all causes) sorted() []RootCause {
	list := make([]RootCause, 0, len(all))
	for id, c := range all {
		list = append(list, RootCause{
			Kind: id.kind, Recipe: id.recipe, What: c.what, Misses: c.misses,
			Recipes: slices.Sorted(maps.Keys(c.recipes)), Tasks: slices.Sorted(maps.Keys(c.tasks)),
		})
	}
	slices.SortFunc(list, func(a, b RootCause) int {
		return cmp.Or(cmp.Compare(b.Misses, a.Misses), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Recipe, b.Recipe),
			slices.Compare(a.What, b.What))
	})
	return list
}

// whatChanged names changes, the values of variables and files before what is
// only around them.
func whatChanged(changes []siginfo.Change) []string {
	var values, around []string
	for _, c := range changes {
		switch c.Kind {
		case siginfo.Variable:
			values = append(values, c.Name)
		case siginfo.FileChanged, siginfo.FileAdded, siginfo.FileRemoved:
			values = append(values, "file "+c.Name)
		case siginfo.Taint:
			values = append(values, "a forced run (taint)")
		case siginfo.VarAdded, siginfo.VarRemoved, siginfo.VarDeps:
			around = append(around, c.Name)
		case siginfo.DepAdded, siginfo.DepRemoved, siginfo.DepHash:
			around = append(around, "the dependency on "+c.Name)
		case siginfo.IgnoreVars, siginfo.IgnoreTasks:
			around = append(around, "what hashes ignore")
		case siginfo.TaskDeps:
			around = append(around, "the list of variables")
		}
	}
	if len(values) == 0 {
		values = around
	}
	slices.Sort(values)
	values = slices.Compact(values)
	if len(values) == 0 {
		return []string{"the hash of its variables"}
	}
	return values
}

// namedFields takes the fields out of what nameChanges said.
func namedFields(lines []string) []string {
	var fields []string
	for _, line := range lines {
		if field, ok := strings.CutPrefix(line, "Only the name changed: "); ok {
			fields = append(fields, field)
		}
	}
	// A unihash of its own follows from hash equivalence, and differs each time.
	fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "unihash ") })
	if len(fields) == 0 {
		return []string{"the unihash (hash equivalence)"}
	}
	return fields
}
