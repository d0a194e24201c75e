package siginfo

import (
	"cmp"
	"fmt"
	"slices"
)

// contextLines is how many equal lines are shown around a change.
const contextLines = 3

// unifiedDiff is the body of Python's difflib.unified_diff(): hunks, without
// the two lines that name the files.
func unifiedDiff(old, new []string, steps *int) []string {
	var lines []string
	for _, group := range groups(opcodes(old, new, steps)) {
		first, last := group[0], group[len(group)-1]
		lines = append(lines, fmt.Sprintf("@@ -%s +%s @@",
			hunkRange(first.oldLow, last.oldHigh), hunkRange(first.newLow, last.newHigh)))
		for _, op := range group {
			if op.equal {
				lines = appendLines(lines, " ", old[op.oldLow:op.oldHigh])
				continue
			}
			lines = appendLines(lines, "-", old[op.oldLow:op.oldHigh])
			lines = appendLines(lines, "+", new[op.newLow:op.newHigh])
		}
	}
	return lines
}

func appendLines(lines []string, mark string, add []string) []string {
	for _, line := range add {
		lines = append(lines, mark+line)
	}
	return lines
}

// hunkRange is where a hunk is, counted from 1: the line for a single one, and
// the line before for none.
func hunkRange(low, high int) string {
	switch high - low {
	case 1:
		return fmt.Sprint(low + 1)
	case 0:
		return fmt.Sprintf("%d,0", low)
	default:
		return fmt.Sprintf("%d,%d", low+1, high-low)
	}
}

// opcode is a part of both texts that is equal, or not.
type opcode struct {
	equal           bool
	oldLow, oldHigh int
	newLow, newHigh int
}

// opcodes covers both texts from begin to end, equal parts and others in turn.
func opcodes(old, new []string, steps *int) []opcode {
	var ops []opcode
	i, j := 0, 0
	for _, m := range matchingBlocks(old, new, steps) {
		if i < m.outer || j < m.inner {
			ops = append(ops, opcode{false, i, m.outer, j, m.inner})
		}
		i, j = m.outer+m.size, m.inner+m.size
		if m.size > 0 {
			ops = append(ops, opcode{true, m.outer, i, m.inner, j})
		}
	}
	return ops
}

// matchingBlocks are the equal parts in order; the last is empty and stands at
// the ends of both texts.
func matchingBlocks(old, new []string, steps *int) []match {
	seq := newSequences(old, new, steps)
	seq.dropPopular()
	var found []match
	queue := []span{{0, len(old), 0, len(new)}}
	for len(queue) > 0 {
		in := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		m := seq.extend(seq.longest(in), in)
		if m.size == 0 {
			continue
		}
		found = append(found, m)
		queue = append(queue,
			span{in.outerLow, m.outer, in.innerLow, m.inner},
			span{m.outer + m.size, in.outerHigh, m.inner + m.size, in.innerHigh})
	}
	slices.SortFunc(found, func(a, b match) int { return cmp.Compare(a.outer, b.outer) })
	return append(join(found), match{len(old), len(new), 0})
}

// dropPopular is difflib's junk heuristic: from 200 lines on, those that make
// up more than one in a hundred are no anchors (SequenceMatcher, autojunk).
func (s *sequences) dropPopular() {
	const longText = 200
	if len(s.inner) < longText {
		return
	}
	most := len(s.inner)/100 + 1
	for n, at := range s.at {
		if len(at) > most {
			s.at[n] = nil
		}
	}
}

// extend lengthens a match by equal lines on either side, which are there when
// they are no anchors.
func (s *sequences) extend(m match, in span) match {
	for m.outer > in.outerLow && m.inner > in.innerLow && s.outer[m.outer-1] == s.inner[m.inner-1] {
		m.outer, m.inner, m.size = m.outer-1, m.inner-1, m.size+1
	}
	for m.outer+m.size < in.outerHigh && m.inner+m.size < in.innerHigh &&
		s.outer[m.outer+m.size] == s.inner[m.inner+m.size] {
		m.size++
	}
	return m
}

// join makes one of blocks that touch.
func join(blocks []match) []match {
	var joined []match
	for _, m := range blocks {
		if n := len(joined) - 1; n >= 0 && joined[n].outer+joined[n].size == m.outer &&
			joined[n].inner+joined[n].size == m.inner {
			joined[n].size += m.size
			continue
		}
		joined = append(joined, m)
	}
	return joined
}

// groups parts opcodes into hunks, and cuts what is equal down to the context.
func groups(ops []opcode) [][]opcode {
	if n := len(ops); n > 0 {
		if ops[0].equal {
			ops[0] = ops[0].tail()
		}
		if ops[n-1].equal {
			ops[n-1] = ops[n-1].head()
		}
	}
	var all [][]opcode
	var group []opcode
	for _, op := range ops {
		if op.equal && op.oldHigh-op.oldLow > 2*contextLines {
			all = append(all, append(group, op.head()))
			group, op = nil, op.tail()
		}
		group = append(group, op)
	}
	if len(group) > 1 || len(group) == 1 && !group[0].equal {
		all = append(all, group)
	}
	return all
}

// head is the context that begins an equal part.
func (op opcode) head() opcode {
	op.oldHigh = min(op.oldHigh, op.oldLow+contextLines)
	op.newHigh = min(op.newHigh, op.newLow+contextLines)
	return op
}

// tail is the context that ends an equal part.
func (op opcode) tail() opcode {
	op.oldLow = max(op.oldLow, op.oldHigh-contextLines)
	op.newLow = max(op.newLow, op.newHigh-contextLines)
	return op
}
