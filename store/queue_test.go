package store

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
		s.queue.dropShared()
		if left, _ := filepath.Glob(dir + "/queue/0*"); len(left) > 0 {
			t.Errorf("%s: left behind: %v", file, left)
		}
	}
}

var (
	hash64    = "abcd" + strings.Repeat("0", 60)
	longExtra = strings.Repeat("x", 200)
)

// TestSharedFolders records entries as publishes do: many share a folder, but
// never two of one key, whose order the numbers of their folders tell.
func TestSharedFolders(t *testing.T) {
	dir := t.TempDir()
	q := newQueue(layout{dir}, time.Now)
	content := filepath.Join(dir, "content")
	if err := os.WriteFile(content, []byte("content"), 0o666); err != nil {
		t.Fatal(err)
	}
	record := func(key string, o op) *entry {
		t.Helper()
		e := &entry{seq: q.nextSeq(), key: key, op: o, tried: make(chan struct{})}
		from := content
		if o == opRemove {
			from = ""
		}
		if err := q.record(e, from); err != nil {
			t.Fatal(err)
		}
		q.add(e)
		return e
	}
	var all []*entry
	for n := range 2*sharedBy + 1 {
		all = append(all, record(testKey(n, "package"), opCreate))
	}
	key := testKey(0, "package")
	chain := []*entry{all[0], record(key, opReplace), record(key, opRemove), record(key, opCreate)}
	folders, _ := filepath.Glob(dir + "/queue/0*")
	if want := 3 + 3; len(folders) != want { // the last three of key have their own
		t.Errorf("%d entries of new keys and 3 of an old one are in %d folders, want %d", len(all), len(folders), want)
	}
	for n := range chain[1:] {
		if chain[n].folder >= chain[n+1].folder {
			t.Errorf("entry %d of a key is in %s, the next in %s", n, chain[n].folder, chain[n+1].folder)
		}
	}
	stuck := &entry{seq: q.nextSeq(), key: testKey(2*sharedBy, "package"), op: opCreate, tried: make(chan struct{})}
	q.finish(all[2*sharedBy]) // its file stays, as on a disk that lets nothing go
	if err := q.record(stuck, content); err != nil || stuck.folder == all[2*sharedBy].folder {
		t.Errorf("record of a key whose old file stays: %v, in %s", err, stuck.folder)
	}
	for _, e := range append(append(all, chain[1:]...), stuck) {
		q.erase(e, false)
	}
	q.dropShared()
	if left, _ := filepath.Glob(dir + "/queue/0*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestSharedFoldersComeAndGo records and erases from many sides: a folder that is
// full and empty goes, also from under who has entered it and not written yet.
func TestSharedFoldersComeAndGo(t *testing.T) {
	dir := t.TempDir()
	q := newQueue(layout{dir}, time.Now)
	var wg sync.WaitGroup
	for side := range 4 {
		wg.Go(func() {
			for n := range sharedBy {
				e := &entry{seq: q.nextSeq(), key: testKey(side*sharedBy+n, "package"), op: opRemove, tried: make(chan struct{})}
				if err := q.record(e, ""); err != nil {
					t.Error(err)
					return
				}
				q.add(e)
				if n%100 == 0 {
					q.dropShared()
				}
				if _, err := os.Stat(q.path(e, false)); err != nil {
					t.Error(err)
				}
				q.conclude(e)
			}
		})
	}
	wg.Wait()
	q.dropShared()
	if left, _ := filepath.Glob(dir + "/queue/0*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
