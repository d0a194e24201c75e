package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestQueueOfAnEarlierVersion reads entries in the folders of their keys.
func TestQueueOfAnEarlierVersion(t *testing.T) {
	name := "sstate:zlib:core2-64-poky-linux:1.3:r0:core2-64:14:" + hash64 + "_package.tar.zst"
	tests := map[string]string{ // file below the entry's folder, and its key
		"00000000000000000001-create/ab/cd/" + name:                   "ab/cd/" + name,
		"00000000000000000002-create/universal/ab/cd/" + name:         "universal/ab/cd/" + name,
		"00000000000000000003-create/" + name:                         "ab/cd/" + name,
		"00000000000000000004-create-universal-4.9/" + name:           "universal-4.9/ab/cd/" + name,
		"00000000000000000005-replace/" + name + ".siginfo":           "ab/cd/" + name + ".siginfo",
		"00000000000000000006-remove-debian-12/" + name:               "debian-12/ab/cd/" + name,
		"00000000000000000007-create/" + longExtra + "/ab/cd/" + name: longExtra + "/ab/cd/" + name,
	}
	for file, want := range tests {
		dir := t.TempDir()
		s := &Store{layout: layout{dir}, queue: newQueue(layout{dir}, nil)}
		path := filepath.Join(dir, "queue", file)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "queue/held"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), 0o666); err != nil {
			t.Fatal(err)
		}
		entries, err := s.readQueue()
		if err != nil || len(entries) != 1 || entries[0].key != want {
			t.Errorf("%s: readQueue gives %v, %v, want one entry of %s", file, entries, err, want)
			continue
		}
		e := entries[0]
		if got, err := os.ReadFile(s.queue.path(e, false)); string(got) != "content" {
			t.Errorf("%s: its file is not where it is looked for: %v", file, err)
		}
		s.queue.erase(e, false)
		s.queue.dropSpares()
		if left, _ := filepath.Glob(dir + "/queue/0*"); len(left) > 0 {
			t.Errorf("%s: left behind: %v", file, left)
		}
	}
}

var (
	hash64    = "abcd" + strings.Repeat("0", 60)
	longExtra = strings.Repeat("x", 200)
)
