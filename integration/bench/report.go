package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// result is what the pairs of one local case gave.
type result struct {
	name         string
	plain, mount []time.Duration // per operation, one of each a pair
	ratios       []float64       // mount to plain
}

// measure runs the pairs of a case.
func (l *local) measure(ctx context.Context, c benchCase) (result, error) {
	r := result{name: c.name}
	for _, dir := range []string{l.plain, c.mount.point} {
		if err := c.setup(dir); err != nil {
			return r, err
		}
	}
	for pair := range l.o.pairs {
		took := map[string]time.Duration{}
		order := []string{l.plain, c.mount.point}
		if pair%2 == 1 {
			slices.Reverse(order)
		}
		for _, dir := range order {
			begun := time.Now()
			if err := c.run(ctx, dir, pair); err != nil {
				return r, err
			}
			took[dir] = time.Since(begun) / time.Duration(c.ops)
			if c.after != nil {
				if err := c.after(); err != nil {
					return r, err
				}
			}
		}
		r.plain = append(r.plain, took[l.plain])
		r.mount = append(r.mount, took[c.mount.point])
		r.ratios = append(r.ratios, float64(took[c.mount.point])/float64(took[l.plain]))
	}
	return r, nil
}

// report prints a table: medians for each operation, and the ratio with its
// spread.
func report(w io.Writer, results []result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "per operation\tplain\tmount\tratio\tlowest\thighest\t")
	for _, r := range results {
		slices.Sort(r.ratios)
		fmt.Fprintf(table, "%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t\n", r.name, short(median(r.plain)), short(median(r.mount)),
			r.ratios[len(r.ratios)/2], r.ratios[0], r.ratios[len(r.ratios)-1])
	}
	return table.Flush()
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// short is a duration in microseconds.
func short(d time.Duration) string { return fmt.Sprintf("%.1f us", float64(d.Nanoseconds())/1000) }
