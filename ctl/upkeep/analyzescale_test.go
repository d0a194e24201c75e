package upkeep

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
	"sstatefs/remote/file"
)

// site is a made-up cache of a site: recipes with a chain of tasks each, built
// again and again, every time with another base-files on which all depend.
type site struct {
	recipes, generations int
	variables            []byte // JSON: what all signatures have, as much as real ones
}

var siteTasks = []string{"fetch", "unpack", "patch", "configure", "compile"}

func newSite(recipes, generations int) site {
	var b bytes.Buffer
	for i := range 150 { // a signature of BitBake has 100 to 300 variables, 20 KB of text
		fmt.Fprintf(&b, `,"VARIABLE_%d":"%d the value of a variable, which is ${EXPANDED_LATER} and of usual length for one of these"`, i, i)
	}
	return site{recipes, generations, b.Bytes()}
}

// hash is the hash of a task in one build.
func (s site) hash(recipe, task, generation int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d", recipe, task, generation))
	return hex.EncodeToString(sum[:])
}

func (s site) key(recipe, task, generation int) remote.Key {
	return sigKey(s.pn(recipe), siteTasks[task], "core2-64", s.hash(recipe, task, generation))
}

func (s site) pn(recipe int) string {
	if recipe == 0 {
		return "base-files"
	}
	return fmt.Sprintf("recipe-%d", recipe)
}

// text is a signature. Every task depends on the one before, and on that of
// base-files, where the change is.
func (s site) text(recipe, task, generation int) []byte {
	var b bytes.Buffer
	feature := ""
	if recipe == 0 && task == 0 {
		feature = fmt.Sprintf(`,"MACHINE_FEATURES":"features of build %d"`, generation)
	}
	deps := map[string]string{}
	if task > 0 {
		deps[s.pn(recipe)+":do_"+siteTasks[task-1]] = s.hash(recipe, task-1, generation)
	}
	if recipe > 0 {
		deps[s.pn(0)+":do_"+siteTasks[task]] = s.hash(0, task, generation)
	}
	hashes, _ := json.Marshal(deps)
	names, _ := json.Marshal(sortedKeys(deps))
	fmt.Fprintf(&b, `{"task":"do_%s","taskdeps":[],"basehash":"%s","gendeps":{},"basehash_ignore_vars":{"_set_object":[]},"varvals":{"do_%s":"body"%s%s},`,
		siteTasks[task], s.hash(recipe, task, 0), siteTasks[task], s.variables, feature)
	fmt.Fprintf(&b, `"runtaskdeps":%s,"runtaskhashes":%s,"file_checksum_values":[],"taskhash":"","unihash":""}`, names, hashes)
	return b.Bytes()
}

// write makes the builds from first to last as an sstate directory; archives
// are names only.
func (s site) write(t testing.TB, dir string, first, last int, archives bool) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
			if err != nil {
				t.Error(err)
				return
			}
			defer e.Close()
			for recipe := worker; recipe < s.recipes; recipe += runtime.GOMAXPROCS(0) {
				for task := range siteTasks {
					for generation := first; generation <= last; generation++ {
						path := filepath.Join(dir, string(s.key(recipe, task, generation)))
						err := os.MkdirAll(filepath.Dir(path), 0o755)
						if err == nil {
							err = os.WriteFile(path, e.EncodeAll(s.text(recipe, task, generation), nil), 0o644)
						}
						if err == nil && archives {
							err = os.WriteFile(path[:len(path)-len(".siginfo")], []byte("archive"), 0o644)
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				}
			}
		})
	}
	wg.Wait()
}

func openDir(t testing.TB, dir string) *Target {
	t.Helper()
	r, err := file.Open(t.Context(), dir, remote.OpenOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	return &Target{Remote: remote.NewGuard(r, remote.GuardOptions{}), Now: time.Now}
}

// 2,000 signatures against a directory of 100,000 objects: this is to take less
// than 20 s on two cores.
func BenchmarkAnalyze(b *testing.B) {
	s := newSite(400, 26)
	local, far := b.TempDir(), b.TempDir()
	start := time.Now()
	s.write(b, far, 1, 25, true)
	s.write(b, local, 26, 26, false)
	b.Logf("made in %v", time.Since(start))
	for b.Loop() {
		analyzeSite(b, s, local, far)
	}
}

// The same with a twentieth of all.
func TestAnalyzeSite(t *testing.T) {
	s := newSite(20, 26)
	local, far := t.TempDir(), t.TempDir()
	s.write(t, far, 1, 25, true)
	s.write(t, local, 26, 26, false)
	analyzeSite(t, s, local, far)
}

func analyzeSite(t testing.TB, s site, local, far string) {
	t.Helper()
	start, base, peak := time.Now(), heapBytes(), int64(0)
	o := AnalyzeOptions{Jobs: 8, Candidates: 3, OnItem: func(item *Analyzed) error {
		if item.Matches != 25 || len(item.Candidates) != 3 {
			t.Errorf("%s: %d candidates of %d", item.Key, len(item.Candidates), item.Matches)
		}
		peak = max(peak, heapBytes())
		return nil
	}}
	result, err := Analyze(t.Context(), openDir(t, local), openDir(t, far), o, Silent)
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(s.recipes * len(siteTasks)); result.Missing != want {
		t.Errorf("%d misses, want %d", result.Missing, want)
	}
	want := fmt.Sprintf("%d misses come from MACHINE_FEATURES in base-files", result.Missing)
	if got := result.Causes[0].String(); got != want {
		t.Errorf("first cause is %s, want %s", got, want)
	}
	t.Logf("%d signatures in %v, the heap grew by %d MiB", result.Checked, time.Since(start), (peak-base)>>20)
}

// heapBytes is what the heap holds, garbage included, bytes.
func heapBytes() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
