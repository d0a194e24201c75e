package main

import (
	"fmt"
	"slices"
	"time"
)

// samples are what the rounds of one case took, by contender.
type samples map[string][]time.Duration

// ratios are those of the rounds in which both ran. One that ran only once
// because it takes so long is compared with every run of the other.
func (s samples) ratios(of, to string) []float64 {
	a, b := s[of], s[to]
	var all []float64
	for i := range max(len(a), len(b)) {
		if len(a) > 0 && len(b) > 0 {
			all = append(all, float64(a[min(i, len(a)-1)])/float64(b[min(i, len(b)-1)]))
		}
	}
	return slices.Sorted(slices.Values(all))
}

// ratio is the median with the lowest and the highest.
func (s samples) ratio(of, to string) string {
	all := s.ratios(of, to)
	if len(all) == 0 {
		return "-"
	}
	return spread(all)
}

func spread(sorted []float64) string {
	return fmt.Sprintf("%.3g (%.3g..%.3g)", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

// median is that of a contender, a dash if it did not run.
func (s samples) median(contender string, show func(time.Duration) string) string {
	if len(s[contender]) == 0 {
		return "-"
	}
	return show(median(s[contender]))
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// seconds is a duration with three digits that count.
func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.3g us", float64(d.Nanoseconds())/1e3)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d.Microseconds())/1e3)
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

// bound is what a ratio is to be.
type bound struct {
	of     string  // the contender that sstatefs is compared with
	faster float64 // at least this many times as fast
	slower float64 // at most this many times as slow
	silent bool    // local cases: without any request
}

// verdict says whether the target is met, nothing where there is none or where
// one of the two did not run.
func (b bound) verdict(s samples) string {
	all := s.ratios("sstatefs", b.of)
	if b.of == "" || len(all) == 0 {
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
