package integration

import (
	"bufio"
	"cmp"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// disk is what a power cut leaves of a cache directory: what was brought to
// disk by an fsync of the file (its content) and of its folder (its name), as
// the daemon has written down, or was there when it last stopped cleanly.
type disk struct {
	log      string            // written by the daemon
	read     int64             // of it, in bytes
	names    map[string]string // file by path
	contents map[string]bool   // by identity
}

func newDisk(log string) *disk {
	return &disk{log: log, names: map[string]string{}, contents: map[string]bool{}}
}

// fileOf is an identity without the size.
func fileOf(identity string) string {
	file, _, _ := strings.Cut(identity, "/")
	return file
}

// all takes what is there now as being on disk.
func (d *disk) all(t *testing.T, cache string) {
	t.Helper()
	d.names, d.contents = map[string]string{}, map[string]bool{}
	err := filepath.WalkDir(cache, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		id := failpoint.Identity(path)
		d.names[path], d.contents[id] = fileOf(id), true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.catchUp(t, false)
}

// catchUp reads what the daemon has written down since, or passes over it.
func (d *disk) catchUp(t *testing.T, counts bool) {
	t.Helper()
	f, err := os.Open(d.log)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(d.read, 0); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() {
		d.read += int64(len(scan.Bytes())) + 1
		if counts {
			d.synced(strings.Split(scan.Text(), "\t"))
		}
	}
	if err := scan.Err(); err != nil {
		t.Fatal(err)
	}
}

// synced takes one line: a path and its identity, and for a folder names and
// identities of what is in it.
func (d *disk) synced(words []string) {
	path := words[0]
	d.contents[words[1]] = true
	for i := 2; i+1 < len(words); i += 2 {
		d.names[path+"/"+words[i]] = fileOf(words[i+1])
	}
}

// hasName reports whether a file's name, and those of the folders above it, are
// on disk.
func (d *disk) hasName(path, cache string) bool {
	for ; path != cache; path = filepath.Dir(path) {
		if d.names[path] != fileOf(failpoint.Identity(path)) {
			return false
		}
	}
	return true
}

// cutPower does to the cache what a power cut may do. Contents that are not on
// disk go, whole or in part, or stay. Names that are not go from some moment on:
// file systems journal them in their order. The next daemon runs under another
// kernel. It returns the damaged objects that still have a name.
func (l *lane) cutPower(r *rand.Rand, ph *photo) (damaged map[string]bool) {
	l.t.Helper()
	l.cuts++
	l.disk.catchUp(l.t, true)
	if !l.rewind(ph) {
		l.forget(r)
	}
	files, damaged := map[string]bool{}, map[string]bool{}
	for _, path := range l.cachePaths() {
		id := failpoint.Identity(path)
		if !l.disk.contents[id] && !files[fileOf(id)] && r.IntN(2) == 0 {
			l.damage(r, path)
			files[fileOf(id)] = true
		}
		if files[fileOf(id)] {
			damaged[l.keyAt(path)] = true
		}
	}
	l.otherBoot()
	l.disk.all(l.t, l.m.cache)
	return damaged
}

// cachePaths are the files of the cache.
func (l *lane) cachePaths() []string {
	l.t.Helper()
	paths := files(l.t, l.m.cache)
	for i, name := range paths {
		paths[i] = filepath.Join(l.m.cache, name)
	}
	return paths
}

// forget takes away the latest names of those that are not on disk.
func (l *lane) forget(r *rand.Rand) {
	l.t.Helper()
	var loose []string
	var kept int64 // when the last name came that stays
	for _, path := range l.cachePaths() {
		switch {
		case l.disk.hasName(path, l.m.cache):
		case l.disk.names[path] != "": // it would have to become again what it has replaced
			kept = max(kept, changed(l.t, path))
		default:
			loose = append(loose, path)
		}
	}
	loose = slices.DeleteFunc(loose, func(path string) bool { return changed(l.t, path) <= kept })
	if len(loose) == 0 || r.IntN(2) == 0 {
		return
	}
	// Whatever is done begins with a name in the queue; the clock of a file system
	// stands still for milliseconds.
	later := func(path string) int {
		if room := l.room(path); room == "queue" || room == "pinned" {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(loose, func(a, b string) int {
		return cmp.Or(cmp.Compare(changed(l.t, a), changed(l.t, b)), cmp.Compare(later(a), later(b)))
	})
	for _, path := range loose[r.IntN(len(loose)):] {
		if was := l.disk.formerly(path); was != "" {
			l.must(os.MkdirAll(filepath.Dir(was), 0o775))
			l.must(os.Rename(path, was))
			continue
		}
		l.must(os.Remove(path))
	}
}

// formerly is the name that a file has on disk and has lost: it was renamed. It
// is "" for one that is new.
func (d *disk) formerly(path string) string {
	file := fileOf(failpoint.Identity(path))
	for was, id := range d.names {
		if _, err := os.Lstat(was); id == file && os.IsNotExist(err) {
			return was
		}
	}
	return ""
}

// changed is when a file's inode was changed last, in nanoseconds since 1970.
func changed(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ctim.Nano()
}

// room is the part of the cache that a path is in.
func (l *lane) room(path string) string {
	room, _, _ := strings.Cut(strings.TrimPrefix(path, l.m.cache+"/"), "/")
	return room
}

// keyAt is the key of the object at a path of the cache: of its name in
// objects/ or in the queue, which need not have its folders there.
func (l *lane) keyAt(path string) string {
	if room := l.room(path); room != "objects" && room != "queue" {
		return ""
	}
	for _, key := range l.keys {
		if filepath.Base(key) == filepath.Base(path) {
			return key
		}
	}
	return ""
}

// damage takes from a file what was not on disk: all of it, its end, or a part
// that reads as zeros. Its times stay, as they are in the inode.
func (l *lane) damage(r *rand.Rand, path string) {
	l.t.Helper()
	st, err := os.Lstat(path)
	if err != nil {
		l.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	defer f.Close()
	size := max(1, st.Size())
	from := r.Int64N(size)
	switch r.IntN(4) {
	case 0:
		err = f.Truncate(0)
	case 1:
		err = f.Truncate(from)
	case 2:
		_, err = f.WriteAt(make([]byte, st.Size()), 0)
	default:
		_, err = f.WriteAt(make([]byte, min(st.Size()-from, 1+r.Int64N(4096))), from)
	}
	if err == nil {
		err = os.Chtimes(path, time.Time{}, st.ModTime())
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// otherBootID is no boot of this machine.
const otherBootID = "ffffffff-0000-4000-8000-000000000000\n"

// isUnchecked tells whether a power cut may have left damage that no daemon has
// found yet: it is checked in the background, and before use.
func (l *lane) isUnchecked() bool {
	boot, _ := os.ReadFile(l.m.cache + "/running")
	return string(boot) == otherBootID
}

// otherBoot makes the daemon that ran one of another boot of this machine.
func (l *lane) otherBoot() {
	l.t.Helper()
	running := l.m.cache + "/running"
	if _, err := os.Stat(running); err != nil {
		return
	}
	if err := os.WriteFile(running, []byte(otherBootID), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// before is what the objects of a round were before it.
func (l *lane) before(p *plan) map[string]map[string]bool {
	old := map[string]map[string]bool{}
	for _, key := range l.keysOf(p) {
		old[key] = l.object(key).may
	}
	for _, th := range p.theirs {
		delete(old, th.key)
	}
	return old
}

// loosen allows what a power cut may cost: an object may be again what it was
// before the round, unless the remote has the new one, or with --durability=data
// its publish was acknowledged. What went as soon as it was there may be there
// again.
func (l *lane) loosen(p *plan, old map[string]map[string]bool) {
	if l.alone {
		l.loosenAlone()
	}
	for _, key := range l.keysOf(p) {
		was, ok := old[key]
		o, far := l.object(key), l.far(key)
		if !ok {
			o.may[far] = o.may[far] || l.alone // ours may be lost, theirs is there
			continue
		}
		if l.data && o.lives && o.acked != absent {
			continue
		}
		may := map[string]bool{far: true}
		for s := range o.may {
			may[s] = true
		}
		for s := range was {
			may[s] = may[s] || far == absent || was[far] || l.alone
		}
		o.may = may
	}
	for _, st := range p.all() {
		if st.offers() && st.leaves() == absent && st.outcome == "ack" {
			l.object(st.key).may[st.sum] = true
		}
	}
}

// loosenAlone allows the loss of what is nowhere else, and was not on disk: it
// may be of an earlier round.
func (l *lane) loosenAlone() {
	l.disk.catchUp(l.t, true)
	for _, key := range l.keys {
		path := filepath.Join(l.m.cache, "pinned", key)
		if id := failpoint.Identity(path); id == "" || !l.disk.contents[id] || !l.disk.hasName(path, l.m.cache) {
			o := l.object(key)
			o.may[absent], o.may[o.theirs] = true, true
		}
	}
}

// lossIsTold checks that the daemon says what it has lost: acknowledged objects
// whose content did not survive.
func (l *lane) lossIsTold(p *plan, damaged map[string]bool) {
	l.t.Helper()
	text, err := os.ReadFile(l.m.logFile())
	if err != nil {
		l.t.Fatal(err)
	}
	told := string(text[l.logged:])
	for _, key := range l.keysOf(p) {
		o := l.object(key)
		if !o.lives || o.acked == absent || !damaged[key] || o.may[o.acked] {
			continue
		}
		l.lost++
		// With a damaged archive its .sig goes without a word of its own.
		if !strings.Contains(told, strings.TrimSuffix(key, sstate.SideSig)) {
			l.t.Errorf("round %d: %s was acknowledged and lost, and the daemon does not say so", p.round, key)
		}
	}
}
