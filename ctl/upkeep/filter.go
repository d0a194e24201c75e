package upkeep

import (
	"fmt"
	"path"

	"sstatefs/sstate"
)

// Filter picks objects by fields of their names. The zero value picks all.
// Each list holds shell patterns (path.Match), of which one must match.
type Filter struct {
	PN   []string `json:"pn,omitempty"`
	Arch []string `json:"arch,omitempty"`
	Task []string `json:"task,omitempty"` // as in file names, without "do_"

	Expression *Expression `json:"-"` // of recipes, nil for all
}

// picksAll tells whether the filter leaves nothing out.
func (f Filter) picksAll() bool {
	return len(f.PN)+len(f.Arch)+len(f.Task) == 0 && f.Expression == nil
}

// Check is the error of a pattern that cannot be understood.
func (f Filter) Check() error {
	for _, patterns := range [][]string{f.PN, f.Arch, f.Task} {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("pattern %q: %w", p, err)
			}
		}
	}
	return nil
}

// Picks tells whether a name is picked.
func (f Filter) Picks(n sstate.Name) bool {
	return matches(f.PN, n.PN) && matches(f.Arch, n.Arch) && matches(f.Task, n.Task) && f.Expression.Picks(n.PN)
}

func matches(patterns []string, s string) bool {
	for _, p := range patterns {
		if p == s {
			return true
		}
		if ok, _ := path.Match(p, s); ok {
			return true
		}
	}
	return len(patterns) == 0
}
