package siginfo

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

// pair is a text and what Python makes of it.
type pair[T any] struct {
	in   string
	want T
}

func (p *pair[T]) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&p.in, &p.want})
}

// unifiedCase is two texts, whose words are lines, and their difference.
type unifiedCase struct {
	old, new string
	want     []string
}

func (c *unifiedCase) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&c.old, &c.new, &c.want})
}

// testdata/python.py writes the file.
func TestLikePython(t *testing.T) {
	text, err := os.ReadFile("testdata/python.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Repr       []pair[string]
		SplitLines []pair[[]string]
		Split      []pair[[]string]
		Unified    []unifiedCase
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases.Repr {
		if got := repr(c.in); got != c.want {
			t.Errorf("repr(%q) = %s, want %s", c.in, got, c.want)
		}
	}
	for _, c := range cases.SplitLines {
		if got := splitLines(c.in); !slices.Equal(got, c.want) {
			t.Errorf("splitLines(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	for _, c := range cases.Split {
		if !sameWords(c.in, strings.Join(c.want, " ")) {
			t.Errorf("the words of %q are not %q", c.in, c.want)
		}
	}
	for _, c := range cases.Unified {
		steps := int(maxSteps)
		got := unifiedDiff(strings.Fields(c.old), strings.Fields(c.new), &steps)
		if !slices.Equal(got, c.want) {
			t.Errorf("unifiedDiff(%s, %s) = %q, want %q", c.old, c.new, got, c.want)
		}
	}
}
