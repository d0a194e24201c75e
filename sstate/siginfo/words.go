package siginfo

import "strings"

// edit is a piece of a list difference: equal ('='), removed ('-') or added
// ('+') elements.
type edit struct {
	op    byte
	items []string
}

// listDiff is the difference of BitBake's lib/simplediff: the longest common
// run, then the same on either side of it.
func listDiff(old, new []string, steps *int) []edit {
	d := &listDiffer{old: old, new: new, seq: newSequences(new, old, steps)}
	d.diff(span{0, len(new), 0, len(old)})
	return d.edits
}

type listDiffer struct {
	old, new []string
	seq      *sequences // new is outer, old is inner
	edits    []edit
}

// diff appends the edits of a span. What is right of a match is done in the
// loop, so that the depth of calls stays small for texts that grow at the end.
func (d *listDiffer) diff(in span) {
	for {
		m := d.seq.longest(in)
		if m.size == 0 {
			d.add('-', d.old[in.innerLow:in.innerHigh])
			d.add('+', d.new[in.outerLow:in.outerHigh])
			return
		}
		d.diff(span{in.outerLow, m.outer, in.innerLow, m.inner})
		d.add('=', d.new[m.outer:m.outer+m.size])
		in.outerLow, in.innerLow = m.outer+m.size, m.inner+m.size
	}
}

func (d *listDiffer) add(op byte, items []string) {
	if len(items) > 0 {
		d.edits = append(d.edits, edit{op, items})
	}
}

// wordDiff shows which words changed in a text of one line. Words part at each
// single space, so that two spaces have an empty word between them.
func wordDiff(old, new string, p *pen) string {
	edits := listDiff(strings.Split(old, " "), strings.Split(new, " "), &p.steps)
	parts := make([]string, len(edits))
	for i, e := range edits {
		words := strings.Join(e.items, " ")
		switch e.op {
		case '+':
			words = p.add + "{+" + words + "+}" + p.reset
		case '-':
			words = p.remove + "[-" + words + "-]" + p.reset
		}
		parts[i] = words
	}
	note := ""
	if old != new && sameWords(old, new) {
		note = " (whitespace changed)"
	}
	return `"` + strings.Join(parts, " ") + `"` + note
}

// inlineDiff shows which elements of a list changed.
func inlineDiff(old, new []string, p *pen) string {
	edits := listDiff(old, new, &p.steps)
	parts := make([]string, len(edits))
	for i, e := range edits {
		names := strings.Join(e.items, " ")
		switch e.op {
		case '+':
			names = p.add + "+" + names + p.reset
		case '-':
			names = p.remove + "-" + names + p.reset
		default:
			names = "'" + names + "'"
		}
		parts[i] = names
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
