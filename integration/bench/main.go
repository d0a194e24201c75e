// Command bench measures a mount against a plain directory on the same disk, in
// one run: lookups of names that do not exist, publishing, restoring with a
// warm cache, touching.
//
//	go run ./integration/bench [-quick] [-pairs N] [-dir DIR] [-binary FILE]
//
// Each case runs in pairs, once on the plain directory and once on the mount,
// the order changing from pair to pair. The figures are the median of the
// pairs' ratios with the lowest and the highest, so that a slow moment of the
// machine shows as spread and not as a result.
package main

import (
	"flag"
	"fmt"
	"os"
)

// options are the flags.
type options struct {
	quick  bool
	pairs  int
	dir    string // on the disk to be measured
	binary string // of sstatefs, built if empty
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "smaller cases")
	flag.IntVar(&o.pairs, "pairs", 7, "pairs per case, at least 5")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where to work: the disk that is measured")
	flag.StringVar(&o.binary, "binary", "", "the sstatefs to measure (default: built from this tree)")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

func run(o options) error {
	o.pairs = max(o.pairs, 5)
	if o.quick {
		o.pairs = 5
	}
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	b.describe(os.Stdout)
	var results []result
	for _, c := range b.cases() {
		r, err := b.measure(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return report(os.Stdout, results)
}
