package store

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
)

func keysOf(misses []Miss) []string {
	var keys []string
	for _, m := range misses {
		keys = append(keys, m.Key)
	}
	return keys
}

func TestMissesAreRecorded(t *testing.T) {
	r := newRig(t, nil)
	built, present, foreign := testKey(1, "package"), testKey(2, "package"), testKey(3, "package")
	r.mem.Set(remote.Key(present), []byte("there"))
	for _, key := range []string{built, present, foreign} {
		_, _ = r.Lookup(t.Context(), key)
	}
	r.mustPublish(built, "archive")
	if got := r.Misses(time.Time{}); len(got) != 0 {
		t.Errorf("before its signature: Misses() = %v, want none", got)
	}
	r.mustPublish(built+".siginfo", "signature")
	r.mustPublish(present+".siginfo", "signature")
	r.mustPublish(testKey(4, "compile")+".siginfo", "of a task nobody looked up")

	want := []string{built + ".siginfo"}
	got := r.Misses(time.Time{})
	if !slices.Equal(keysOf(got), want) {
		t.Fatalf("Misses() = %v, want %v", keysOf(got), want)
	}
	if got[0].Looked.After(got[0].Published) || got[0].Looked.IsZero() {
		t.Errorf("looked %v, published %v", got[0].Looked, got[0].Published)
	}
	if late := r.Misses(time.Now().Add(time.Hour)); len(late) != 0 {
		t.Errorf("Misses of the future = %v, want none", late)
	}
}

// A cleaner took the archive and left its signature: BitBake makes the archive
// and only touches the signature.
func TestMissesOfKnownSignatures(t *testing.T) {
	r := newRig(t, nil)
	cleaned, later, unmade := testKey(1, "package"), testKey(2, "package"), testKey(3, "package")
	touch := func(key string) {
		t.Helper()
		if _, err := r.SetTimes(t.Context(), key+".siginfo", Times{Now: true}); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{cleaned, later, unmade} {
		r.mem.Set(remote.Key(key+".siginfo"), []byte("signature"))
		_, _ = r.Lookup(t.Context(), key)
	}
	r.mustPublish(cleaned, "archive")
	touch(cleaned)
	touch(cleaned)
	r.mem.Set(remote.Key(later), []byte("made elsewhere since: a hit"))
	touch(later)
	touch(unmade)

	got := r.Misses(time.Time{})
	if len(got) != 1 || got[0].Key != cleaned+".siginfo" || !got[0].Known {
		t.Fatalf("Misses() = %+v, want the one that was cleaned", got)
	}
	r.saveMisses()
	r.close()
	r.open()
	if again := r.Misses(time.Time{}); len(again) != 1 || !again[0].Known || again[0].Key != got[0].Key {
		t.Errorf("after a restart: Misses() = %+v, want %+v", again, got)
	}
}

func TestMissesSurviveARestart(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	_, _ = r.Lookup(t.Context(), key)
	r.mustPublish(key+".siginfo", "signature")
	r.saveMisses() // as housekeeping does
	want := r.Misses(time.Time{})
	r.crash()

	// A line that a crash cut off takes none of the others with it.
	f, err := os.OpenFile(r.layout.path("misses"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "1700000000 17")
	f.Close()
	r.open()
	second := testKey(2, "package")
	_, _ = r.Lookup(t.Context(), second)
	r.mustPublish(second+".siginfo", "signature")
	r.close()
	r.open()
	got := r.Misses(time.Time{})
	if !slices.Equal(keysOf(got), []string{want[0].Key, second + ".siginfo"}) {
		t.Errorf("after restarts: Misses() = %v", got)
	}
	if !got[0].Published.Equal(want[0].Published) {
		t.Errorf("published %v, before the restart %v", got[0].Published, want[0].Published)
	}
}

func TestMissesAreBounded(t *testing.T) {
	path := t.TempDir() + "/misses"
	clock := time.Unix(1e9, 0)
	m := newMisses(path, func() time.Time { clock = clock.Add(time.Second); return clock })
	m.limit = 10
	add := func(n int) {
		key := testKey(n, "package")
		m.missed(key)
		m.published(key + ".siginfo")
	}
	for n := range 10 * (m.limit + missSlack) / 10 {
		add(n)
		if n%997 == 0 {
			if err := m.save(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	add(1 << 20)
	if err := m.save(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n > m.limit+missSlack {
		t.Errorf("the file has %d lines, want at most %d", n, m.limit+missSlack)
	}
	again := newMisses(path, m.now)
	again.limit = m.limit
	if err := again.load(); err != nil {
		t.Fatal(err)
	}
	got := again.since(time.Time{})
	if len(got) != m.limit || got[m.limit-1].Key != testKey(1<<20, "package")+".siginfo" {
		t.Errorf("%d misses are left, want the newest %d", len(got), m.limit)
	}
	for n := range 3 * m.limit {
		m.missed(testKey(n, "compile"))
	}
	if len(m.looked)+len(m.older) > 2*m.limit {
		t.Errorf("%d names wait for a signature, want at most %d", len(m.looked)+len(m.older), 2*m.limit)
	}
}
