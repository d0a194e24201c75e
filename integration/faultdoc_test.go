package integration

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A promise is a row of the table of faults in docs/SEMANTICS.md. A time of zero
// is none.
type promise struct {
	fresh   time.Duration // lookups of a mount that has listed nothing, all together
	open    time.Duration // of an object that is not here
	publish time.Duration // with --publish=through
	again   time.Duration // all is well again, after the fault
	states  []string      // what status says
	words   []string      // one of them is in its reason
}

// promises reads the table: the limits of TestFaults are those that users read.
func promises(t *testing.T) map[string]promise {
	t.Helper()
	text, err := os.ReadFile("../docs/SEMANTICS.md")
	if err != nil {
		t.Fatal(err)
	}
	const heading = "## When the remote fails\n"
	_, section, ok := strings.Cut(string(text), heading)
	if !ok {
		t.Fatalf("docs/SEMANTICS.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	all := map[string]promise{}
	for _, line := range strings.Split(section, "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if !strings.HasPrefix(line, "|") || len(cells) != 6 || cells[0] == "fault" {
			continue
		}
		p := promise{fresh: limitOf(t, cells[1]), open: limitOf(t, cells[2]), publish: limitOf(t, cells[3]), again: limitOf(t, cells[5])}
		states, words, _ := strings.Cut(cells[4], ": ")
		p.states, p.words = strings.Split(states, " or "), strings.Split(words, " or ")
		name, _, _ := strings.Cut(cells[0], ":")
		all[name] = p
	}
	return all
}

// limitOf reads "8 s", "10 min", "P" for --publish-timeout, or "-" for none.
func limitOf(t *testing.T, cell string) time.Duration {
	t.Helper()
	number, unit, _ := strings.Cut(cell, " ")
	n, err := strconv.Atoi(number)
	switch {
	case cell == "P":
		return trialTimeout
	case cell == "-":
		return 0
	case err == nil && unit == "s":
		return time.Duration(n) * time.Second
	case err == nil && unit == "min":
		return time.Duration(n) * time.Minute
	}
	t.Fatalf("docs/SEMANTICS.md: %q is no time", cell)
	return 0
}
