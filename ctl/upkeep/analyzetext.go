package upkeep

import (
	"fmt"
	"regexp"

	"sstatefs/sstate/siginfo"
)

// Lines words what was found, as isar-sstate does.
func (item *Analyzed) Lines(style siginfo.Style) []string {
	out := []string{coloured(style, "1;33", "==== checking local item %s:%s:%s (%.8s) ====", item.Arch, item.PN, item.Task, item.Hash)}
	switch {
	case item.State == MissFound:
		return append(out, " -> found hit in remote cache")
	case item.State == MissRemoved:
		return append(out, " -> found its signature in remote cache, but not its archive (cleaned?)")
	case item.State == MissUnread:
		return append(out, " -> found no hit, and could not compare: "+item.Error)
	case item.Matches == 0:
		return append(out, " -> found no hit, and no potential remote matches")
	}
	line := fmt.Sprintf(" -> found no hit, but %d potential remote matches", item.Matches)
	if item.OtherArch {
		line += " of other architectures"
	}
	out = append(out, line)
	for i := range item.Candidates {
		c := &item.Candidates[i]
		out = append(out, coloured(style, "0;33", "**** comparing to %.8s ****", c.Hash))
		out = append(out, c.Lines(style)...)
	}
	if len(item.Candidates) == 0 {
		out = append(out, "Failed to compare signatures.")
	}
	return out
}

// Lines words what differs from a candidate.
func (c *Candidate) Lines(style siginfo.Style) []string {
	if lines := c.lines(style); len(lines) > 0 {
		return lines
	}
	return c.Text
}

func (c *Candidate) lines(style siginfo.Style) []string {
	if c.comparison == nil {
		return nil
	}
	return shorten(c.comparison.Lines(style))
}

// lost is what isar-sstate says of a dependency whose signatures were not
// found: it looks for the remote one first.
func lost(f *siginfo.Followed) string {
	if f.NoBefore {
		return fmt.Sprintf("could not find remote signature %.8s for job %s", f.Before, f.Key)
	}
	return fmt.Sprintf("could not find local signature %.8s for job %s", f.After, f.Key)
}

// longHash is a hash of 64 digits, of which 8 are enough for people.
func longHash() *regexp.Regexp { return regexp.MustCompile(`([0-9a-f]{8})[0-9a-f]{56}`) }

func shorten(lines []string) []string {
	pattern := longHash()
	for i, line := range lines {
		lines[i] = pattern.ReplaceAllString(line, "$1")
	}
	return lines
}

// coloured formats a line for a style.
func coloured(style siginfo.Style, colour, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if style == siginfo.Plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}
