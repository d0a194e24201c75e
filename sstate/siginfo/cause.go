package siginfo

// Cause explains a difference: a deepest signature that differs.
type Cause struct {
	Key     string   `json:"key"`     // of the dependency; empty: the compared task itself
	Before  string   `json:"before"`  // unihash; empty for the compared task itself
	After   string   `json:"after"`   // unihash; empty for the compared task itself
	Missing bool     `json:"missing"` // it was not found: Changes is empty
	Changes []Change `json:"changes"` // without what follows from them
}

// Causes are the changes at the bottom. A comparison whose dependencies
// explain something is explained by them alone, as in the text; each
// dependency is there once. Nothing, when nothing differs.
func (c *Comparison) Causes() []Cause {
	t := &tracer{seen: map[*Followed]bool{}}
	t.trace(c, &Followed{})
	return t.causes
}

type tracer struct {
	seen   map[*Followed]bool
	causes []Cause
}

// trace finds the causes of a comparison, which is that of task at.
func (t *tracer) trace(c *Comparison, at *Followed) {
	explained := false
	for _, f := range c.Followed {
		if !f.explains() {
			continue
		}
		explained = true
		if t.seen[f] {
			continue
		}
		t.seen[f] = true
		if f.Comparison == nil {
			t.causes = append(t.causes, Cause{Key: f.Key, Before: f.Before, After: f.After, Missing: true})
			continue
		}
		t.trace(f.Comparison, f)
	}
	if !explained && len(c.Changes) > 0 {
		t.causes = append(t.causes, Cause{Key: at.Key, Before: at.Before, After: at.After, Changes: roots(c.Changes)})
	}
}

// roots are the changes that do not follow from others; all, if there is none.
func roots(changes []Change) []Change {
	var own []Change
	for _, change := range changes {
		if !change.follows() {
			own = append(own, change)
		}
	}
	if len(own) == 0 {
		return changes
	}
	return own
}
