package siginfo

import (
	"fmt"
	"slices"
	"strings"
)

// Style says how text is printed.
type Style int

const (
	Plain   Style = iota
	Colored       // with escape sequences of a terminal
)

// pen has the escape sequences of a style, and what is left of the work that
// a text may cost.
type pen struct {
	title, reset, add, remove string
	steps                     int
}

func (s Style) pen() *pen {
	p := &pen{steps: maxSteps}
	if s == Colored {
		p.title, p.reset, p.add, p.remove = "\x1b[1m", "\x1b[0m", "\x1b[0;32m", "\x1b[0;31m"
	}
	return p
}

// Lines are the messages of one change; they may have several lines each.
func (c Change) Lines(style Style) []string { return c.lines(style.pen()) }

// lines words a change. Each message that BitBake makes from a template with
// colours has a reset at its end (color_format), even where one is just before.
func (c Change) lines(p *pen) []string {
	if c.isHuge() {
		return c.hugeLines(p)
	}
	switch c.Kind {
	case IgnoreVars:
		return c.setLines(p, "basehash_ignore_vars")
	case IgnoreTasks:
		return c.setLines(p, "taskhash_ignore_tasks")
	case TaskDeps:
		return one(p.title, "Task dependencies changed", p.reset, " from:\n", c.Before, "\nto:\n", c.After, p.reset)
	case BaseHash:
		return one(p.title, "basehash changed", p.reset, " from ", c.Before, " to ", c.After, p.reset)
	case VarDeps:
		return c.withItems(fmt.Sprint(p.title, "List of dependencies for variable ", c.Name, " changed from '",
			p.reset, c.Before, p.title, "' to '", p.reset, c.After, p.title, "'", p.reset))
	case VarAdded:
		return one(p.title, "Dependency on variable ", c.Name, " was added", p.reset)
	case VarRemoved:
		return one(p.title, "Dependency on Variable ", c.Name, " was removed", p.reset)
	case Variable:
		return []string{c.variableText(p)}
	case FileChanged:
		return one(p.title, "Checksum for file ", c.Name, " changed", p.reset, " from ", c.Before, " to ", c.After, p.reset)
	case FileAdded:
		return one(p.title, "Dependency on checksum of file ", c.Name, " was added", p.reset)
	case FileRemoved:
		return one(p.title, "Dependency on checksum of file ", c.Name, " was removed", p.reset)
	}
	return c.taskLines(p)
}

// taskLines words a change in other tasks, or a taint.
func (c Change) taskLines(p *pen) []string {
	switch c.Kind {
	case Deps:
		return c.depsLines(p)
	case DepAdded:
		return one(p.title, "Dependency on task ", c.Name, " was added", p.reset, " with hash ", c.After, p.reset)
	case DepRemoved:
		return one(p.title, "Dependency on task ", c.Name, " was removed", p.reset, " with hash ", c.Before, p.reset)
	case DepHash:
		return one(p.title, "Hash for task dependency ", c.Name, " changed", p.reset, " from ", c.Before, " to ", c.After, p.reset)
	default:
		return one(p.title, "Taint (by forced/invalidated task) changed", p.reset,
			" from ", taintText(c.Before), " to ", taintText(c.After), p.reset)
	}
}

// one is a single message put together from strings and Values.
func one(parts ...any) []string {
	var b strings.Builder
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			b.WriteString(part)
		case Value:
			b.WriteString(part.String())
		}
	}
	return []string{b.String()}
}

// setLines words another set of what is ignored.
func (c Change) setLines(p *pen, name string) []string {
	return c.withItems(fmt.Sprint(p.title, name, " changed", p.reset, " from '", c.Before, "' to '", c.After, "'", p.reset))
}

// withItems adds which elements two sets do not share. BitBake fails where
// neither is empty and they are no sets.
func (c Change) withItems(message string) []string {
	if c.Before.kind != kindSet || c.After.kind != kindSet || c.Before.empty() || c.After.empty() {
		return []string{message}
	}
	items := append(without(c.Before.items, c.After.items), without(c.After.items, c.Before.items)...)
	slices.Sort(items)
	return []string{message, "changed items: " + reprSet(items)}
}

// without are the names that are not in the sorted list others.
func without(names, others []string) []string {
	var left []string
	for _, name := range names {
		if !contains(others, name) {
			left = append(left, name)
		}
	}
	return left
}

// variableText shows how a value changed: by lines, by words, or both values.
func (c Change) variableText(p *pen) string {
	old, new := c.Before.Text(), c.After.Text()
	head := p.title + "Variable " + c.Name + " value changed"
	switch {
	case old == "" || new == "", !strings.ContainsAny(old, " \n") && !strings.ContainsAny(new, " \n"):
		return head + " from '" + p.reset + c.Before.String() + p.title + "' to '" + p.reset + c.After.String() + p.title + "'" + p.reset
	case strings.Contains(old, "\n") || strings.Contains(new, "\n"):
		return head + ":" + p.reset + "\n" + lineDiff(old, new, p) + p.reset
	default:
		return head + ":" + p.reset + "\n" + wordDiff(old, new, p) + p.reset
	}
}

// lineDiff shows which lines changed, each with its colour.
func lineDiff(old, new string, p *pen) string {
	lines := unifiedDiff(splitLines(old), splitLines(new), &p.steps)
	for i, line := range lines {
		switch line[0] {
		case '+':
			lines[i] = p.add + line + p.reset
		case '-':
			lines[i] = p.remove + line + p.reset
		}
	}
	return strings.Join(lines, "\n")
}

// depsLines words a change of the list of tasks, or of their hashes alone.
func (c Change) depsLines(p *pen) []string {
	head := p.title + "runtaskdeps changed:"
	if !slices.Equal(c.Before.items, c.After.items) {
		head += p.reset + "\n" + inlineDiff(c.Before.items, c.After.items, p)
	}
	return []string{head + p.reset, strings.Join(c.detail, "\n")}
}
