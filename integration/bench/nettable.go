package main

import (
	"fmt"
	"io"
	"slices"
	"time"

	"sstatefs/integration/servers"
)

// netResult is what the rounds of one case gave.
type netResult struct {
	server servers.Kind
	rtt    time.Duration
	c      netCase
	took   map[string][]time.Duration // by contender, of its rounds
}

const netFormat = "%-12s %-5s %-26s %9s %9s %9s %9s   %-22s %-22s %-20s %s\n"

// headNetwork prints the head of the table. Rows follow as they are measured:
// a run takes a while.
func headNetwork(o options) {
	fmt.Fprintf(o.out, "\n%d files in each remote, %d absent names, %d archives with signatures published and restored, %d rounds\n\n",
		o.tree, absentNames, o.files, o.rounds)
	fmt.Fprintf(o.out, netFormat, "server", "rtt", "case", "plain", "raw", "rclone", "sstatefs",
		"sstatefs to raw", "rclone to sstatefs", "sstatefs to plain", "target")
}

func (r netResult) print(w io.Writer) {
	fmt.Fprintf(w, netFormat, r.server, r.rtt, r.c.name,
		r.median("plain"), r.median("raw"), r.median("rclone"), r.median("sstatefs"),
		r.ratio("sstatefs", "raw"), r.ratio("rclone", "sstatefs"), r.ratio("sstatefs", "plain"), r.verdict())
}

func (r netResult) median(contender string) string {
	if len(r.took[contender]) == 0 {
		return "-"
	}
	return seconds(median(r.took[contender]))
}

// seconds is a duration with three digits that count.
func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// ratios are those of the rounds in which both ran. One that ran only once
// because it takes so long is compared with every run of the other.
func (r netResult) ratios(of, to string) []float64 {
	a, b := r.took[of], r.took[to]
	var all []float64
	for i := range max(len(a), len(b)) {
		if len(a) > 0 && len(b) > 0 {
			all = append(all, float64(a[min(i, len(a)-1)])/float64(b[min(i, len(b)-1)]))
		}
	}
	return slices.Sorted(slices.Values(all))
}

// ratio is the median with the lowest and the highest.
func (r netResult) ratio(of, to string) string {
	all := r.ratios(of, to)
	if len(all) == 0 {
		return "-"
	}
	return spread(all)
}

func spread(sorted []float64) string {
	return fmt.Sprintf("%.3g (%.3g..%.3g)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

// verdict says whether the target is met; on loopback there is none.
func (r netResult) verdict() string {
	b := r.c.bound
	all := r.ratios("sstatefs", b.of)
	if r.rtt == 0 || b.of == "" || len(all) == 0 {
		return ""
	}
	ratio := all[len(all)/2]
	text, met := fmt.Sprintf("within %g of %s", b.slower, b.of), ratio <= b.slower
	if b.faster > 0 {
		text, met = fmt.Sprintf("%g times %s", b.faster, b.of), ratio <= 1/b.faster
	}
	if met {
		return text + ": met"
	}
	return text + ": MISSED"
}
