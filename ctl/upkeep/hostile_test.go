package upkeep

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
)

// What a verb may need for a cache of hostile objects with one job: some 300 MiB
// of a comparison, and as much as the collector leaves for later.
const (
	hostileMemory = 768 << 20
	hostileTime   = time.Minute
)

// manyPaths is how many variables of one signature are paths.
const manyPaths = 100_000 / scale

// bomb is an archive of a few kilobytes that stands for 256 MiB, and says it is
// a petabyte.
func bomb(t *testing.T) []byte {
	t.Helper()
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "huge", Size: 1 << 50, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	const block, size = 512, 128 << 10
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3, block << 3 & 0xff, block >> 5, 0}, head.Bytes()...)
	rle := []byte{2 | size<<3&0xff, size >> 5 & 0xff, size >> 13 & 0xff, 0}
	return append(frame, bytes.Repeat(rle, 1<<28/size)...)
}

// squeezed is text in zstd.
func squeezed(t *testing.T, text string) []byte {
	t.Helper()
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.EncodeAll([]byte(text), nil)
}

// hostileSignatures are signatures that are no such thing, or cost what they can.
func hostileSignatures(t *testing.T, victim string) map[string][]byte {
	t.Helper()
	var paths strings.Builder
	for i := range manyPaths {
		fmt.Fprintf(&paths, `,"V%d":"/x"`, i)
	}
	call := "touch " + victim
	return map[string][]byte{
		"pickle":    []byte("\x80\x02cposix\nsystem\nX" + string([]byte{byte(len(call)), 0, 0, 0}) + call + "\x85R."),
		"global":    []byte("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c" + string([]byte{byte(len(call))}) + call + "\x85R."),
		"deep":      squeezed(t, strings.Repeat(`{"a":`, 1<<20/scale)),
		"bomb":      squeezed(t, strings.Repeat(" ", 40<<20)),
		"lines":     squeezed(t, `{"basehash":"b","varvals":{"A":"`+strings.Repeat(`\n`, 7<<20/scale)+`"}}`),
		"otherline": squeezed(t, `{"basehash":"c","varvals":{"A":"`+strings.Repeat(`a\n`, 5<<20/scale)+`"}}`),
		"variables": squeezed(t, `{"basehash":"b","taskhash_ignore_tasks":"`+strings.Repeat("x", 60<<10)+`","varvals":{`+paths.String()[1:]+`}}`),
		"hashes": squeezed(t, `{"basehash":"b","taskhash":"t","task":"a","runtaskdeps":[`+strings.Repeat(`"a",`, 100_000/scale)+`"a"],"runtaskhashes":{"a":"`+
			strings.Repeat("x", 5<<20/scale)+`"}}`),
	}
}

// bounded runs a verb within what it may need.
func bounded(t *testing.T, verb func()) {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, most := m.HeapInuse, uint64(0)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapInuse)
			case <-stop:
				return
			}
		}
	}()
	begun := time.Now()
	verb()
	close(stop)
	<-done
	if took := time.Since(begun); took > hostileTime {
		t.Errorf("took %v", took)
	}
	if used := most - min(base, most); used > hostileMemory {
		t.Errorf("%d MiB at once", used>>20)
	}
}

// TestHostileObjects verifies, lints and analyzes a cache that others have filled
// with objects that were made to execute something, or to cost what they can.
func TestHostileObjects(t *testing.T) {
	victim := filepath.Join(t.TempDir(), "executed")
	far, local := newCache(t), newCache(t)
	names, n := map[remote.Key]string{}, 0
	for name, content := range hostileSignatures(t, victim) {
		key := sigKey("app", "package", "x", hashNo(n))
		far.Set(key, content)
		names[key] = name
		n++
		if name == "otherline" || name == "hashes" {
			local.Set(sigKey("app", "package", "x", hashNo(n+200)), content)
		}
	}
	packed := bomb(t)
	archive := remote.Key(strings.TrimSuffix(string(sigKey("bomb", "package", "x", hashNo(300))), ".siginfo"))
	far.Set(archive, packed)

	t.Run("verify", func(t *testing.T) {
		faults := map[remote.Key]Fault{}
		bounded(t, func() {
			r, err := Verify(t.Context(), far.target(), VerifyOptions{Jobs: 1}, Silent, func(f Finding) error {
				if f.Fault != FaultNoSig {
					faults[f.Key] = f.Fault
				}
				return nil
			})
			if err != nil || r.Unchecked > 0 {
				t.Errorf("Verify() = %+v, %v", r, err)
			}
		})
		if faults[archive] != FaultTruncated {
			t.Errorf("the bomb is %q, want truncated", faults[archive])
		}
		for key, name := range names {
			if broken := slices.Contains([]string{"pickle", "global", "deep", "bomb"}, name); broken != (faults[key] == FaultCorrupt) {
				t.Errorf("%s is %q", name, faults[key])
			}
		}
	})
	t.Run("lint", func(t *testing.T) {
		bounded(t, func() {
			r, err := Lint(t.Context(), far.target(), LintOptions{SourcesDir: "/x", BuildDir: "/y", Jobs: 1}, Silent, func(LintedSignature) error { return nil })
			if err != nil || r.Broken != 4 || r.SourcesDir != manyPaths {
				t.Errorf("Lint() = %+v, %v, want 4 broken ones and the paths", r, err)
			}
		})
	})
	t.Run("analyze", func(t *testing.T) {
		bounded(t, func() {
			r, err := Analyze(t.Context(), local.target(), far.target(), AnalyzeOptions{Jobs: 1, OnItem: func(*Analyzed) error { return nil }}, Silent)
			if err != nil || r.Missing == 0 {
				t.Errorf("Analyze() = %+v, %v", r, err)
			}
		})
	})
	if _, err := os.Lstat(victim); err == nil {
		t.Error("a pickle was executed")
	}
}
