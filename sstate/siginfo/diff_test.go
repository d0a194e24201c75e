package siginfo

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// linesOf are the messages about two signatures in JSON, without recursion.
func linesOf(t *testing.T, a, b string) []string {
	t.Helper()
	read := func(text string) *Signature {
		s, err := Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return compare(t, read(a), read(b), Options{}).Lines(Plain)
}

// Files in which keys are missing or strange: BitBake ends with an exception.
func TestDiffWhereBitBakeFails(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		want       []string
	}{
		{"two patterns", `{"basehash":"b","taskhash_ignore_tasks":"x"}`, `{"basehash":"b","taskhash_ignore_tasks":"y"}`,
			[]string{"taskhash_ignore_tasks changed from 'x' to 'y'"}},
		{"sets in place of patterns", `{"basehash":"b","taskhash_ignore_tasks":{"_set_object":["x"]}}`,
			`{"basehash":"b","taskhash_ignore_tasks":{"_set_object":["y"]}}`,
			[]string{"taskhash_ignore_tasks changed from 'frozenset({'x'})' to 'frozenset({'y'})'", "changed items: frozenset({'x', 'y'})"}},
		{"a key that the first lacks", `{"basehash":"b"}`, `{"basehash":"b","basehash_ignore_vars":{"_set_object":["x"]},"taskhash_ignore_tasks":"y"}`, nil},
		{"a key that the second lacks", `{"basehash":"b","basehash_ignore_vars":{"_set_object":["x"]},"taskhash_ignore_tasks":"y"}`, `{"basehash":"b"}`,
			[]string{"basehash_ignore_vars changed from 'frozenset({'x'})' to 'None'", "taskhash_ignore_tasks changed from 'y' to 'None'"}},
		{"a dependency without a hash", `{"basehash":"b","runtaskdeps":["a:do_x"],"runtaskhashes":{}}`,
			`{"basehash":"b","runtaskdeps":["a:do_x"],"runtaskhashes":{"a:do_x":"h"}}`,
			[]string{"runtaskdeps changed:", "a:do_x with hash None\n changed to\na:do_x with hash h", "Dependency on task a:do_x was added with hash h"}},
		{"numbers", `{"basehash":"b","varvals":{"A":1}}`, `{"basehash":"b","varvals":{"A":2}}`,
			[]string{"Variable A value changed from '1' to '2'"}},
		{"everything missing", `{"basehash":"a"}`, `{"basehash":"b"}`, []string{"basehash changed from a to b"}},
	} {
		if got := linesOf(t, test.a, test.b); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestDiffDuplicateDeps(t *testing.T) {
	const a = `{"basehash":"b","runtaskdeps":["a:do_x","a:do_x","c:do_x"],"runtaskhashes":{"a:do_x":"1","c:do_x":"2"}}`
	const b = `{"basehash":"b","runtaskdeps":["a:do_x","c:do_x","c:do_x"],"runtaskhashes":{"a:do_x":"1","c:do_x":"2"}}`
	want := []string{"runtaskdeps changed:\n[-a:do_x, 'a:do_x c:do_x', +c:do_x]",
		"a:do_x with hash 1\n changed to\nc:do_x with hash 2"}
	if got := linesOf(t, a, b); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestWordDiff(t *testing.T) {
	for _, test := range []struct{ old, new, want string }{
		{"a b c", "a c", `"a [-b-] c"`},
		{"a  b", "a b", `"a [--] b" (whitespace changed)`},
		{"a\tb c", "a b c", `"[-a	b-] {+a b+} c" (whitespace changed)`},
		{"a b", "b a", `"[-a-] b {+a+}"`},
		{"a b a b", "a b", `"a b [-a b-]"`},
		{"x y", "z", `"[-x y-] {+z+}"`},
		{"{x} %s", "{y} %s", `"[-{x}-] {+{y}+} %s"`},
	} {
		if got := wordDiff(test.old, test.new, Plain.pen()); got != test.want {
			t.Errorf("wordDiff(%q, %q) = %s, want %s", test.old, test.new, got, test.want)
		}
	}
}

// A value of a million spaces would cost 10^12 steps.
func TestTextIsBounded(t *testing.T) {
	a := &Signature{VarVals: map[string]Value{"A": Text(strings.Repeat(" ", 1e5) + "a"), "B": Text(strings.Repeat("\n", 1e5) + "a")}}
	b := &Signature{VarVals: map[string]Value{"A": Text(strings.Repeat(" ", 9e4) + "b"), "B": Text(strings.Repeat("\n", 9e4) + "b")}}
	p := Plain.pen()
	p.steps = 1e5
	for _, change := range Diff(a, b) {
		if lines := change.lines(p); len(lines) != 1 || !strings.HasPrefix(lines[0], "Variable ") {
			t.Errorf("lines() = %.100q", lines)
		}
	}
	if p.steps > 0 {
		t.Errorf("%d steps are left", p.steps)
	}
}

func TestChangeJSON(t *testing.T) {
	for want, change := range map[string]Change{
		`{"kind":"variable","name":"A","before":null,"after":"x"}`:         {Kind: Variable, Name: "A", After: Text("x")},
		`{"kind":"taskdeps","name":"","before":[],"after":["b","a"]}`:      {Kind: TaskDeps, Before: list(nil), After: list([]string{"b", "a"})},
		`{"kind":"variable-deps","name":"A","before":["a"],"after":["b"]}`: {Kind: VarDeps, Name: "A", Before: set([]string{"a"}), After: set([]string{"b"})},
	} {
		if got, err := json.Marshal(change); err != nil || string(got) != want {
			t.Errorf("Marshal() = %s, %v, want %s", got, err, want)
		}
	}
}
