package siginfo

import "sort"

// maxSteps bounds the work of all texts of one comparison, to some seconds.
// BitBake has no bound and would need many minutes for as much. Past it runs
// are no longer the longest, and then what is left counts as replaced.
const maxSteps = 500e6

// sequences are two lists of texts as numbers, equal where the texts are.
type sequences struct {
	outer, inner []int32
	at           [][]int32 // number to its indices in inner, ascending
	run, next    []int32   // by index in inner: length of the run that ends there
	steps        *int      // how much work is left
}

// newSequences numbers the texts of outer and inner. steps is how much work
// may be done, and is counted down.
func newSequences(outer, inner []string, steps *int) *sequences {
	s := &sequences{
		outer: make([]int32, len(outer)),
		inner: make([]int32, len(inner)),
		run:   make([]int32, len(inner)),
		next:  make([]int32, len(inner)),
		steps: steps,
	}
	numbers := make(map[string]int32, len(inner))
	number := func(text string) int32 {
		n, known := numbers[text]
		if !known {
			n = int32(len(s.at))
			numbers[text] = n
			s.at = append(s.at, nil)
		}
		return n
	}
	for i, text := range inner {
		n := number(text)
		s.inner[i] = n
		s.at[n] = append(s.at[n], int32(i))
	}
	for i, text := range outer {
		s.outer[i] = number(text)
	}
	return s
}

// span is a part of both sequences: [outerLow, outerHigh) and so on.
type span struct{ outerLow, outerHigh, innerLow, innerHigh int }

// match is a run of equal elements.
type match struct{ outer, inner, size int }

// longest finds the longest run of equal elements within a span. Among equals
// it is the first in outer, then the first in inner: the rule of difflib and
// of BitBake's simplediff alike, with the parts of old and new exchanged.
func (s *sequences) longest(in span) match {
	best := match{in.outerLow, in.innerLow, 0}
	var last []int32 // where run is set
	for i := in.outerLow; i < in.outerHigh && *s.steps > 0; i++ {
		all := s.at[s.outer[i]]
		low := sort.Search(len(all), func(k int) bool { return int(all[k]) >= in.innerLow })
		high := low
		for ; high < len(all) && int(all[high]) < in.innerHigh; high++ {
			j := int(all[high])
			size := int32(1)
			if j > in.innerLow {
				size += s.run[j-1]
			}
			s.next[j] = size
			if int(size) > best.size {
				best = match{i - int(size) + 1, j - int(size) + 1, int(size)}
			}
		}
		*s.steps -= high - low + 1
		clearAt(s.run, last)
		last = all[low:high]
		s.run, s.next = s.next, s.run
	}
	clearAt(s.run, last)
	return best
}

func clearAt(a, at []int32) {
	for _, i := range at {
		a[i] = 0
	}
}
