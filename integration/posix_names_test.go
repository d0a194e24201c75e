package integration

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onFileSystems runs a test of scratch files where onOwnFileSystems does, and in
// the mount of an ordinary user, which has no passthrough.
func onFileSystems(t *testing.T, test func(t *testing.T, a *actor, dir string)) {
	t.Helper()
	onOwnFileSystems(t, test)
	t.Run("user", func(t *testing.T) {
		needsRoot(t)
		openFuseDevice(t)
		s := newSite(t)
		s.give(nobody)
		dir := s.mountAs(nobody, "a").point
		test(t, s.actorIn(nobody, dir), dir)
	})
}

// onOwnFileSystems runs a test of scratch files in a folder of the disk, which
// shows that the test is right, in a folder of a mount, and in a mount's root.
// The actor's working directory is the place.
func onOwnFileSystems(t *testing.T, test func(t *testing.T, a *actor, dir string)) {
	t.Helper()
	t.Run("disk", func(t *testing.T) {
		s := newSite(t)
		dir := s.mkdir("plain", 0o755)
		test(t, s.actorIn(os.Getuid(), dir), dir)
	})
	t.Run("folder", func(t *testing.T) {
		s := newSite(t)
		dir := s.mount("a").path("folder")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		test(t, s.actorIn(os.Getuid(), dir), dir)
	})
	t.Run("root", func(t *testing.T) {
		s := newSite(t)
		dir := s.mount("a").point
		test(t, s.actorIn(os.Getuid(), dir), dir)
	})
}

// actorIn is an actor in a folder.
func (s *site) actorIn(uid int, dir string) *actor {
	s.t.Helper()
	a := s.actor(uid)
	a.do("chdir", dir)
	return a
}

// row is one call and the errno it has to give, "" for success.
type row struct {
	errno string
	call  string
	args  []any
}

func calls(a *actor, rows []row) {
	a.s.t.Helper()
	for _, r := range rows {
		a.want(r.errno, r.call, r.args...)
	}
}

// tree makes what the tables of errors are about.
func tree(a *actor) {
	a.do("mkdir", "dir", 0o755)
	a.do("mkdir", "empty", 0o755)
	a.do("write_file", "file", "content")
	a.do("write_file", "dir/inner", "inner")
	a.do("symlink", "file", "link")
	a.do("symlink", "nothing", "dangling")
	a.do("symlink", "loop2", "loop1")
	a.do("symlink", "loop1", "loop2")
	a.do("symlink", "dir", "dirlink")
}

// TestErrnoOfNames is what calls on names answer when they cannot work.
func TestErrnoOfNames(t *testing.T) {
	long := letters(256)
	onFileSystems(t, func(_ *testing.T, a *actor, _ string) {
		tree(a)
		calls(a, []row{
			{"ENOENT", "stat", []any{"nothing"}},
			{"ENOENT", "stat", []any{"nothing/below"}},
			{"ENOTDIR", "stat", []any{"file/below"}},
			{"ELOOP", "stat", []any{"loop1"}},
			{"ENOENT", "stat", []any{"dangling"}},
			{"", "lstat", []any{"dangling"}},
			{"ENAMETOOLONG", "stat", []any{long}},
			{"ENAMETOOLONG", "stat", []any{strings.Repeat("a/", 2100)}},

			{"ENOENT", "unlink", []any{"nothing"}},
			{"EISDIR", "unlink", []any{"dir"}},
			{"ENOTDIR", "unlink", []any{"file/below"}},
			{"ENOTDIR", "unlink", []any{"file/"}},
			{"ENAMETOOLONG", "unlink", []any{long}},

			{"EEXIST", "mkdir", []any{"dir"}},
			{"EEXIST", "mkdir", []any{"file"}},
			{"EEXIST", "mkdir", []any{"dangling"}},
			{"EEXIST", "mkdir", []any{"dir/"}},
			{"ENOENT", "mkdir", []any{"nothing/below"}},
			{"ENOTDIR", "mkdir", []any{"file/below"}},
			{"ENAMETOOLONG", "mkdir", []any{long}},
			{"EEXIST", "mkdir", []any{"."}},

			{"ENOTEMPTY", "rmdir", []any{"dir"}},
			{"ENOTDIR", "rmdir", []any{"file"}},
			{"ENOTDIR", "rmdir", []any{"dirlink"}},
			{"ENOENT", "rmdir", []any{"nothing"}},
			{"EINVAL", "rmdir", []any{"empty/."}},
			{"ENOTEMPTY", "rmdir", []any{"dir/.."}},
			{"ENAMETOOLONG", "rmdir", []any{long}},

			{"EEXIST", "symlink", []any{"x", "file"}},
			{"EEXIST", "symlink", []any{"x", "dangling"}},
			{"ENOENT", "symlink", []any{"", "new"}},
			{"ENOENT", "symlink", []any{"x", "nothing/below"}},
			{"ENOTDIR", "symlink", []any{"x", "file/below"}},
			{"ENAMETOOLONG", "symlink", []any{"x", long}},
			{"ENAMETOOLONG", "symlink", []any{strings.Repeat("x", 4096), "new"}},
			{"EINVAL", "readlink", []any{"file"}},
			{"EINVAL", "readlink", []any{"dir"}},
			{"ENOENT", "readlink", []any{"nothing"}},

			{"EEXIST", "mkfifo", []any{"file"}},
			{"ENOENT", "mkfifo", []any{"nothing/below"}},
			{"ENOTDIR", "listdir", []any{"file"}},
			{"ENOENT", "listdir", []any{"nothing"}},
			{"ENOTDIR", "chdir", []any{"file"}},
			{"ENOENT", "chmod", []any{"nothing", 0o644}},
			{"ENOENT", "chown", []any{"nothing", -1, -1}},
			{"ENOENT", "truncate", []any{"nothing", 0}},
			{"EISDIR", "truncate", []any{"dir", 0}},
			{"EINVAL", "truncate", []any{"file", -1}},
			{"ENOENT", "utime", []any{"nothing"}},
		})
	})
}

// TestErrnoOfOpen is what open(2) answers when it cannot work.
func TestErrnoOfOpen(t *testing.T) {
	const creat, excl = unix.O_CREAT | unix.O_WRONLY, unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		tree(a)
		calls(a, []row{
			{"ENOENT", "open", []any{"nothing", unix.O_RDONLY}},
			{"ENOENT", "open", []any{"nothing/below", creat}},
			{"ENOTDIR", "open", []any{"file/below", creat}},
			{"EISDIR", "open", []any{"dir", unix.O_WRONLY}},
			{"EISDIR", "open", []any{"dir", unix.O_RDWR}},
			{"EISDIR", "open", []any{"dir", creat}},
			{"EISDIR", "open", []any{"new/", creat}},
			{"EEXIST", "open", []any{"file", excl}},
			{"EEXIST", "open", []any{"dir", excl}},
			{"EEXIST", "open", []any{"dangling", excl}},
			{"ELOOP", "open", []any{"link", unix.O_RDONLY | unix.O_NOFOLLOW}},
			{"ELOOP", "open", []any{"loop1", unix.O_RDONLY}},
			{"ENOTDIR", "open", []any{"file", unix.O_RDONLY | unix.O_DIRECTORY}},
			{"ENAMETOOLONG", "open", []any{letters(256), creat}},
			{"", "open", []any{"dangling", creat}}, // makes what it points to
			{"", "stat", []any{"nothing"}},
		})
		if got := a.do("readlink", "dangling"); got != "nothing" {
			t.Errorf("readlink = %q", got)
		}
	})
}

// TestErrnoOfLinkAndRename is what these two answer when they cannot work.
func TestErrnoOfLinkAndRename(t *testing.T) {
	long := letters(256)
	onFileSystems(t, func(_ *testing.T, a *actor, _ string) {
		tree(a)
		calls(a, []row{
			{"EEXIST", "link", []any{"file", "dir"}},
			{"EEXIST", "link", []any{"file", "dir/inner"}},
			{"EEXIST", "link", []any{"file", "dangling"}},
			{"ENOENT", "link", []any{"nothing", "new"}},
			{"ENOENT", "link", []any{"file", "nothing/new"}},
			{"EPERM", "link", []any{"dir", "new"}},
			{"ENOTDIR", "link", []any{"file", "file/new"}},
			{"ENAMETOOLONG", "link", []any{"file", long}},
			{"EXDEV", "link", []any{"file", "/dev/shm/sstatefs-x"}},

			{"ENOENT", "rename", []any{"nothing", "new"}},
			{"ENOENT", "rename", []any{"file", "nothing/new"}},
			{"ENOTDIR", "rename", []any{"file", "dir/inner/new"}},
			{"EISDIR", "rename", []any{"file", "empty"}},
			{"ENOTDIR", "rename", []any{"empty", "file"}},
			{"ENOTEMPTY", "rename", []any{"empty", "dir"}},
			{"EINVAL", "rename", []any{"dir", "dir/below"}},
			{"ENAMETOOLONG", "rename", []any{"file", long}},
			{"EEXIST", "renameat2", []any{"file", "dir/inner", unix.RENAME_NOREPLACE}},
			{"EEXIST", "renameat2", []any{"file", "empty", unix.RENAME_NOREPLACE}},
			{"ENOENT", "renameat2", []any{"file", "nothing", unix.RENAME_EXCHANGE}},
			{"EINVAL", "renameat2", []any{"file", "nothing", unix.RENAME_EXCHANGE | unix.RENAME_NOREPLACE}},
		})
	})
}

// TestLinks follows the number of names of a file.
func TestLinks(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, _ string) {
		tree(a)
		ino := a.attr("file", "ino")
		nlink := func(path string, want int64) {
			t.Helper()
			if st := a.do("lstat", path); number(st, "nlink") != want || number(st, "ino") != ino {
				t.Errorf("%s: nlink %d of inode %d, want %d of %d", path, number(st, "nlink"), number(st, "ino"), want, ino)
			}
		}
		a.do("link", "file", "two")
		nlink("file", 2)
		a.do("link", "two", "dir/three")
		nlink("two", 3)
		nlink("dir/three", 3)
		a.do("unlink", "file")
		nlink("two", 2)
		a.do("rename", "two", "dir/three") // both are one file: nothing happens (rename(2))
		nlink("two", 2)
		nlink("dir/three", 2)
		a.do("write_file", "other", "other")
		fd := a.open("other", unix.O_RDONLY)
		a.do("rename", "two", "other")
		nlink("other", 2)
		if got := a.do("pread", fd, 100, 0); got != "other" || number(a.do("fstat", fd), "nlink") != 0 {
			t.Errorf("the file that was replaced: %q, %v", got, a.do("fstat", fd))
		}
		fd = a.open("other", unix.O_RDWR)
		a.do("unlink", "other")
		a.do("unlink", "dir/three")
		if st := a.do("fstat", fd); number(st, "nlink") != 0 || number(st, "ino") != ino {
			t.Errorf("a file without names: %v", st)
		}
		a.do("pwrite", fd, "CONTENT", 0)
		a.do("ftruncate", fd, 4)
		if got := a.do("pread", fd, 100, 0); got != "CONT" {
			t.Errorf("a file without names holds %q", got)
		}
		a.do("link", "link", "link2") // of a symbolic link
		if st := a.do("lstat", "link2"); number(st, "nlink") != 2 {
			t.Errorf("nlink of a symbolic link: %v", st)
		}
	})
}

// TestRenames moves files and folders over one another.
func TestRenames(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		tree(a)
		file, inner := a.attr("file", "ino"), a.attr("dir/inner", "ino")
		a.do("rename", "dir", "empty") // a folder over an empty one
		a.want("ENOENT", "lstat", "dir")
		if a.attr("empty/inner", "ino") != inner || a.read("empty/inner") != "inner" {
			t.Errorf("a file in a moved folder is another")
		}
		a.do("renameat2", "file", "empty/inner", unix.RENAME_EXCHANGE)
		if a.attr("file", "ino") != inner || a.attr("empty/inner", "ino") != file {
			t.Errorf("exchange of two files")
		}
		a.do("renameat2", "file", "empty", unix.RENAME_EXCHANGE) // a file and a folder
		if a.read("empty") != "inner" || a.read("file/inner") != "content" {
			t.Errorf("exchange of a file and a folder")
		}
		a.do("rename", "dangling", "empty")
		if got := a.do("readlink", "empty"); got != "nothing" {
			t.Errorf("a moved link points to %q", got)
		}
		a.do("chdir", "file") // a working directory moves along
		a.do("rename", "../file", "../moved")
		if got := a.do("getcwd"); got != dir+"/moved" {
			t.Errorf("getcwd = %v", got)
		}
		a.do("write_file", "new", "x")
		a.want("", "stat", dir+"/moved/new")
	})
}
