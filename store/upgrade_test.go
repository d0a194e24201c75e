package store

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// put makes a file of a cache directory.
func (l layout) put(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(l.path(name)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.path(name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestFormatRefused opens directories that are no caches of this version: they
// are refused in one line that says what, where and what to do, and stay as they
// are.
func TestFormatRefused(t *testing.T) {
	key := testKey(1, "package")
	queued := "queue/00000000000000000001-create/" + key[strings.LastIndexByte(key, '/')+1:]
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"newer":       {map[string]string{"format": "sstatefs cache 3\nremote memory\n", queued: "x"}, "has format 3, and this sstatefs knows 2: use the newer"},
		"much newer":  {map[string]string{"format": "sstatefs cache 4000000000\n"}, "has format 4000000000"},
		"beyond":      {map[string]string{"format": "sstatefs cache 99999999999999999999\nremote memory\n"}, "no cache of sstatefs, or a damaged one: give another"},
		"zero":        {map[string]string{"format": "sstatefs cache 0\nremote memory\n"}, "no cache of sstatefs"},
		"no number":   {map[string]string{"format": "sstatefs cache \nremote memory\n"}, "no cache of sstatefs"},
		"empty":       {map[string]string{"format": ""}, `begins with ""`},
		"cut":         {map[string]string{"format": "sstatefs cache 1"}, "names no remote"},
		"zeros":       {map[string]string{"format": strings.Repeat("\x00", 200)}, "no cache of sstatefs"},
		"garbage":     {map[string]string{"format": "\xff\x1b[31m\r\xfe"}, `"\xff\x1b[31m\r\xfe"`},
		"huge":        {map[string]string{"format": strings.Repeat("sstatefs cache 1 ", 1<<17)}, "no cache of sstatefs"},
		"folder":      {map[string]string{"format/file": ""}, "is a directory"},
		"lost":        {map[string]string{queued: "x"}, "has no file format, and holds"},
		"a home":      {map[string]string{"fetch/thesis.tex": "x"}, "fetch/thesis.tex"},
		"their queue": {map[string]string{"queue/job/1": "x"}, "queue/job/1"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			l := layout{t.TempDir()}
			for name, content := range c.files {
				l.put(t, name, content)
			}
			_, err := Open(context.Background(), Options{Dir: l.dir, Remote: remotetest.NewMemory()})
			_, recalled := Recall(l.dir)
			if err == nil || recalled == nil {
				t.Fatalf("Open, Recall = %v, %v, want errors", err, recalled)
			}
			text := err.Error()
			if !strings.Contains(text, c.want) || !strings.Contains(text, l.dir) || !strings.Contains(text, "give another --cache-dir") {
				t.Errorf("Open = %q, want %q, where, and what to do", text, c.want)
			}
			if strings.ContainsAny(text, "\n\r\x1b\x00") || len(text) > 500 || !strings.HasPrefix(text, "cache ") {
				t.Errorf("no line for people: %q", text)
			}
			for name, content := range c.files {
				if got, err := os.ReadFile(l.path(name)); err != nil || string(got) != content {
					t.Errorf("%s changed: %v", name, err)
				}
			}
		})
	}
}

// TestCacheInACache: a new cache is not made where another may remove it.
func TestCacheInACache(t *testing.T) {
	outer := layout{t.TempDir()}
	outer.put(t, "format", "sstatefs cache 2\nremote memory\n")
	for _, dir := range []string{"inner", "fetch/inner", "objects/a/b/c"} {
		inner := layout{outer.path(dir)}
		if err := os.MkdirAll(inner.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), Options{Dir: inner.dir, Remote: remotetest.NewMemory()})
		if err == nil || !strings.Contains(err.Error(), "inside the cache "+outer.dir) {
			t.Errorf("%s: Open = %v, want it to name the cache around it", dir, err)
		}
		if left, err := os.ReadDir(inner.dir); err != nil || len(left) > 0 {
			t.Errorf("%s: it left %v, %v", dir, left, err)
		}
	}
	other := layout{outer.dir + "-beside"}
	outer.put(t, "made/format", "sstatefs cache 2\nremote memory\n") // of before this was refused
	for _, dir := range []string{other.dir, outer.path("made")} {
		if _, err := Recall(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// TestFormatOfOthers opens directories that hold nothing to lose.
func TestFormatOfOthers(t *testing.T) {
	for name, files := range map[string][]string{
		"empty":          nil,
		"killed at once": {"lock", "fetch/b", "fetch/" + probeName(), "format.new"},
		"own disk":       {"lost+found/x", "log"},
		"forgotten":      {"objects/" + testKey(1, "package"), "index/root"},
	} {
		l := layout{t.TempDir()}
		for _, file := range files {
			l.put(t, file, "x")
		}
		s, err := Open(context.Background(), Options{Dir: l.dir, Remote: remotetest.NewMemory()})
		if err != nil {
			t.Errorf("%s: Open: %v", name, err)
			continue
		}
		_, err = s.Close(context.Background())
		if text, _ := os.ReadFile(l.path("format")); err != nil || !strings.HasPrefix(string(text), "sstatefs cache 2\nremote memory\n") {
			t.Errorf("%s: Close: %v, format %q", name, err, text)
		}
	}
}

// TestUnknownEntry meets an entry of the queue that this version does not
// understand: somebody was told that it will be sent.
func TestUnknownEntry(t *testing.T) {
	key := testKey(1, "package")
	base := key[strings.LastIndexByte(key, '/')+1:]
	for _, dir := range []string{
		"queue/00000000000000000007-append", "queue/00000000000000000007", "queue/x-create", "queue/held/00000000000000000007-append",
	} {
		r := newRig(t, nil)
		r.mustPublish(testKey(2, "package"), "sent")
		r.close()
		r.layout.put(t, dir+"/"+base, "acknowledged")
		if _, err := Open(context.Background(), r.opt); err == nil || !strings.Contains(err.Error(), dir+"/"+base) {
			t.Errorf("%s: Open = %v, want an error that names the file", dir, err)
		}
		if text, _ := os.ReadFile(r.layout.path(dir, base)); string(text) != "acknowledged" {
			t.Errorf("%s: the file reads %q", dir, text)
		}
		if err := os.RemoveAll(r.layout.path(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(r.layout.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
		r.open() // an empty folder is nothing
	}
}

// TestUnknownMemories meets an index, a record of misses and a line of learned
// of other versions: they are dropped, said, and made again.
func TestUnknownMemories(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, func(o *Options, traits *remote.Traits) {
		traits.CheapStat = false
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	missed, key := testKey(1, "package"), testKey(2, "package")
	r.mem.Set(remote.Key(key), []byte("there"))
	if _, err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	build := func() {
		t.Helper()
		_, _ = r.Lookup(t.Context(), missed)
		r.mustPublish(missed, "archive")
		r.mustPublish(missed+".siginfo", "signature")
	}
	build()
	r.close()
	for _, name := range []string{"index/" + key[:2], "index/root"} {
		if _, err := os.Stat(r.layout.path(name)); err != nil {
			t.Fatal(err)
		}
		r.layout.put(t, name, "sstatefs index 9\nwhatever")
	}
	r.layout.put(t, "misses", "sstatefs misses 9\n1 2 "+missed+".siginfo\n")
	log.Reset()
	r.open()
	if got := r.Misses(time.Time{}); len(got) != 0 {
		t.Errorf("Misses() of another version = %v", got)
	}
	for _, want := range []string{"index not loaded", "not an index of this sstatefs", "record of misses not read", "another version"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if got, err := r.read(key); err != nil || got != "there" {
		t.Errorf("read = %q, %v", got, err)
	}
	if err := r.Unlink(t.Context(), missed); err != nil {
		t.Fatal(err)
	}
	if err := r.Unlink(t.Context(), missed+".siginfo"); err != nil {
		t.Fatal(err)
	}
	build()
	r.close()
	if text, _ := os.ReadFile(r.layout.path("misses")); !strings.HasPrefix(string(text), missesHeader+"\n") || strings.Count(string(text), "\n") != 2 {
		t.Errorf("the record is %q, want a header and a line", text)
	}
	if text, _ := os.ReadFile(r.layout.path("index", rootFile)); !strings.HasPrefix(string(text), indexMagic) {
		t.Errorf("the index begins with %.40q", text)
	}
}
