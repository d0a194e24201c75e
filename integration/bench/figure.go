package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// A figure is one line of what has no contenders: a name, what was measured
// and what it was to be.
type figure struct {
	name   string
	value  string
	target string // empty for none
	met    bool
}

func (f figure) print(w io.Writer) {
	verdict := ""
	if f.target != "" {
		verdict = f.target + ": MISSED"
		if f.met {
			verdict = f.target + ": met"
		}
	}
	fmt.Fprintf(w, "%-54s  %-44s  %s\n", f.name, f.value, verdict)
}

// durations is the median with the shortest and the longest.
func durations(all []time.Duration) string {
	if len(all) == 1 {
		return seconds(all[0])
	}
	return fmt.Sprintf("%s (%s..%s)", seconds(median(all)), seconds(slices.Min(all)), seconds(slices.Max(all)))
}

// within is a duration that is to be short.
func within(name string, all []time.Duration, limit time.Duration) figure {
	return figure{name, durations(all), "within " + seconds(limit), median(all) <= limit}
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// perObject is an amount of memory as the target counts it: beyond what a
// daemon has that knows nothing.
func perObject(rss int64, objects int) figure {
	each := (float64(rss) - idleMemory) / float64(objects)
	return figure{"", fmt.Sprintf("%s, %.0f bytes an object beyond 25 MB", mebibytes(rss), each), "100 bytes", each <= 100}
}

// idleMemory is what an idle daemon may have, bytes.
const idleMemory = 25e6
