package siginfo

import (
	"fmt"
	"maps"
	"slices"
)

// Diff lists what differs between two signatures of a task, a being before and
// b after, in the order of BitBake's messages. It follows nothing.
func Diff(a, b *Signature) []Change {
	d := &differ{a: a, b: b}
	d.ignored()
	if !slices.Equal(a.TaskDeps, b.TaskDeps) {
		d.add(TaskDeps, "", list(sorted(a.TaskDeps)), list(sorted(b.TaskDeps)))
	}
	if a.BaseHash != b.BaseHash {
		d.add(BaseHash, "", Text(a.BaseHash), Text(b.BaseHash))
	}
	d.variableDeps()
	d.variables()
	d.files()
	d.deps()
	d.depHashes()
	if !a.Taint.equal(b.Taint) {
		d.add(Taint, "", a.Taint, b.Taint)
	}
	return d.changes
}

type differ struct {
	a, b    *Signature
	changes []Change
}

func (d *differ) add(kind Kind, name string, before, after Value) {
	d.changes = append(d.changes, Change{Kind: kind, Name: name, Before: before, After: after})
}

// ignored compares what does not enter the hash. BitBake says nothing of a key
// that the first file does not have.
func (d *differ) ignored() {
	before, after := setOrNone(d.a.BaseHashIgnoreVars), setOrNone(d.b.BaseHashIgnoreVars)
	if !before.None() && !before.equal(after) {
		d.add(IgnoreVars, "", before, after)
	}
	if d.a.hasIgnoreTasks && !d.a.TaskHashIgnoreTasks.equal(d.b.TaskHashIgnoreTasks) {
		d.add(IgnoreTasks, "", d.a.TaskHashIgnoreTasks, d.b.TaskHashIgnoreTasks)
	}
}

func setOrNone(items []string) Value {
	if items == nil {
		return Value{}
	}
	return set(items)
}

// variableDeps compares what variables depend on.
func (d *differ) variableDeps() {
	a, b := d.a.GenDeps, d.b.GenDeps
	keys := compareKeys(a, b, slices.Equal[[]string])
	for _, name := range keys.changed {
		if !contains(d.a.BaseHashIgnoreVars, name) || !contains(d.b.BaseHashIgnoreVars, name) {
			d.add(VarDeps, name, set(a[name]), set(b[name]))
		}
	}
	for _, name := range keys.added {
		d.add(VarAdded, name, Value{}, d.b.VarVals[name])
	}
	for _, name := range keys.removed {
		d.add(VarRemoved, name, d.a.VarVals[name], Value{})
	}
}

// contains looks for a name in a sorted list.
func contains(names []string, name string) bool {
	_, found := slices.BinarySearch(names, name)
	return found
}

// variables compares values. Those on one side only are no change of a value:
// variableDeps has them.
func (d *differ) variables() {
	a, b := d.a.VarVals, d.b.VarVals
	for _, name := range compareKeys(a, b, Value.equal).changed {
		d.add(Variable, name, a[name], b[name])
	}
}

// deps compares the list of tasks, and their hashes place by place.
func (d *differ) deps() {
	a, b := d.a.RunTaskDeps, d.b.RunTaskDeps
	var detail []string
	if len(a) != len(b) {
		detail = []string{"Number of task dependencies changed"}
	} else {
		detail = d.depDetail(a, b)
	}
	if len(detail) > 0 {
		d.add(Deps, "", list(a), list(b))
		d.changes[len(d.changes)-1].detail = detail
	}
}

// depDetail words which hashes changed. It ends where there is more than is
// printed: a list can name one dependency many times.
func (d *differ) depDetail(a, b []string) (detail []string) {
	left, work := maxShown, maxHashed
	for i := range a {
		before, after := d.a.depHash(a[i]), d.b.depHash(b[i])
		if work -= before.bytes() + after.bytes(); work < 0 {
			return append(detail, tooMuch)
		}
		if before.equal(after) {
			continue
		}
		left -= len(a[i]) + len(b[i]) + before.bytes() + after.bytes()
		if left < 0 {
			return append(detail, tooMuch)
		}
		detail = append(detail, fmt.Sprintf("%s with hash %s\n changed to\n%s with hash %s", a[i], before, b[i], after))
	}
	return detail
}

// depHash is the hash of a dependency, None if it has none.
func (s *Signature) depHash(key string) Value {
	if hash, there := s.RunTaskHashes[key]; there {
		return Text(hash)
	}
	return Value{}
}

// depHashes compares dependencies by key. One that came with the hash of one
// that went only has another name.
func (d *differ) depHashes() {
	a, b := d.a.RunTaskHashes, d.b.RunTaskHashes
	if a == nil || b == nil {
		return
	}
	keys := compareKeys(a, b, func(x, y string) bool { return x == y })
	gone, came := hashesOf(a, keys.removed), hashesOf(b, keys.added)
	for _, key := range keys.added {
		if !gone[b[key]] {
			d.add(DepAdded, key, Value{}, Text(b[key]))
		}
	}
	for _, key := range keys.removed {
		if !came[a[key]] {
			d.add(DepRemoved, key, Text(a[key]), Value{})
		}
	}
	for _, key := range keys.changed {
		d.add(DepHash, key, Text(a[key]), Text(b[key]))
	}
}

func hashesOf(hashes map[string]string, keys []string) map[string]bool {
	found := make(map[string]bool, len(keys))
	for _, key := range keys {
		found[hashes[key]] = true
	}
	return found
}

// keyChanges are the keys of two maps that differ, sorted.
type keyChanges struct{ changed, added, removed []string }

func compareKeys[T any](a, b map[string]T, equal func(x, y T) bool) keyChanges {
	var keys keyChanges
	for key, before := range a {
		after, there := b[key]
		switch {
		case !there:
			keys.removed = append(keys.removed, key)
		case !equal(before, after):
			keys.changed = append(keys.changed, key)
		}
	}
	for key := range maps.Keys(b) {
		if _, there := a[key]; !there {
			keys.added = append(keys.added, key)
		}
	}
	slices.Sort(keys.changed)
	slices.Sort(keys.added)
	slices.Sort(keys.removed)
	return keys
}
