package integration

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
)

// A photo is what the names of a cache directory were at one moment of a round,
// with all that a name stood for: a file system that journals its changes in
// their order has this on disk after a power cut, if nothing was synced since.
// What was removed later is there again, and what was renamed has its old name.
type photo struct {
	syncs   int64 // length of the log of syncs then
	folders []string
	files   []pictured // in the order of their making
}

// pictured is one name of a file.
type pictured struct {
	path     string // below the cache
	identity string
	content  []byte
	mode     fs.FileMode
	modified time.Time
	attrs    map[string][]byte
}

// unpictured are rooms that no daemon looks into.
const unpictured = "broken"

// photograph takes a photo of the cache once so many answers came, if the daemon
// lives then. It does not move meanwhile.
func (l *lane) photograph(p *plan) *photo {
	l.t.Helper()
	if !p.power || p.rewind < 0 {
		return nil
	}
	within(startLimit, func() bool { return l.isDead() || int(l.answers.Load()) >= p.rewind || l.idle() })
	defer func() { _ = l.m.cmd.Process.Signal(syscall.SIGCONT) }()
	if l.isDead() || !l.halt() {
		return nil
	}
	return takePhoto(l.t, l.m.cache, fileSize(l.disk.log))
}

// halt stops the daemon, all threads of it, and says no if it cannot: it has died,
// or the kernel keeps a thread that waits for another one.
func (l *lane) halt() bool {
	l.t.Helper()
	_ = l.m.cmd.Process.Signal(syscall.SIGSTOP)
	return within(time.Second, func() bool { return l.isDead() || l.stands() }) && !l.isDead()
}

// stands reports whether no thread of the daemon runs.
func (l *lane) stands() bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", l.m.cmd.Process.Pid))
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		_, state, _ := bytes.Cut(text, []byte(") "))
		if err != nil || len(state) == 0 || state[0] != 'T' {
			return false
		}
	}
	return len(stats) > 0
}

func takePhoto(t *testing.T, cache string, syncs int64) *photo {
	t.Helper()
	ph := &photo{syncs: syncs}
	err := filepath.WalkDir(cache, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, cache+"/")
		switch {
		case err != nil || path == cache:
			return err
		case name == unpictured:
			return fs.SkipDir
		case d.IsDir():
			ph.folders = append(ph.folders, name)
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		f, err := picture(path)
		f.path = name
		ph.files = append(ph.files, f)
		return err
	})
	if err != nil {
		t.Fatalf("photo: %v", err)
	}
	sort.SliceStable(ph.files, func(i, j int) bool { return born(ph.files[i].identity) < born(ph.files[j].identity) })
	return ph
}

// born is when a file was made, to be compared.
func born(identity string) string {
	_, birth, _ := strings.Cut(fileOf(identity), ".")
	seconds, nanoseconds, _ := strings.Cut(birth, ".")
	return seconds + "." + strings.Repeat("0", max(0, 9-len(nanoseconds))) + nanoseconds
}

func picture(path string) (f pictured, err error) {
	st, err := os.Lstat(path)
	if err != nil {
		return f, err
	}
	f.identity, f.mode, f.modified, f.attrs = failpoint.Identity(path), st.Mode(), st.ModTime(), map[string][]byte{}
	var list, value [4096]byte
	n, _ := unix.Llistxattr(path, list[:])
	for _, attr := range strings.FieldsFunc(string(list[:max(0, n)]), func(c rune) bool { return c == 0 }) {
		if m, err := unix.Lgetxattr(path, attr, value[:]); err == nil {
			f.attrs[attr] = bytes.Clone(value[:m])
		}
	}
	f.content, err = os.ReadFile(path)
	return f, err
}

// rewind makes the names of the cache those of a photo again: files that have
// lost all their names since are made anew, as they were. What was synced since
// then cannot be lost, nor what came before it: then nothing is done.
func (l *lane) rewind(ph *photo) bool {
	l.t.Helper()
	if ph == nil || fileSize(l.disk.log) != ph.syncs {
		return false
	}
	l.rewinds++
	old := l.m.cache + ".old"
	l.must(os.Rename(l.m.cache, old))
	here := map[string]string{} // path by file
	for _, name := range files(l.t, old) {
		here[fileOf(failpoint.Identity(filepath.Join(old, name)))] = filepath.Join(old, name)
	}
	st, err := os.Stat(old)
	l.must(err)
	l.must(os.Mkdir(l.m.cache, st.Mode()))
	for _, dir := range ph.folders {
		st, err := os.Stat(filepath.Join(old, dir))
		mode := fs.FileMode(0o775)
		if err == nil {
			mode = st.Mode()
		}
		l.must(os.Mkdir(filepath.Join(l.m.cache, dir), mode))
	}
	for _, f := range ph.files {
		path := filepath.Join(l.m.cache, f.path)
		if _, err := os.Lstat(filepath.Join(old, f.path)); err != nil || failpoint.Identity(filepath.Join(old, f.path)) != f.identity {
			l.rewound++
		}
		from, ok := here[fileOf(f.identity)]
		if ok {
			l.must(os.Link(from, path))
			continue
		}
		l.must(f.develop(path))
		here[fileOf(f.identity)] = path
		if l.disk.contents[f.identity] {
			l.disk.contents[failpoint.Identity(path)] = true
		}
	}
	l.must(os.Rename(filepath.Join(old, unpictured), filepath.Join(l.m.cache, unpictured)))
	l.must(os.RemoveAll(old))
	return true
}

// develop makes the file of a photo.
func (f *pictured) develop(path string) error {
	err := os.WriteFile(path, f.content, f.mode)
	for attr, value := range f.attrs {
		if err == nil {
			err = unix.Lsetxattr(path, attr, value, 0)
		}
	}
	if err == nil {
		err = os.Chmod(path, f.mode)
	}
	if err == nil {
		err = os.Chtimes(path, time.Time{}, f.modified)
	}
	return err
}

func (l *lane) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// drawRewind draws after how many answers the photo of a power cut is taken,
// negative for none: then only names that are new are lost.
func (p *plan) drawRewind(r *rand.Rand) {
	p.rewind = r.IntN(8)
	if p.death.point == "" {
		p.rewind = r.IntN(p.death.after + 1)
	}
	if r.IntN(3) == 0 {
		p.rewind = -1
	}
}
