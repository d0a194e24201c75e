package integration

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// moved tells which times of a file a call has moved. The clock of files is
// coarse (a jiffy), so it is let pass first.
func moved(t *testing.T, a *actor, path string, call func()) (mtime, ctime bool) {
	t.Helper()
	before := a.do("lstat", path)
	begun := time.Now()
	within(time.Second, func() bool { return time.Since(begun) > 15*time.Millisecond })
	call()
	after := a.do("lstat", path)
	return number(after, "mtime") > number(before, "mtime"), number(after, "ctime") > number(before, "ctime")
}

// TestTimesMove is which calls move which times (POSIX, each call's page).
func TestTimesMove(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		tree(a)
		fd := a.open("file", unix.O_RDWR)
		for _, c := range []struct {
			path         string
			mtime, ctime bool
			call         string
			args         []any
		}{
			{"file", true, true, "pwrite", []any{fd, "x", 0}},
			{"file", true, true, "ftruncate", []any{fd, 3}},
			{"file", true, true, "truncate", []any{"file", 30}},
			{"file", false, true, "chmod", []any{"file", 0o600}},
			{"file", false, true, "link", []any{"file", "second"}},
			{"file", false, true, "unlink", []any{"second"}},
			{"file", false, true, "rename", []any{"file", "file2"}},
			{"file", false, false, "stat", []any{"file"}},
			{"file", true, true, "open", []any{"file", unix.O_WRONLY | unix.O_TRUNC}},
			{"dir", true, true, "write_file", []any{"dir/new", ""}},
			{"dir", true, true, "link", []any{"file", "dir/linked"}},
			{"dir", true, true, "rename", []any{"dir/linked", "dir/renamed"}},
			{"dir", true, true, "unlink", []any{"dir/renamed"}},
			{"dir", true, true, "mkdir", []any{"dir/below"}},
			{"dir", true, true, "rmdir", []any{"dir/below"}},
			{"dir", true, true, "symlink", []any{"x", "dir/symlink"}},
			{"dir", false, true, "chmod", []any{"dir", 0o700}},
		} {
			mtime, ctime := moved(t, a, c.path, func() {
				a.do(c.call, c.args...)
				if c.call == "rename" && c.path == "file" {
					a.do("rename", "file2", "file")
				}
			})
			if mtime != c.mtime || ctime != c.ctime {
				t.Errorf("%s%v: mtime and ctime of %s moved: %v %v, want %v %v", c.call, c.args, c.path, mtime, ctime, c.mtime, c.ctime)
			}
		}
	})
}

// TestUtimens sets times with UTIME_NOW, UTIME_OMIT and nanoseconds, by name,
// by descriptor and of links.
func TestUtimens(t *testing.T) {
	const now, omit = unix.UTIME_NOW, unix.UTIME_OMIT
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		tree(a)
		fd := a.open("file", unix.O_RDONLY)
		at := func(path string, atime, mtime int64) {
			t.Helper()
			st := a.do("lstat", path)
			if got := number(st, "atime"); atime >= 0 && got != atime {
				t.Errorf("atime of %s is %d, want %d", path, got, atime)
			}
			if got := number(st, "mtime"); mtime >= 0 && got != mtime {
				t.Errorf("mtime of %s is %d, want %d", path, got, mtime)
			}
		}
		a.do("utimens", "file", 100, 1, 200, 999999999, 0)
		at("file", 100000000001, 200999999999)
		a.do("utimens", "file", 0, omit, 300, 3, 0)
		at("file", 100000000001, 300000000003)
		a.do("utimens", "file", 400, 4, 0, omit, 0)
		at("file", 400000000004, 300000000003)
		a.do("utimens", "file", 0, omit, 0, omit, 0)
		at("file", 400000000004, 300000000003)
		a.do("utimens", fd, 500, 5, 600, 6, 0)
		at("file", 500000000005, 600000000006)
		a.do("utimens", "file", 0, now, 0, omit, 0)
		at("file", -1, 600000000006)
		if got := time.Since(time.Unix(0, a.attr("file", "atime"))); got > time.Minute {
			t.Errorf("UTIME_NOW set an atime %v ago", got)
		}
		a.do("utimens", "file", 4102444800, 0, 4102444800, 7, 0) // the year 2100
		at("file", 4102444800000000000, 4102444800000000007)
		a.do("utimens", "link", 700, 7, 800, 8, unix.AT_SYMLINK_NOFOLLOW)
		if got := a.attr("link", "mtime"); got != 800000000008 {
			t.Errorf("mtime of a link is %d", got)
		}
		at("file", 4102444800000000000, 4102444800000000007)
		a.do("utimens", "dir", 900, 9, 1000, 10, 0)
		at("dir", -1, 1000000000010)
		a.do("unlink", "file")
		a.do("utimens", fd, 1, 1, 2, 2, 0)
		if got := number(a.do("fstat", fd), "mtime"); got != 2000000002 {
			t.Errorf("mtime of a file without a name is %d", got)
		}
	})
}

// TestModesAndOwners changes both by name and by descriptor.
func TestModesAndOwners(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		tree(a)
		mode := func(path string, want int64) {
			t.Helper()
			if got := a.attr(path, "mode") & 0o7777; got != want {
				t.Errorf("mode of %s is %o, want %o", path, got, want)
			}
		}
		mode("file", 0o664) // 0666 under umask 002
		a.do("mkdir", "made", 0o777)
		mode("made", 0o775)
		for _, m := range []int64{0, 0o1777, 0o2755, 0o4711, 0o644} {
			a.do("chmod", "file", m)
			mode("file", m)
			a.do("chmod", "dir", m|0o700)
			mode("dir", m|0o700)
		}
		fd := a.open("file", unix.O_RDWR)
		a.do("fchmod", fd, 0o640)
		mode("file", 0o640)
		a.do("chown", "file", -1, -1)
		if a.uid == root {
			a.do("chown", "file", guestA, guestB)
			if st := a.do("lstat", "file"); number(st, "uid") != guestA || number(st, "gid") != guestB {
				t.Errorf("owner after chown: %v", st)
			}
			a.do("chown", "file", -1, guestA)
			a.do("lchown", "link", guestB, guestB)
			if a.attr("link", "uid") != guestB || a.attr("file", "uid") != guestA || a.attr("file", "gid") != guestA {
				t.Errorf("lchown of a link")
			}
		}
		a.do("unlink", "file")
		a.do("fchmod", fd, 0o600)
		if got := number(a.do("fstat", fd), "mode"); got != 0o100600 {
			t.Errorf("mode of a file without a name is %o", got)
		}
		a.do("fchown", fd, -1, -1)
	})
}

// TestSetgidFolder hands a folder's group down.
func TestSetgidFolder(t *testing.T) {
	needsRoot(t)
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		if a.uid != root {
			t.Skip("only root gives folders to another group")
		}
		a.do("mkdir", "shared", 0o775)
		a.do("chown", "shared", -1, guestB)
		a.do("chmod", "shared", 0o2775)
		a.do("write_file", "shared/file", "x")
		a.do("mkdir", "shared/dir", 0o755)
		a.do("symlink", "x", "shared/link")
		for _, name := range []string{"shared/file", "shared/dir", "shared/link"} {
			if gid := a.attr(name, "gid"); gid != guestB {
				t.Errorf("group of %s is %d, want the folder's", name, gid)
			}
		}
		if mode := a.attr("shared/dir", "mode") & 0o7777; mode != 0o2755 {
			t.Errorf("mode of a folder below a setgid one is %o", mode)
		}
	})
}

// TestSizes truncates, extends and punches nothing: sparse files.
func TestSizes(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		a.do("write_file", "file", strings.Repeat("0123456789", 1000))
		a.do("truncate", "file", 5)
		a.do("truncate", "file", 8)
		if got := a.read("file"); got != "01234\x00\x00\x00" {
			t.Errorf("content after truncations: %q", got)
		}
		fd := a.open("file", unix.O_RDWR)
		const giga = 1 << 30
		a.do("pwrite", fd, "end", 3*giga)
		st := a.do("fstat", fd)
		if number(st, "size") != 3*giga+3 || number(st, "blocks")*512 > 1<<20 {
			t.Errorf("a sparse file: %v", st)
		}
		if got := integer(a.do("lseek", fd, 1<<20, unix.SEEK_DATA)); got < giga || got > 3*giga {
			t.Errorf("SEEK_DATA = %d", got)
		}
		if got := integer(a.do("lseek", fd, 0, unix.SEEK_HOLE)); got > 1<<20 {
			t.Errorf("SEEK_HOLE = %d", got)
		}
		a.do("ftruncate", fd, 0)
		a.do("posix_fallocate", fd, 0, 1<<20)
		if st := a.do("fstat", fd); number(st, "size") != 1<<20 || number(st, "blocks")*512 < 1<<20 {
			t.Errorf("after fallocate: %v", st)
		}
		appender := a.open("file", unix.O_WRONLY|unix.O_APPEND)
		a.do("write", appender, "one")
		a.do("pwrite", fd, "two", 1<<20+3)
		a.do("write", appender, "three")
		if got := a.do("pread", fd, 100, 1<<20); got != "onetwothree" {
			t.Errorf("O_APPEND: %q", got)
		}
		a.do("fsync", fd)
		a.do("fdatasync", appender)
		a.do("fsync", a.open(".", unix.O_RDONLY|unix.O_DIRECTORY))
		copied := a.open("file", unix.O_RDONLY)
		out := int(integer(a.do("open", "copy", unix.O_CREAT|unix.O_WRONLY, 0o644)))
		a.do("sendfile", out, copied, 1<<20, 11)
		a.do("copy_file_range", copied, out, 11, 1<<20)
		if got := a.read("copy"); got != "onetwothreeonetwothree" && got != "onetwothree" {
			t.Errorf("sendfile and copy_file_range: %q", got)
		}
	})
}

// TestMappings shares pages between two processes.
func TestMappings(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("write_file", "shm", strings.Repeat("\x00", 32768))
		ma := integer(a.do("mmap_open", a.open("shm", unix.O_RDWR), 32768))
		fd := b.open("shm", unix.O_RDWR)
		mb := integer(b.do("mmap_open", fd, 32768))
		a.do("mmap_write", ma, 4090, "across a page")
		if got := b.do("mmap_read", mb, 4090, 4103); got != "across a page" {
			t.Errorf("the other process sees %q", got)
		}
		b.do("mmap_write", mb, 20000, "from b")
		a.do("mmap_flush", ma)
		if got := b.do("pread", fd, 6, 20000); got != "from b" {
			t.Errorf("read(2) sees %q", got)
		}
		a.do("unlink", "shm")
		b.do("mmap_write", mb, 0, "still")
		if got := a.do("mmap_read", ma, 0, 5); got != "still" {
			t.Errorf("without a name: %q", got)
		}
	})
}
