package integration

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var writeFixture = flag.String("upgrade.write", "", "write a cache directory and what it holds to testdata/upgrade/NAME")

// fixture says what a cache directory of an earlier version holds. It was
// written by a daemon of that version, after some use, while its remote was
// away.
type fixture struct {
	Sent    map[string]string // objects that the remote has, and their sums
	Queued  map[string]string // objects that it is to have
	Removed []string          // objects that it is to lose
	Scratch map[string]string // private files and their contents
	Misses  []string          // signatures that builds missed
}

const fixtures = "testdata/upgrade"

// The committed fixtures. When the format changes the next is made by
// go test ./integration -run TestWriteFixture -upgrade.write=format3
// and these stay.
const (
	first   = "format1"
	current = "format2"
)

// TestWriteFixture writes the fixture of this version, if asked to.
func TestWriteFixture(t *testing.T) {
	if *writeFixture == "" {
		t.Skip("writes a fixture: -upgrade.write=NAME")
	}
	s := newSiteOn(t, indexed())
	f := &fixture{Scratch: map[string]string{"hashserv.db": "database", "own/folder/file": "kept"}}
	keys := archives("earlier", 5)
	m := s.mount("a", "--drain-timeout=1s")
	s.check(m, keys[:2])
	f.Sent = s.publishSmall(m, with(keys[:2], ".siginfo"), keys[:3])
	s.put(keys[4], "fetched from another host")
	f.Sent[keys[4]] = s.sum(keys[4])
	m.refresh()
	a := s.self()
	a.do("read_file", m.path(keys[4]))
	a.do("makedirs", m.path("own/folder"))
	for path, content := range f.Scratch {
		a.do("write_file", m.path(path), content)
	}
	m.flush()
	f.Misses = with(keys[:2], ".siginfo")
	s.hide()
	f.Queued = s.publishSmall(m, []string{keys[0] + ".siginfo", keys[3] + ".siginfo"}, []string{keys[3]})
	a.do("unlink", m.path(keys[2]))
	f.Removed = keys[2:3]
	delete(f.Sent, keys[2])
	delete(f.Sent, keys[0]+".siginfo")
	a.end()
	if r := m.unmount(); r.code != 3 {
		t.Fatalf("unmount: exit %d: %s", r.code, r.stderr)
	}
	f.write(t, s, m.cache)
}

func (f *fixture) write(t *testing.T, s *site, cache string) {
	t.Helper()
	text, err := json.MarshalIndent(f, "", "\t")
	if err == nil {
		err = os.MkdirAll(fixtures, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(fixtures, *writeFixture+".json"), append(text, '\n'), 0o644)
	}
	dir, e := filepath.Abs(fixtures)
	if err != nil || e != nil {
		t.Fatal(err, e)
	}
	s.sh(`tar --xattrs --owner=0 --group=0 --sort=name --exclude=./log -C "$1" -c . | gzip -9n >"$2"`, cache, filepath.Join(dir, *writeFixture+".tar.gz"))
}

// check looks archives up in vain.
func (s *site) check(m *mount, keys []string) {
	s.t.Helper()
	s.build("check", m.point, keys).all(s.t, "missing", keys)
}

// publishSmall publishes objects of some hundred bytes, signatures by rename and
// archives by link.
func (s *site) publishSmall(m *mount, signatures, archives []string) map[string]string {
	s.t.Helper()
	a := s.self()
	defer a.end()
	made := map[string]string{}
	for _, key := range append(append([]string{}, archives...), signatures...) {
		tmp := m.path(filepath.Dir(key), "sigtask.abcdefgh")
		a.do("makedirs", filepath.Dir(tmp), 0o775, true)
		s.sh(`cd "$1"; printf '%s' "$2" >f; if test -n "$4"; then zstd -qc f; else tar -c --mtime=@0 f | zstd -qc; fi >"$3"; rm f`,
			s.path("work"), fmt.Sprint(key, len(made)), tmp, strings.TrimPrefix(filepath.Ext(key), ".zst"))
		made[key] = sum(tmp)
		if filepath.Ext(key) == ".siginfo" {
			a.do("rename", tmp, m.path(key))
			continue
		}
		a.do("link", tmp, m.path(key))
		a.do("unlink", tmp)
	}
	return made
}

// TestUpgrade mounts a cache directory that an earlier version has left: what it
// holds is served, what it was to send is sent, and nothing else is lost.
func TestUpgrade(t *testing.T) {
	asItIs := func(*testing.T, string) {}
	for name, c := range map[string]struct {
		fixture string
		change  func(*testing.T, string)
	}{
		"format 2": {current, asItIs}, "format 1": {first, asItIs}, "0.1": {first, asOfFirst}, "another index": {current, otherMemories},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			s := newSiteOn(t, indexed())
			f, m := unpackFixture(t, s, c.fixture, c.change)
			m.restart()
			m.flush()
			want := merge(t, f.Sent, f.Queued)
			s.shares(want)
			m.holds(want)
			for _, key := range f.Removed {
				s.self().want("ENOENT", "stat", m.path(key))
			}
			for path, content := range f.Scratch {
				if got := s.self().read(m.path(path)); got != content {
					t.Errorf("scratch %s reads %q, want %q", path, got, content)
				}
			}
			if c.fixture == current && name != "another index" {
				f.isRemembered(t, s, m)
			}
			m.mustCount("queue.objects", 0, "queue.held", 0)
			m.stop()
			m.restart() // with what this version has written
			m.holds(want)
			m.stop()
		})
	}
}

// isRemembered checks what need not survive, but does from one version to the
// same.
func (f *fixture) isRemembered(t *testing.T, s *site, m *mount) {
	t.Helper()
	text, err := os.ReadFile(m.cache + "/misses")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range f.Misses {
		if !strings.Contains(string(text), key) {
			t.Errorf("the miss of %s is forgotten", key)
		}
	}
	if n := m.count("fetched.objects"); n != 0 {
		t.Errorf("%d objects were fetched that the cache had", n)
	}
	if log, _ := os.ReadFile(m.logFile()); strings.Contains(string(log), "index not loaded") {
		t.Error("the index was not loaded")
	}
}

// unpackFixture makes the fixture the cache of a mount that is to be started,
// and the remote what the fixture knows of it.
func unpackFixture(t *testing.T, s *site, name string, change func(*testing.T, string)) (*fixture, *mount) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(fixtures, name+".json"))
	f := &fixture{}
	if err == nil {
		err = json.Unmarshal(text, f)
	}
	tar, e := filepath.Abs(filepath.Join(fixtures, name+".tar.gz"))
	if err != nil || e != nil {
		t.Fatal(err, e)
	}
	m := s.mount("a")
	m.stop()
	ours, err := os.ReadFile(m.cache + "/format") // where this remote is
	if err != nil {
		t.Fatal(err)
	}
	s.sh(`rm -rf "$1"; mkdir "$1"; tar --xattrs --xattrs-include='user.*' -C "$1" -xzf "$2"`, m.cache, tar)
	theirs, err := os.ReadFile(m.cache + "/format")
	if err != nil {
		t.Fatal(err)
	}
	_, where, _ := strings.Cut(string(ours), "\n")
	version, _, _ := strings.Cut(string(theirs), "\n")
	replacePlain(t, m.cache+"/format", version+"\n"+where)
	for key := range f.Sent {
		content, err := os.ReadFile(m.cache + "/objects/" + key)
		if err != nil {
			t.Fatal(err)
		}
		s.put(key, string(content))
	}
	for _, key := range append(f.Removed, archives("earlier", 1)[0]+".siginfo") { // which is replaced
		s.put(key, "old content")
		s.age([]string{key}, 1e9*3600*24*365)
	}
	change(t, m.cache)
	return f, m
}

// asOfFirst turns a cache into what the first version wrote: a folder of the
// queue held the whole path of its key, and the record of misses had no header.
func asOfFirst(t *testing.T, cache string) {
	t.Helper()
	dirs, err := os.ReadDir(cache + "/queue")
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`:([0-9a-f]{2})([0-9a-f]{2})[0-9a-f]{60}_`)
	for _, d := range dirs {
		entries, _ := os.ReadDir(cache + "/queue/" + d.Name())
		if d.Name() == "held" || len(entries) != 1 {
			continue
		}
		name := entries[0].Name()
		h := hash.FindStringSubmatch(name)
		words := strings.SplitN(d.Name(), "-", 3)
		key := filepath.Join(append(words[2:], h[1], h[2], name)...)
		was, now := cache+"/queue/"+d.Name()+"/"+name, cache+"/queue/first-"+words[0]+"/"+key
		if err := os.MkdirAll(filepath.Dir(now), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, step := range []error{
			os.Rename(was, now), os.Remove(cache + "/queue/" + d.Name()),
			os.Rename(cache+"/queue/first-"+words[0], cache+"/queue/"+words[0]+"-"+words[1]),
		} {
			if step != nil {
				t.Fatal(step)
			}
		}
	}
	text, err := os.ReadFile(cache + "/misses")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(text), "\n")
	replacePlain(t, cache+"/misses", lines)
}

// otherMemories makes everything that can be found out again look like that of
// a version to come.
func otherMemories(t *testing.T, cache string) {
	t.Helper()
	for _, name := range files(t, cache+"/index") {
		replacePlain(t, cache+"/index/"+name, "sstatefs index 9\nwhatever")
	}
	replacePlain(t, cache+"/misses", "sstatefs misses 9\nwhatever\n")
	replacePlain(t, cache+"/learned", "v99 whatever\n")
	replacePlain(t, cache+"/cleaned.json", "{whatever")
}
