package siginfo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// graph finds signatures by key and hash.
type graph map[string]*Signature

func (g graph) Find(_ context.Context, key, hash string) (*Signature, error) {
	return g[key+" "+hash], nil
}

// task is a signature with dependencies, "key hash" each.
func task(value string, deps ...string) *Signature {
	s := &Signature{BaseHash: "b", VarVals: map[string]Value{"V": Text(value)}, RunTaskDeps: []string{}, RunTaskHashes: map[string]string{}}
	for _, dep := range deps {
		key, hash, _ := strings.Cut(dep, " ")
		s.RunTaskDeps = append(s.RunTaskDeps, key)
		s.RunTaskHashes[key] = hash
	}
	return s
}

func compare(t *testing.T, a, b *Signature, o Options) *Comparison {
	t.Helper()
	c, err := Compare(context.Background(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompareFollows(t *testing.T) {
	g := graph{
		"b:do_b 1": task("x", "c:do_c 1"), "b:do_b 2": task("x", "c:do_c 2"),
		"c:do_c 1": task("x\ny z"), "c:do_c 2": task("x\ny w"),
		"d:do_d 1": task("q"),
		"e:do_e 1": task("same"), "e:do_e 2": task("same"),
	}
	for _, test := range []struct {
		name, want string
		a, b       *Signature
		missing    func(*Followed) string
	}{
		{name: "two levels", a: task("v", "b:do_b 1"), b: task("w", "b:do_b 2"), want: `
Hash for task dependency b:do_b changed from 1 to 2
    Hash for task dependency c:do_c changed from 1 to 2
        Variable V value changed:
        @@ -1,2 +1,2 @@
         x
        -y z
        +y w`},
		{name: "one missing", a: task("v", "d:do_d 1"), b: task("v", "d:do_d 2"), want: `
Hash for task dependency d:do_d changed from 1 to 2
Unable to find matching sigdata for d:do_d with hash 2`},
		{name: "the other missing", a: task("v", "d:do_d 0"), b: task("v", "d:do_d 1"), want: `
Hash for task dependency d:do_d changed from 0 to 1
Unable to find matching sigdata for d:do_d with hash 0`},
		{name: "both missing", a: task("v", "z:do_z 1"), b: task("v", "z:do_z 2"), want: `
Hash for task dependency z:do_z changed from 1 to 2
Unable to find matching sigdata for z:do_z with hashes 1 or 2`},
		{name: "other words", a: task("v", "z:do_z 1"), b: task("v", "z:do_z 2"), want: `
Hash for task dependency z:do_z changed from 1 to 2
no z:do_z: true true`, missing: func(f *Followed) string { return fmt.Sprint("no ", f.Key, ": ", f.NoBefore, " ", f.NoAfter) }},
		{name: "what explains nothing is passed over", a: task("v", "e:do_e 1", "z:do_z 1"), b: task("v", "e:do_e 2", "z:do_z 2"), want: `
Hash for task dependency z:do_z changed from 1 to 2
Unable to find matching sigdata for z:do_z with hashes 1 or 2`},
		{name: "nothing explains", a: task("v", "e:do_e 1"), b: task("v", "e:do_e 2"), want: `
runtaskdeps changed:
e:do_e with hash 1
 changed to
e:do_e with hash 2
Hash for task dependency e:do_e changed from 1 to 2`},
	} {
		c := compare(t, test.a, test.b, Options{Finder: g, Missing: test.missing})
		if got := "\n" + strings.Join(c.Lines(Plain), "\n"); got != test.want {
			t.Errorf("%s:%s\nwant%s", test.name, got, test.want)
		}
	}
}

// A taint is told after what a dependency explains.
func TestCompareTaintStays(t *testing.T) {
	a, b := task("v", "z:do_z 1"), task("w", "z:do_z 2")
	b.Taint = Text("nostamp:u")
	want := []string{
		"Hash for task dependency z:do_z changed from 1 to 2",
		"Unable to find matching sigdata for z:do_z with hashes 1 or 2",
		"Taint (by forced/invalidated task) changed from None to nostamp(uuid4):u",
	}
	if got := compare(t, a, b, Options{Finder: graph{}}).Lines(Plain); !slices.Equal(got, want) {
		t.Errorf("Lines() = %q, want %q", got, want)
	}
}

// A task whose signatures name each other, as only broken files do.
func TestCompareEndsInLoops(t *testing.T) {
	g := graph{
		"a:do_a 1": task("x", "b:do_b 1"), "a:do_a 2": task("x", "b:do_b 2"),
		"b:do_b 1": task("x", "a:do_a 1"), "b:do_b 2": task("x", "a:do_a 2"),
	}
	for _, collapsed := range []bool{false, true} {
		c := compare(t, g["a:do_a 1"], g["a:do_a 2"], Options{Finder: g, Collapsed: collapsed})
		if lines := c.Lines(Plain); len(lines) > 10 {
			t.Errorf("collapsed %v: %d lines", collapsed, len(lines))
		}
	}
}

// Each of 60 levels has two dependencies that both have the next level: 2^60
// ways to the bottom.
func TestCompareBoundsWork(t *testing.T) {
	g := graph{}
	const levels = 60
	for i := range levels {
		for _, hash := range []string{"1", "2"} {
			left, right := fmt.Sprintf("l%d:do_x %s", i+1, hash), fmt.Sprintf("r%d:do_x %s", i+1, hash)
			g[fmt.Sprintf("l%d:do_x %s", i, hash)] = task("same", left, right)
			g[fmt.Sprintf("r%d:do_x %s", i, hash)] = task("same", left, right)
		}
	}
	for _, hash := range []string{"1", "2"} {
		g[fmt.Sprintf("l%d:do_x %s", levels, hash)] = task("left " + hash)
		g[fmt.Sprintf("r%d:do_x %s", levels, hash)] = task("right " + hash)
	}
	c := compare(t, g["l0:do_x 1"], g["l0:do_x 2"], Options{Finder: g, Collapsed: true})
	if n := len(c.Lines(Plain)); n > maxLines+1 {
		t.Errorf("Lines() has %d", n)
	}
	if causes := c.Causes(); len(causes) != 2 {
		t.Errorf("Causes() = %+v, want the two at the bottom", causes)
	}
}

func TestCompareDepth(t *testing.T) {
	g := graph{}
	for i := range 2 * maxDepth {
		g[fmt.Sprintf("t%d:do_x 1", i)] = task("same", fmt.Sprintf("t%d:do_x 1", i+1))
		g[fmt.Sprintf("t%d:do_x 2", i)] = task("same", fmt.Sprintf("t%d:do_x 2", i+1))
	}
	c := compare(t, g["t0:do_x 1"], g["t0:do_x 2"], Options{Finder: g})
	if lines := c.Lines(Plain); len(lines) < maxDepth || len(lines) > maxDepth+10 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestCompareErrors(t *testing.T) {
	failed := errors.New("access denied")
	a, b := task("v", "z:do_z 1"), task("v", "z:do_z 2")
	if _, err := Compare(context.Background(), a, b, Options{Finder: failing{failed}}); !errors.Is(err, failed) {
		t.Errorf("Compare() = %v, want the finder's error", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Compare(ctx, a, b, Options{Finder: graph{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("Compare() = %v, want that of ctx", err)
	}
}

type failing struct{ err error }

func (f failing) Find(context.Context, string, string) (*Signature, error) { return nil, f.err }

func TestCauses(t *testing.T) {
	g := graph{
		"b:do_b 1": task("x"), "b:do_b 2": task("y"),
		"c:do_c 1": task("x", "b:do_b 1"), "c:do_c 2": task("x", "b:do_b 2"),
	}
	a, b := task("v", "b:do_b 1", "c:do_c 1", "z:do_z 1"), task("w", "b:do_b 2", "c:do_c 2", "z:do_z 2")
	b.BaseHash = "other"
	got := func(o Options) string {
		var all []string
		for _, cause := range compare(t, a, b, o).Causes() {
			text := fmt.Sprintf("%s %s-%s %v", cause.Key, cause.Before, cause.After, cause.Missing)
			for _, change := range cause.Changes {
				text += " " + string(change.Kind) + "=" + change.Name
			}
			all = append(all, text)
		}
		return strings.Join(all, "; ")
	}
	for _, test := range []struct {
		o    Options
		want string
	}{
		{Options{}, " - false variable=V"},
		{Options{Finder: g}, "b:do_b 1-2 false variable=V"},
		{Options{Finder: g, Collapsed: true}, "b:do_b 1-2 false variable=V; z:do_z 1-2 true"},
	} {
		if got := got(test.o); got != test.want {
			t.Errorf("Causes() = %q, want %q", got, test.want)
		}
	}
	if causes := compare(t, a, a, Options{}).Causes(); causes != nil {
		t.Errorf("Causes() of nothing = %v", causes)
	}
}
