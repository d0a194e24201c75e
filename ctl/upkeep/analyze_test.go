package upkeep

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
	"sstatefs/sstate/siginfo"
)

// isar gives the files of testdata/isar.tar.zst: two caches made by builds of
// Isar, and what its isar-sstate prints for them.
func isar(t *testing.T) map[string][]byte {
	t.Helper()
	packed, err := os.ReadFile("testdata/isar.tar.zst")
	if err != nil {
		t.Fatal(err)
	}
	content, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	files := map[string][]byte{}
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[strings.TrimPrefix(header.Name, "isar/")], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// isarTarget is one of the two caches.
func isarTarget(t *testing.T, folder string) *Target {
	t.Helper()
	m := remotetest.NewMemory()
	for name, content := range isar(t) {
		if key, ok := strings.CutPrefix(name, folder+"/"); ok && !strings.HasSuffix(name, "/") {
			m.Set(remote.Key(key), content)
		}
	}
	return &Target{Remote: m, Now: time.Now}
}

// perItem cuts an output before each heading, and sorts what it got: isar-sstate
// goes by the order on its disk.
func perItem(text string) []string {
	const heading = "\x1b[1;33m===="
	items := strings.Split(text, heading)[1:]
	slices.Sort(items)
	return items
}

func TestAnalyzeAsIsar(t *testing.T) {
	var out strings.Builder
	var names []string
	print := func(item *Analyzed) error {
		names = append(names, item.PN)
		for _, line := range item.Lines(siginfo.Colored) {
			fmt.Fprintln(&out, line)
		}
		return nil
	}
	result, err := Analyze(t.Context(), isarTarget(t, "local"), isarTarget(t, "remote"), AnalyzeOptions{Jobs: 2, OnItem: print}, Silent)
	if err != nil {
		t.Fatal(err)
	}
	want := perItem(string(isar(t)["expected/analyze.txt"]))
	if got := perItem(out.String()); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "|"), strings.Join(want, "|"))
	}
	if !slices.Equal(names, []string{"hello-a", "hello-b"}) {
		t.Errorf("order is %v", names)
	}
	if len(result.Causes) != 1 || result.Causes[0].String() != "2 misses come from DESCRIPTION in hello-a" {
		t.Errorf("causes are %v", result.Causes)
	}
	if c := result.Causes[0]; !slices.Equal(c.Recipes, []string{"hello-a", "hello-b"}) {
		t.Errorf("recipes are %v", c.Recipes)
	}
}

// signature is what the tests write as a siginfo.
type signature struct {
	task string
	vars map[string]string
	deps map[string]string // key to hash
}

// zstdJSON packs a signature as BitBake does.
func (s signature) pack(t testing.TB) []byte {
	t.Helper()
	var b strings.Builder
	values := []string{fmt.Sprintf("%q:%q", "do_"+s.task, "body")}
	var names, keys, hashes []string
	for _, name := range sortedKeys(s.vars) {
		values = append(values, fmt.Sprintf("%q:%q", name, s.vars[name]))
		names = append(names, fmt.Sprintf("%q", name))
	}
	for _, key := range sortedKeys(s.deps) {
		keys = append(keys, fmt.Sprintf("%q", key))
		hashes = append(hashes, fmt.Sprintf("%q:%q", key, s.deps[key]))
	}
	fmt.Fprintf(&b, `{"task":"do_%s","basehash_ignore_vars":{"_set_object":[]},"taskhash_ignore_tasks":null,`, s.task)
	fmt.Fprintf(&b, `"taskdeps":[%s],"basehash":"BASE","gendeps":{},"varvals":{%s},`, strings.Join(names, ","), strings.Join(values, ","))
	fmt.Fprintf(&b, `"runtaskdeps":[%s],"file_checksum_values":[],"runtaskhashes":{%s},"taskhash":"TASK","unihash":"TASK"}`,
		strings.Join(keys, ","), strings.Join(hashes, ","))
	text := b.String()
	if parsed, err := siginfo.Read(strings.NewReader(text)); err != nil {
		t.Fatal(err)
	} else if base, err := parsed.ComputeBaseHash(); err != nil {
		t.Fatal(err)
	} else {
		text = strings.ReplaceAll(text, "BASE", base)
	}
	parsed, err := siginfo.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	task, err := parsed.ComputeTaskHash()
	if err != nil {
		t.Fatal(err)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll([]byte(strings.ReplaceAll(text, "TASK", task)), nil)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// hashNo is a hash that shows its number.
func hashNo(n int) string { return fmt.Sprintf("%02x%02x%060x", n%256, n/256, n) }

// sigKey is the key of a siginfo.
func sigKey(pn, task, arch, hash string) remote.Key {
	return remote.Key(fmt.Sprintf("%s/%s/sstate:%s:%s-poky-linux:1.0:r0:%s:14:%s_%s.tar.zst.siginfo",
		hash[:2], hash[2:4], pn, arch, arch, hash, task))
}

type cache struct {
	t testing.TB
	*remotetest.Memory
}

func newCache(t testing.TB) cache { return cache{t, remotetest.NewMemory()} }

func (c cache) target() *Target { return &Target{Remote: c.Memory, Now: time.Now} }

// add puts a signature into the cache, as of a time in hours.
func (c cache) add(pn, task, arch, hash string, hour int, s signature) remote.Key {
	c.t.Helper()
	s.task = task
	key := sigKey(pn, task, arch, hash)
	c.SetClock(func() time.Time { return time.Unix(1_700_000_000, 0).Add(time.Duration(hour) * time.Hour) })
	c.Set(key, s.pack(c.t))
	return key
}

func analyzeAll(t *testing.T, source, target cache, o AnalyzeOptions) ([]*Analyzed, AnalyzeResult) {
	t.Helper()
	var items []*Analyzed
	o.OnItem = func(item *Analyzed) error {
		items = append(items, item)
		return nil
	}
	result, err := Analyze(t.Context(), source.target(), target.target(), o, Silent)
	if err != nil {
		t.Fatal(err)
	}
	return items, result
}

func TestAnalyzeRanksByWhatDiffers(t *testing.T) {
	local, far := newCache(t), newCache(t)
	one := func(a, b, c string) signature { return signature{vars: map[string]string{"A": a, "B": b, "C": c}} }
	local.add("zlib", "compile", "x", hashNo(1), 0, one("1", "2", "3"))
	far.add("zlib", "compile", "x", hashNo(2), 9, one("x", "y", "z"))     // newest, all differs
	far.add("zlib", "compile", "x", hashNo(3), 1, one("1", "2", "z"))     // oldest of the nearest
	far.add("zlib", "compile", "x", hashNo(4), 5, one("1", "2", "q"))     // as near, newer
	far.add("zlib", "compile", "x", hashNo(5), 2, one("1", "y", "z"))     // two differ
	far.add("zlib", "compile", "other", hashNo(6), 9, one("1", "2", "3")) // other architecture
	far.add("zlib", "package", "x", hashNo(7), 9, one("1", "2", "3"))     // other task
	far.add("zlib-ng", "compile", "x", hashNo(8), 9, one("1", "2", "3"))  // other recipe
	far.add("expat", "compile", "x", hashNo(1), 9, one("1", "2", "3"))    // the same hash
	items, _ := analyzeAll(t, local, far, AnalyzeOptions{Candidates: 3})
	if len(items) != 1 || items[0].State != MissMissing || items[0].Matches != 4 || items[0].OtherArch {
		t.Fatalf("got %+v", items[0])
	}
	var got []string
	for _, c := range items[0].Candidates {
		got = append(got, c.Hash)
	}
	if want := []string{hashNo(4), hashNo(3), hashNo(5)}; !slices.Equal(got, want) {
		t.Errorf("candidates are %.4s, want %.4s", got, want)
	}
}

func TestAnalyzeStates(t *testing.T) {
	local, far := newCache(t), newCache(t)
	s := func(v string) signature { return signature{vars: map[string]string{"V": v}} }
	// Found: the signature, or the archive alone.
	far.add("a", "compile", "x", hashNo(1), 0, s("1"))
	local.add("a", "compile", "x", hashNo(1), 0, s("1"))
	b := local.add("b", "package", "x", hashNo(2), 0, s("1"))
	far.Set(remote.Key(strings.TrimSuffix(string(b), ".siginfo")), []byte("archive"))
	// The archive was cleaned.
	c := local.add("c", "package", "x", hashNo(3), 0, s("1"))
	local.Set(remote.Key(strings.TrimSuffix(string(c), ".siginfo")), []byte("archive"))
	far.add("c", "package", "x", hashNo(3), 0, s("1"))
	// New, of another architecture only, equal under another name, broken here, broken there.
	local.add("d", "compile", "x", hashNo(4), 0, s("1"))
	local.add("e", "compile", "x", hashNo(5), 0, s("1"))
	far.add("e", "compile", "y", hashNo(6), 0, s("2"))
	local.add("f", "compile", "x", hashNo(7), 0, s("1"))
	f := far.add("f", "compile", "x", hashNo(7), 0, s("1"))
	renamed := remote.Key(strings.Replace(string(f), ":1.0:", ":1.1:", 1))
	far.Set(renamed, far.Snapshot()[f])
	far.Remove(f)
	local.Set(sigKey("g", "compile", "x", hashNo(8)), []byte("garbage"))
	local.add("h", "compile", "x", hashNo(9), 0, s("1"))
	far.Set(sigKey("h", "compile", "x", hashNo(10)), []byte("garbage"))

	items, result := analyzeAll(t, local, far, AnalyzeOptions{})
	want := []struct {
		state MissState
		last  string
	}{
		{MissFound, " -> found hit in remote cache"},
		{MissFound, " -> found hit in remote cache"},
		{MissRemoved, " -> found its signature in remote cache, but not its archive (cleaned?)"},
		{MissMissing, " -> found no hit, and no potential remote matches"},
		{MissMissing, "Variable V value changed from '2' to '1'"},
		{MissMissing, "Only the name changed: PV from '1.1' to '1.0'"},
		{MissUnread, " -> found no hit, and could not compare: not a signature: neither zstd nor pickle nor JSON"},
		{MissMissing, "Failed to compare signatures."},
	}
	for i, item := range items {
		lines := item.Lines(siginfo.Plain)
		if item.State != want[i].state || lines[len(lines)-1] != want[i].last {
			t.Errorf("%s is %s: %s\nwant %s: %s", item.PN, item.State, strings.Join(lines, "\n"), want[i].state, want[i].last)
		}
	}
	if result.Checked != 8 || result.Found != 2 || result.Missing != 6 || result.Unread != 1 {
		t.Errorf("result is %+v", result)
	}
	var causes []string
	for _, c := range result.Causes {
		causes = append(causes, c.String())
	}
	wantCauses := []string{
		"2 misses could not be explained",
		"1 miss comes from archives that were cleaned away or never came: nothing changed, their signatures are there",
		"1 miss comes from V in e",
		"1 miss comes from names alone: PV from '1.1' to '1.0'",
		"1 miss has no candidate: the remote cache never had these tasks",
	}
	slices.Sort(causes)
	slices.Sort(wantCauses)
	if !slices.Equal(causes, wantCauses) {
		t.Errorf("causes are\n%s", strings.Join(causes, "\n"))
	}
}

// A change deep down is found through dependencies of other tasks, which may
// be in either cache, and not at all where nobody has them.
func TestAnalyzeFollowsDependencies(t *testing.T) {
	local, far := newCache(t), newCache(t)
	base := func(v string) signature { return signature{vars: map[string]string{"MACHINE_FEATURES": v}} }
	far.add("base-files", "install", "x", hashNo(1), 0, base("usb"))
	local.add("base-files", "install", "x", hashNo(2), 0, base("usb wifi"))
	for i := range 36 {
		pn := fmt.Sprintf("recipe%02d", i)
		dep := func(n int) signature { return signature{deps: map[string]string{"base-files:do_install": hashNo(n)}} }
		far.add(pn, "compile", "x", hashNo(100+i), 0, dep(1))
		local.add(pn, "compile", "x", hashNo(200+i), 0, dep(2))
	}
	lost := func(n int) signature { return signature{deps: map[string]string{"gone:do_compile": hashNo(n)}} }
	far.add("lost", "compile", "x", hashNo(3), 0, lost(8))
	local.add("lost", "compile", "x", hashNo(4), 0, lost(9))

	known := func(n int, v string) signature {
		return signature{vars: map[string]string{"V": v}, deps: map[string]string{"gone:do_compile": hashNo(n)}}
	}
	far.add("known", "compile", "x", hashNo(5), 0, known(8, "1"))
	local.add("known", "compile", "x", hashNo(6), 0, known(9, "2"))

	items, result := analyzeAll(t, local, far, AnalyzeOptions{Jobs: 4})
	text := strings.Join(items[3].Lines(siginfo.Plain), "\n")
	for _, want := range []string{
		"    Variable MACHINE_FEATURES value changed:\n    \"usb {+wifi+}\"", "could not find remote signature 08000000 for job gone:do_compile",
	} {
		if !strings.Contains(text+strings.Join(items[2].Lines(siginfo.Plain), "\n"), want) {
			t.Errorf("no %q in\n%s\n%s", want, strings.Join(items[2].Lines(siginfo.Plain), "\n"), text)
		}
	}
	first := result.Causes[0]
	if first.String() != "37 misses come from MACHINE_FEATURES in base-files" || len(first.Recipes) != 37 || len(first.Tasks) != 37 {
		t.Errorf("first cause is %v of %d recipes", first, len(first.Recipes))
	}
	if got := result.Causes[1].String(); got != "1 miss comes from V in known" {
		t.Errorf("second cause is %s", got)
	}
	if got := result.Causes[2].String(); got != "1 miss comes from do_compile in gone, whose signatures were not found" {
		t.Errorf("third cause is %s", got)
	}
}

// Only what is asked for is looked at, and its dependencies are found all the
// same, by the folder that their hash names.
func TestAnalyzeFilter(t *testing.T) {
	local, far := newCache(t), newCache(t)
	base := func(v string) signature { return signature{vars: map[string]string{"V": v}} }
	dep := func(n int) signature { return signature{deps: map[string]string{"base:do_install": hashNo(n)}} }
	far.add("base", "install", "x", hashNo(1), 0, base("1"))
	far.add("base", "install", "x", hashNo(2), 0, base("2"))
	far.add("top", "compile", "x", hashNo(3), 0, dep(1))
	local.add("top", "compile", "x", hashNo(4), 0, dep(2))
	local.add("other", "compile", "x", hashNo(5), 0, base("1"))
	items, result := analyzeAll(t, local, far, AnalyzeOptions{Filter: Filter{PN: []string{"to*"}}})
	if len(items) != 1 || items[0].PN != "top" || len(result.Causes) != 1 || result.Causes[0].String() != "1 miss comes from V in base" {
		t.Errorf("got %v, %v", items, result.Causes)
	}
}

// What a mount missed is explained from the remote alone, although that has it
// by now. What came from the same build is no candidate.
func TestAnalyzeMisses(t *testing.T) {
	far := newCache(t)
	s := func(v string) signature { return signature{vars: map[string]string{"V": v}} }
	looked := time.Unix(1_700_000_000, 0).Add(10 * time.Hour)
	missed := func(key remote.Key, minutes int) Missed {
		return Missed{Key: key, Looked: looked, Published: looked.Add(time.Duration(minutes) * time.Minute)}
	}
	far.add("zlib", "package", "x", hashNo(1), 0, s("far off, but of another build"))
	earlier := far.add("zlib", "package", "x", hashNo(2), 9, s("one"))
	first := far.add("zlib", "package", "x", hashNo(3), 11, s("two"))
	second := far.add("zlib", "package", "x", hashNo(4), 11, s("two"))
	misses := []Missed{
		{Key: earlier, Looked: looked.Add(-2 * time.Hour), Published: looked.Add(-time.Hour)},
		missed(first, 60), missed(second, 70),
	}
	var items []*Analyzed
	o := AnalyzeOptions{OnItem: func(item *Analyzed) error {
		items = append(items, item)
		return nil
	}}
	result, err := AnalyzeMisses(t.Context(), MissRecord{Files: far, Misses: misses}, far.target(), o, Silent)
	if err != nil || len(items) != 3 || result.Missing != 3 {
		t.Fatalf("AnalyzeMisses: %v, %+v", err, result)
	}
	late := MissRecord{Files: far, Misses: misses, Since: looked.Add(65 * time.Minute)}
	result, err = AnalyzeMisses(t.Context(), late, far.target(), o, Silent)
	if err != nil || len(items) != 4 || items[3].Hash != hashNo(4) {
		t.Fatalf("AnalyzeMisses of the last: %v, %+v", err, result)
	}
	for _, item := range items {
		got := item.Candidates[0].Hash
		if want := map[string]string{hashNo(2): hashNo(1), hashNo(3): hashNo(2), hashNo(4): hashNo(2)}[item.Hash]; got != want {
			t.Errorf("%.4s is compared with %.4s, want %.4s", item.Hash, got, want)
		}
		if wantMatches := map[string]int{hashNo(2): 1, hashNo(3): 2, hashNo(4): 2}[item.Hash]; item.Matches != wantMatches {
			t.Errorf("%.4s has %d matches, want %d", item.Hash, item.Matches, wantMatches)
		}
	}
}

// A signature that was there when a mount missed its archive explains the miss
// by itself, and is a candidate like any other.
func TestAnalyzeMissesOfCleanedArchives(t *testing.T) {
	far := newCache(t)
	s := func(v string) signature { return signature{vars: map[string]string{"V": v}} }
	looked := time.Unix(1_700_000_000, 0).Add(10 * time.Hour)
	known := far.add("zlib", "package", "x", hashNo(1), 0, s("one"))
	missed := far.add("zlib", "package", "x", hashNo(2), 11, s("two"))
	misses := []Missed{
		{Key: known, Looked: looked, Published: looked.Add(time.Hour), Known: true},
		{Key: missed, Looked: looked, Published: looked.Add(time.Hour)},
	}
	var items []*Analyzed
	o := AnalyzeOptions{OnItem: func(item *Analyzed) error {
		items = append(items, item)
		return nil
	}}
	result, err := AnalyzeMisses(t.Context(), MissRecord{Files: far, Misses: misses}, far.target(), o, Silent)
	if err != nil || len(items) != 2 || result.Missing != 2 {
		t.Fatalf("AnalyzeMisses: %v, %+v", err, result)
	}
	if items[0].State != MissRemoved || len(items[0].Candidates) != 0 {
		t.Errorf("the cleaned one is %+v", items[0])
	}
	if c := items[1].Candidates; items[1].State != MissMissing || len(c) != 1 || c[0].Hash != hashNo(1) {
		t.Errorf("the other one is %+v", items[1])
	}
	if len(result.Causes) != 2 || result.Causes[0].Kind != CauseRemoved {
		t.Errorf("causes are %v", result.Causes)
	}
}

func TestAnalyzeEnds(t *testing.T) {
	local, far := newCache(t), newCache(t)
	for i := range 50 {
		local.add("zlib", "compile", "x", hashNo(i), 0, signature{vars: map[string]string{"V": "1"}})
		far.add("zlib", "compile", "x", hashNo(100+i), 0, signature{vars: map[string]string{"V": "2"}})
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	o := AnalyzeOptions{Jobs: 4, OnItem: func(*Analyzed) error {
		done++
		cancel()
		return nil
	}}
	_, err := Analyze(ctx, local.target(), far.target(), o, Silent)
	if err == nil || done != 1 {
		t.Errorf("Analyze() = %v after %d", err, done)
	}
}
