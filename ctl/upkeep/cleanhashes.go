package upkeep

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
)

// A HashSet holds the hashes of objects, 33 bytes each.
type HashSet struct {
	all    []rawHash
	sorted bool
}

// A rawHash is a hash of up to 32 bytes and, last, their number.
type rawHash [33]byte

func (r rawHash) bytes() []byte { return r[:r[32]] }

// add takes a hash in hex. What is none, as the INVALID of a task without one,
// is left out.
func (s *HashSet) add(text string) {
	var r rawHash
	if len(text) > 64 {
		return
	}
	n, err := hex.Decode(r[:32], []byte(text))
	if err != nil {
		return
	}
	r[32] = byte(n)
	if last := len(s.all) - 1; last >= 0 && s.all[last] == r {
		return
	}
	s.all, s.sorted = append(s.all, r), false
}

// Len is the number of different hashes.
func (s *HashSet) Len() int {
	s.sort()
	return len(s.all)
}

func (s *HashSet) sort() {
	if s.sorted {
		return
	}
	slices.SortFunc(s.all, func(a, b rawHash) int { return bytes.Compare(a.bytes(), b.bytes()) })
	s.all, s.sorted = slices.Compact(s.all), true
}

// WriteTo writes a line "unihash HASH" for each, sorted: what
// bitbake-hashclient gc-mark-stream reads.
func (s *HashSet) WriteTo(w io.Writer) (n int64, err error) {
	s.sort()
	out := bufio.NewWriter(w)
	for _, r := range s.all {
		k, err := fmt.Fprintf(out, "unihash %x\n", r.bytes())
		n += int64(k)
		if err != nil {
			return n, err
		}
	}
	return n, out.Flush()
}
