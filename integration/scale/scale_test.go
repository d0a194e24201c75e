package main

import (
	"os"
	"strings"
	"testing"
)

const (
	document = "../../docs/SCALE.md"
	begin    = "<!-- go run ./integration/scale -->\n"
	end      = "<!-- end -->\n"
)

// TestTables holds docs/SCALE.md to what the program prints.
func TestTables(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), begin)
	got, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no %q ... %q", document, begin, end)
	}
	var want strings.Builder
	if err := run(nil, &want); err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(got) != strings.TrimSpace(want.String()) {
		t.Errorf("the tables are not what the program prints: paste its output\n%s", want.String())
	}
}

// TestShardLists counts the requests of one shard as remote/s3/tree.go makes
// them: TestListRequests there holds it to some.
func TestShardLists(t *testing.T) {
	for _, test := range []struct{ objects, want float64 }{
		{0, 1}, {1000, 1}, {1001, 2}, {8000, 8},
		{8500, 9 + 1},
		{39_000, 39 + 1 + 7},    // 8 pages in a row, 8 ranges of the other 31
		{390_625, 391 + 1 + 15}, // 16 ranges
		{1_000_000, 1000 + 1 + 15},
	} {
		if got := shardLists(test.objects); got != test.want {
			t.Errorf("shardLists(%v) = %v, want %v", test.objects, got, test.want)
		}
	}
}

// TestFlags: an assumption that is changed changes the tables.
func TestFlags(t *testing.T) {
	var as, other strings.Builder
	if err := run(nil, &as); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"-price-put", "0.01"}, &other); err != nil {
		t.Fatal(err)
	}
	if as.String() == other.String() {
		t.Error("another price changes nothing")
	}
}
