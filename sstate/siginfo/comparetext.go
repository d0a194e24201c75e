package siginfo

import "strings"

const (
	// indent is what the lines of a dependency begin with, once a level.
	indent = "    "

	// maxLines bounds the text of a collapsed comparison, which says again
	// for each task what a shared dependency has.
	maxLines = 100000

	// tooMuch ends what is longer than is printed.
	tooMuch = "(too much to print: the rest is left out)"
)

// Lines are the messages of the comparison, in the words and the order of
// bitbake-diffsigs; none if nothing differs. A message may have several lines.
func (c *Comparison) Lines(style Style) []string {
	t := &textWriter{pen: style.pen(), left: maxLines, room: maxPrinted}
	t.write(c, "")
	if t.isFull() {
		t.out = append(t.out, tooMuch)
	}
	return t.out
}

type textWriter struct {
	pen  *pen
	out  []string
	left int // how much more may be visited
	room int // bytes that may still be printed
}

func (t *textWriter) isFull() bool { return t.left <= 0 || t.room <= 0 }

// write words one level. Without Collapsed a dependency that explains the
// change replaces all but the line that names it; a taint still comes after.
func (t *textWriter) write(c *Comparison, prefix string) {
	start := len(t.out)
	followed := c.Followed
	explained := false
	for _, change := range c.Changes {
		if t.left--; t.isFull() {
			return
		}
		if explained && change.Kind != Taint {
			continue
		}
		head := len(t.out)
		if !c.collapsed || !change.follows() {
			t.say(change.lines(t.pen), prefix)
		}
		if change.Kind != DepHash || len(followed) == 0 || followed[0].Key != change.Name {
			continue
		}
		said := len(t.out)
		t.follow(followed[0], prefix)
		followed = followed[1:]
		if len(t.out) > said && !c.collapsed {
			explained = true
			t.out = append(t.out[:start], t.out[head:]...)
		}
	}
}

// say adds messages: as they are at the top, below line by line.
func (t *textWriter) say(messages []string, prefix string) {
	for _, message := range messages {
		if prefix == "" {
			t.line("", message)
			continue
		}
		for _, line := range splitLines(message) {
			t.line(prefix, line)
		}
	}
}

// line adds what is printed as it is.
func (t *textWriter) line(prefix, text string) {
	const header = 16
	if t.room -= len(prefix) + len(text) + header; t.room > 0 {
		t.out = append(t.out, prefix+text)
	}
}

// follow words a dependency of a level.
func (t *textWriter) follow(f *Followed, prefix string) {
	if f.Comparison == nil {
		t.say([]string{f.missing}, prefix)
		return
	}
	if depth := len(prefix) / len(indent); depth < maxDepth {
		t.write(f.Comparison, strings.Repeat(indent, depth+1))
	}
}
