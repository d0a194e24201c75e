package main

import (
	"io"
	"slices"
	"testing"

	"sstatefs/sstate"
)

// TestObjects holds the sizes to what docs/BENCHMARKS.md says of them.
func TestObjects(t *testing.T) {
	pool, err := newPool()
	if err != nil {
		t.Fatal(err)
	}
	objects := newGenerator(pool, 1).objects(200)
	sum, below := 0, 0
	for _, o := range objects {
		sum += o.archive.size()
		if o.archive.size() < medianSize {
			below++
		}
		for _, f := range []file{o.archive, o.siginfo} {
			name, _ := sstate.ParsePath(f.key)
			if err := sstate.CheckTransfer(f.reader(), name); err != nil {
				t.Errorf("%s: %v", f.key, err)
			}
		}
		if n, _ := io.Copy(io.Discard, o.archive.reader()); n != int64(o.archive.size()) {
			t.Errorf("%s gives %d bytes, its size is %d", o.archive.key, n, o.archive.size())
		}
	}
	if mean := sum / len(objects); mean < 1_400_000 || mean > 1_600_000 || below != len(objects)/2 {
		t.Errorf("sizes: mean %d, %d of %d below %v", mean, below, len(objects), medianSize)
	}
	if again := newGenerator(pool, 1).objects(200); again[7].archive.key != objects[7].archive.key {
		t.Error("the same seed gives other names")
	}
}

// TestKeys: names that sstatefs would take for scratch would measure nothing.
func TestKeys(t *testing.T) {
	keys := newGenerator(nil, 2).treeKeys(1001)
	for _, key := range keys {
		if _, ok := sstate.ParsePath(key); !ok {
			t.Errorf("%s is no object", key)
		}
	}
	if slices.Sort(keys); len(slices.Compact(keys)) != 1001 {
		t.Error("names repeat")
	}
}

func TestRatio(t *testing.T) {
	s := samples{"rclone": {100}, "sstatefs": {1, 2, 4}}
	if got, want := s.ratio("rclone", "sstatefs"), "50 (25..100)"; got != want {
		t.Errorf("ratio = %q, want %q", got, want)
	}
	for faster, want := range map[float64]string{50: "50 times rclone: met", 51: "51 times rclone: MISSED"} {
		if got := (bound{of: "rclone", faster: faster}).verdict(s); got != want {
			t.Errorf("verdict = %q, want %q", got, want)
		}
	}
	if got := s.ratio("sstatefs", "raw"); got != "-" {
		t.Errorf("ratio to what did not run = %q", got)
	}
}
