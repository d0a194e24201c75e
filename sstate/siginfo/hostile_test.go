package siginfo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// comparisonMemory is what the package promises, bytes: see bounds.go.
const comparisonMemory = 512 << 20

// comparisonTime is when a comparison is stuck: it takes seconds.
const comparisonTime = time.Minute

// filled is a text of about size bytes.
func filled(text string, size int) string { return strings.Repeat(text, size/len(text)) }

// listed is a list in JSON of n texts.
func listed(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ","+format, i)
	}
	return b.String()[1:]
}

func variable(value string) string { return `{"basehash":"b","varvals":{"A":"` + value + `"}}` }

// hostilePairs makes pairs of signatures that cost what they can: within the
// bounds of bounds.go, and far beyond.
func hostilePairs() map[string]func() (before, after string) {
	const most = (maxContent - 100) / scale
	twice := func(text string) func() (string, string) {
		return func() (string, string) { return variable(text), variable("x" + text[:len(text)-2]) }
	}
	return map[string]func() (string, string){
		"lines":      func() (string, string) { return variable(filled(`a\n`, most)), variable(filled(`b\n`, most)) },
		"some lines": twice(filled(`abc\n`, 5*maxPieces/2/scale-100)),
		"escapes": func() (string, string) {
			text := filled("\u0080", maxShown/2/scale-1000)
			return `{"basehash":"b","gendeps":{"A":["` + text + `"]}}`, `{"basehash":"b","gendeps":{"A":["x` + text + `"]}}`
		},
		"variables": func() (string, string) {
			all := listed(maxValues/2/scale-10, `"%x":"1"`)
			return `{"basehash":"b","varvals":{` + all + `}}`, `{"basehash":"b","varvals":{` + strings.ReplaceAll(all, `"1"`, `"2"`) + `}}`
		},
		"one dependency many times": func() (string, string) {
			text := `{"basehash":"b","taskhash":"t","task":"a","taskdeps":[%[1]s],"varvals":{"a":"%[2]s"},"runtaskdeps":[%[1]s],"runtaskhashes":{"a":"%[2]s"}}`
			names := filled(`"a",`, 400_000) + `"a"`
			return fmt.Sprintf(text, names, filled("b", 5<<20/scale)), fmt.Sprintf(text, names, filled("c", 5<<20/scale))
		},
	}
}

// TestComparisonMemory reads, compares and prints signatures that were made to
// cost as much as they can.
func TestComparisonMemory(t *testing.T) {
	for name, pair := range hostilePairs() {
		t.Run(name, func(t *testing.T) {
			before, after := pair()
			begun := time.Now()
			used := peak(func() { explain(t, before, after) })
			if took := time.Since(begun); took > comparisonTime {
				t.Errorf("took %v", took)
			}
			t.Logf("%d MiB", used>>20)
			if used > comparisonMemory {
				t.Errorf("%d MiB at once, want at most %d", used>>20, comparisonMemory>>20)
			}
		})
	}
}

// explain does all that a command does with two signatures.
func explain(t *testing.T, before, after string) {
	t.Helper()
	a, err := Read(strings.NewReader(before))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Read(strings.NewReader(after))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(context.Background(), a, b, Options{})
	if err != nil || len(c.Changes) == 0 {
		t.Fatalf("Compare() = %v, %v, want changes", c, err)
	}
	if lines := c.Lines(Colored); len(lines) == 0 {
		t.Error("nothing is said")
	}
	if len(c.Causes()) == 0 {
		t.Error("no causes")
	}
}

// peak is how much more memory is in use at once while fn runs, in bytes.
func peak(fn func()) uint64 {
	runtime.GC()
	base, most := inUse(), uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, inUse())
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	fn()
	close(stop)
	<-done
	return most - min(base, most)
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// TestHugeChange: what is not spelled out is said in a line.
func TestHugeChange(t *testing.T) {
	for name, c := range map[string]Change{
		"bytes":    {Kind: Variable, Name: "A", Before: Text(filled("a", maxShown)), After: Text("b")},
		"lines":    {Kind: Variable, Name: "A", Before: Text(filled("\n", maxPieces)), After: Text("b")},
		"elements": {Kind: VarDeps, Name: "A", Before: set(make([]string, maxPieces)), After: set([]string{"b"})},
		"name":     {Kind: Variable, Name: filled("A", maxShown), Before: Text("a"), After: Text("b")},
	} {
		lines := c.Lines(Plain)
		if len(lines) != 1 || len(lines[0]) > 400 || !strings.Contains(lines[0], " A") && !strings.Contains(lines[0], "'A") ||
			!strings.Contains(lines[0], "too large to print") || strings.Contains(lines[0], "\n") {
			t.Errorf("%s: %.300q, want a line about A", name, lines)
		}
	}
	usual := Change{Kind: Variable, Name: "A", Before: Text(filled("some words ", 1<<20)), After: Text("b")}
	if usual.isHuge() {
		t.Error("a megabyte is not spelled out")
	}
}

// chain is a Finder of signatures of which each depends on the next, and all of
// which have large variables.
type chain struct{ reads int }

func (c *chain) Find(_ context.Context, key, hash string) (*Signature, error) {
	c.reads++
	var n int
	if _, err := fmt.Sscanf(key, "t%d", &n); err != nil {
		return nil, err
	}
	return link(n, hash), nil
}

func link(n int, hash string) *Signature {
	next := map[string]string{fmt.Sprintf("t%d", n+1): hash}
	return &Signature{BaseHash: hash, VarVals: map[string]Value{"A": Text(hash + filled("x", 1<<20))}, RunTaskHashes: next, RunTaskDeps: []string{}}
}

// TestFollowedBound: dependencies are followed as far as there is room for what
// they changed, and the text has its own bound.
func TestFollowedBound(t *testing.T) {
	finder := &chain{}
	c, err := Compare(context.Background(), link(0, "a"), link(0, "b"), Options{Finder: finder, Collapsed: true})
	if err != nil {
		t.Fatal(err)
	}
	if most := 2 * (maxChanges/(2<<20) + 2); finder.reads > most {
		t.Errorf("%d signatures were read, want at most %d", finder.reads, most)
	}
	size := 0
	for _, line := range c.Lines(Plain) {
		size += len(line)
	}
	if size == 0 || size > maxPrinted+1000 {
		t.Errorf("the text has %d bytes, want at most %d", size, maxPrinted)
	}
}

// TestManyHashed: a hash that everything enters many times is not computed.
func TestManyHashed(t *testing.T) {
	s := &Signature{Task: "a", BaseHash: "b", TaskDeps: make([]string, 10000), RunTaskDeps: make([]string, 10000),
		VarVals:       map[string]Value{"": Text(filled("x", 1<<20)), "a": Text("x")},
		RunTaskHashes: map[string]string{"": filled("x", 1<<20)}}
	if _, err := s.ComputeBaseHash(); !errors.Is(err, errManyHashed) {
		t.Errorf("ComputeBaseHash() = %v, want a bound", err)
	}
	if _, err := s.ComputeTaskHash(); !errors.Is(err, errManyHashed) {
		t.Errorf("ComputeTaskHash() = %v, want a bound", err)
	}
}

func TestReadRefusesLongPattern(t *testing.T) {
	text := `{"basehash":"b","taskhash_ignore_tasks":"` + filled("x", maxPattern+1) + `"}`
	if _, err := Read(strings.NewReader(text)); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "64 KiB") {
		t.Errorf("Read() = %v, want a bound", err)
	}
}

// TestManyEqualHashes: the hashes of one dependency are not compared without end.
func TestManyEqualHashes(t *testing.T) {
	make1 := func(base string) *Signature {
		return &Signature{BaseHash: base, RunTaskDeps: make([]string, 100_000), RunTaskHashes: map[string]string{"": filled("x", 4<<20)}}
	}
	begun := time.Now()
	if changes := Diff(make1("a"), make1("b")); len(changes) != 2 || changes[1].detail[0] != tooMuch {
		t.Errorf("Diff() has %d changes, want that of the base hash and a bound", len(changes))
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("took %v", took) // all of them would take a minute
	}
}

// FuzzCompare reads two signatures and does with them whatever the package does,
// for a bounded amount of memory and time.
func FuzzCompare(f *testing.F) {
	f.Add([]byte(`{"basehash":"b","varvals":{"A":"a b"}}`), []byte(`{"basehash":"c","varvals":{"A":"a\nb"}}`))
	f.Add([]byte(`{"basehash":"b","gendeps":{"A":["b",""]}}`), []byte(`{"basehash":"c","gendeps":{"A":{"_set_object":["a"]}}}`))
	f.Add([]byte(`{"basehash":"b","runtaskdeps":["a:x","a:x"],"runtaskhashes":{"a:x":"1"}}`),
		[]byte(`{"basehash":"b","runtaskdeps":["a:x","b"],"runtaskhashes":{"a:x":"2"}}`))
	f.Add([]byte(filled(`{"a":`, 5000)), []byte(`{"basehash":"b","taint":"nostamp:","file_checksum_values":[["./a",null]]}`))
	for _, name := range pickleNames() {
		content, err := os.ReadFile("testdata/pickles/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content, []byte(`{"basehash":"b"}`))
	}
	const input, perByte = 8 << 10, 20 << 10 // bytes; a byte of a pickle can repeat a text, up to maxContent
	f.Fuzz(func(t *testing.T, before, after []byte) {
		before, after = before[:min(len(before), input)], after[:min(len(after), input)]
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		begun := time.Now()
		a, errA := Read(bytes.NewReader(before))
		b, errB := Read(bytes.NewReader(after))
		if errA == nil && errB == nil {
			use(t, a, b)
		}
		runtime.ReadMemStats(&is)
		if used, most := is.TotalAlloc-was.TotalAlloc, uint64(64<<20+perByte*(len(before)+len(after))); used > most {
			t.Errorf("%d bytes allocated, want at most %d", used, most)
		}
		if took := time.Since(begun); took > comparisonTime {
			t.Errorf("took %v", took)
		}
	})
}

// use does with two signatures whatever the package does.
func use(t *testing.T, a, b *Signature) {
	t.Helper()
	finder := finderFunc(func(string, string) *Signature { return b })
	for _, o := range []Options{{Finder: finder}, {Finder: finder, Collapsed: true}} {
		c, err := Compare(context.Background(), a, b, o)
		if err != nil {
			t.Fatal(err)
		}
		c.Causes()
		if lines := c.Lines(Colored); len(lines) > 2*maxLines {
			t.Errorf("%d lines", len(lines))
		}
	}
	a.Dump()
}

type finderFunc func(key, hash string) *Signature

func (f finderFunc) Find(_ context.Context, key, hash string) (*Signature, error) {
	return f(key, hash), nil
}
