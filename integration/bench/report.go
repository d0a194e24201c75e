package main

import (
	"fmt"
	"io"
	"time"
)

const localFormat = "%-44s  %8s  %8s  %8s  %-22s  %-22s  %-17s  %-18s  %s\n"

// headLocal prints the head of the table of local cases.
func headLocal(w io.Writer) {
	fmt.Fprintf(w, localFormat, "one operation of", "plain", "loopback", "sstatefs",
		"speed of loopback", "speed of plain", "requests", "CPU", "target")
}

// print prints a row: medians for each operation, how fast sstatefs is in
// parts of the others, and what the daemons did, the loopback's first.
func (r localResult) print(w io.Writer) {
	beside := ""
	for _, name := range r.c.others {
		if name != plainDir {
			beside = name
		}
	}
	median := func(contender string) string { return r.took.median(contender, seconds) }
	fmt.Fprintf(w, localFormat, r.c.name, median(plainDir), median(beside), median("sstatefs"),
		r.took.ratio(beside, "sstatefs"), r.took.ratio(plainDir, "sstatefs"),
		r.pair(beside, func(l load) string { return fmt.Sprintf("%.2f", float64(l.reads)/r.ops()) }),
		r.pair(beside, func(l load) string { return seconds(time.Duration(float64(l.cpu) / r.ops())) }),
		r.verdict())
}

// verdict says whether the target is met.
func (r localResult) verdict() string {
	switch requests := float64(r.loads["sstatefs"].reads) / r.ops(); {
	case !r.c.bound.silent:
		return r.c.bound.verdict(r.took)
	case requests < 0.01: // the daemon reads other things at times
		return "no request: met"
	}
	return "no request: MISSED"
}

// ops is how many operations all rounds of a contender were.
func (r localResult) ops() float64 { return float64(r.c.ops * len(r.took["sstatefs"])) }

// pair shows what two daemons did for an operation.
func (r localResult) pair(beside string, show func(load) string) string {
	if beside == "" {
		return "- " + show(r.loads["sstatefs"])
	}
	return show(r.loads[beside]) + " " + show(r.loads["sstatefs"])
}
