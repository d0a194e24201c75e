package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// requestCounts are how often the kernel asked, by opcode.
type requestCounts map[string]int

// A requestLog is the log of a mount that has a line for each request of the
// kernel: also for those that go-fuse answers by itself.
type requestLog struct {
	s     *site
	a     *actor
	point string
	file  string
	marks int
}

// requestLine is how go-fuse logs a request: number, opcode, node, arguments.
var requestLine = regexp.MustCompile(`rx \d+: ([A-Z_]+) (.*)`)

// unsteady are requests that no call waits for, or whose number is the kernel's
// whim; READ and WRITE there are only without passthrough.
var unsteady = map[string]bool{"FORGET": true, "BATCH_FORGET": true, "INTERRUPT": true, "READ": true, "WRITE": true}

// count counts the requests of what calls does. RELEASE comes late: handles is
// how many the calls close.
func (l *requestLog) count(handles int, calls func()) requestCounts {
	l.s.t.Helper()
	begin := l.mark()
	calls()
	var got requestCounts
	within(startLimit, func() bool {
		got = l.between(begin, l.mark())
		return got["RELEASE"] >= handles
	})
	return got
}

// mark asks for a name that is not there, which the log then has.
func (l *requestLog) mark() string {
	l.marks++
	name := fmt.Sprintf("mark-%d", l.marks)
	l.a.want("ENOENT", "lstat", filepath.Join(l.point, name))
	return name
}

// between counts what the log has between two marks, other marks left out.
func (l *requestLog) between(begin, end string) requestCounts {
	l.s.t.Helper()
	text, err := os.ReadFile(l.file)
	if err != nil {
		l.s.t.Fatal(err)
	}
	got, counting := requestCounts{}, false
	for line := range strings.Lines(string(text)) {
		m := requestLine.FindStringSubmatch(line)
		switch {
		case m == nil || unsteady[m[1]]:
		case strings.Contains(m[2], begin+`\"`):
			counting = true
		case strings.Contains(m[2], end+`\"`):
			return got
		case counting && !strings.Contains(m[2], `"mark-`):
			got[m[1]]++
		}
	}
	l.s.t.Fatalf("%s has no %s or %s", l.file, begin, end)
	return nil
}

// most fails where the kernel asked more often than it has to.
func (c requestCounts) most(t *testing.T, what string, want requestCounts) {
	t.Helper()
	for op, n := range c {
		if n > want[op] {
			t.Errorf("%s: %d %s, want at most %d (all: %v)", what, n, op, want[op], c)
		}
	}
	if len(c) == 0 && len(want) > 0 {
		t.Errorf("%s: no request at all: does the log have them?", what)
	}
}

// TestRequests holds what BitBake does to the requests that the kernel needs for
// it. Each costs a round trip between two processes.
func TestRequests(t *testing.T) {
	s := newSiteOn(t, indexed())
	keys := []string{archive("asked", "package", 1), archive("asked", "package", 2)}
	s.writePlain(with(keys[1:], ".siginfo"))
	s.writePlain(keys[1:])
	m := s.mount("a", "--log-level=debug")
	m.refresh()
	l := &requestLog{s: s, a: s.self(), point: m.point, file: m.logFile()}
	l.a.do("makedirs", m.path(filepath.Dir(keys[0])))
	l.publish(m.path(keys[0]))
	l.publishSiginfo(m.path(keys[0] + ".siginfo"))
	l.check(m.path(keys[0]), m.path(keys[1]))
	l.restore(m.path(keys[0]))
	l.miss(m.path(strings.Replace(keys[0], ":asked:", ":absent:", 1)))
}

// publish is that of an archive.
func (l *requestLog) publish(final string) {
	a, tmp := l.a, final+"abcdefgh"
	a.do("write_file", final+"warm_up_", "x") // the first write of a mount: GETXATTR, refused for good
	a.do("unlink", final+"warm_up_")
	l.count(2, func() {
		a.want("ENOENT", "stat", final)
		a.do("stat", filepath.Dir(final))
		first := a.open(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		a.do("stat", tmp)
		tar := a.open(tmp, unix.O_WRONLY|unix.O_TRUNC)
		a.do("dup2", tar, tar+10)
		a.do("close", tar)
		a.do("write", tar+10, letters(40_000))
		a.do("close", tar+10)
		a.do("chmod", tmp, 0o664)
		a.want("ENOENT", "lstat", final)
		a.do("link", tmp, final)
		a.do("utime", tmp)
		a.do("close", first)
		a.do("unlink", tmp)
	}).most(l.s.t, "publish of an archive", requestCounts{
		"LOOKUP":  3, // the name; that of the temporary before O_EXCL; the name again before link(2), whatever the kernel knows
		"GETATTR": 1, // of the folder: what came and went in it has changed its times
		"CREATE":  1, // of the temporary, with its attributes
		"OPEN":    1, // by tar, O_TRUNC included
		"SETATTR": 2, // chmod and utimensat; the answers have the attributes
		"LINK":    1, // with the attributes of the object
		"UNLINK":  1, // of the temporary
		"RELEASE": 2, // of both handles; the kernel does not wait
	})
}

// publishSiginfo is that of a signature.
func (l *requestLog) publishSiginfo(final string) {
	a, tmp := l.a, filepath.Join(filepath.Dir(final), "sigtask.abcdefgh")
	l.count(1, func() {
		a.want("ENOENT", "stat", final)
		a.want("EEXIST", "mkdir", filepath.Dir(final))
		fd := a.open(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC)
		a.do("fstat", fd)
		a.do("dup2", fd, fd+10)
		a.do("write", fd+10, letters(6_000))
		a.do("close", fd+10)
		a.do("close", fd)
		a.do("chmod", tmp, 0o664)
		a.do("rename", tmp, final)
	}).most(l.s.t, "publish of a signature", requestCounts{
		"LOOKUP":  4, // the name; the folder before mkdir(2); the temporary before O_EXCL; the name before rename(2)
		"CREATE":  1,
		"SETATTR": 1, // chmod
		"RENAME":  1,
		"RELEASE": 1,
	})
}

// check is the availability check: of what was published here, of what others
// did, and of both again.
func (l *requestLog) check(own, others string) {
	check := func(final string) func() {
		return func() {
			l.a.do("stat", final)
			l.a.do("utime", final)
			l.a.want("ENOENT", "stat", final+".sig")
			l.a.do("stat", final+".siginfo")
			l.a.do("utime", final+".siginfo")
		}
	}
	l.count(0, check(own)).most(l.s.t, "check of own objects", requestCounts{
		"LOOKUP":  1, // .sig
		"GETATTR": 2, // link(2) and rename(2) have changed ctime, and link the number of names
		"SETATTR": 2,
	})
	l.count(0, check(others)).most(l.s.t, "check of others' objects", requestCounts{
		"LOOKUP":  5, // two folders, which stay known, and three names
		"SETATTR": 2,
	})
	l.count(0, check(own)).most(l.s.t, "second check", requestCounts{"SETATTR": 2})
	l.count(0, check(others)).most(l.s.t, "second check", requestCounts{"SETATTR": 2})
}

// restore reads an archive that is here, and tells that it was used.
func (l *requestLog) restore(final string) {
	a := l.a
	l.count(3, func() {
		a.do("stat", final)
		a.do("stat", final)
		fd := a.open(final, unix.O_RDONLY)
		a.do("dup2", fd, fd+10)
		a.do("close", fd)
		a.do("read", fd+10, 100_000)
		a.do("close", fd+10)
		for _, side := range []string{"", ".siginfo"} {
			a.do("stat", final+side)
			a.do("touch", final+side)
			a.do("utime", final+side)
			a.do("stat", final+side)
		}
	}).most(l.s.t, "restore", requestCounts{
		"OPEN":    3, // the archive, and each file by touch(1)
		"GETATTR": 1, // reading has changed atime
		"SETATTR": 4, // each file is touched twice
		"RELEASE": 3,
	})
}

// miss asks for a name that is not there.
func (l *requestLog) miss(absent string) {
	ask := func() { l.a.want("ENOENT", "stat", absent) }
	l.count(0, ask).most(l.s.t, "miss", requestCounts{"LOOKUP": 1})
	if again := l.count(0, ask); len(again) > 0 {
		l.s.t.Errorf("the second miss took %v", again)
	}
}

// TestFolderGoes: the kernel, which keeps folders for long, hears when the last
// object of one goes.
func TestFolderGoes(t *testing.T) {
	s := newSiteOn(t, indexed())
	keys := archives("going", 3)
	s.writePlain(keys)
	m := s.mount("a")
	m.refresh()
	a := s.self()
	folder := filepath.Dir(keys[0])
	a.do("stat", m.path(keys[0]))
	a.do("stat", m.path(keys[1]))
	s.must("rm", "-r", filepath.Join(s.remote, folder))
	m.refresh()
	for _, gone := range []string{filepath.Dir(folder), folder} { // a lookup of the inner one would look at the outer one too
		if !within(startLimit, func() bool { _, errno := a.call("stat", m.path(gone)); return errno == "ENOENT" }) {
			t.Errorf("%s is still there", gone)
		}
	}
	a.do("stat", m.path(filepath.Dir(keys[1])))
}
