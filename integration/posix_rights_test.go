package integration

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// onSharedFileSystems runs a test of rights as two guests, on the disk and on a
// mount of root with --allow-other.
func onSharedFileSystems(t *testing.T, test func(t *testing.T, dir string, super, a, b *actor)) {
	t.Helper()
	needsRoot(t)
	for _, where := range []string{"disk", "mount"} {
		t.Run(where, func(t *testing.T) {
			s := newSite(t)
			dir := s.mkdir("plain", 0o777)
			if where == "mount" {
				dir = s.mount("a", "--allow-other").path("folder")
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(dir, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			super, a, b := s.actorIn(root, dir), s.actor(guestA), s.actor(guestB)
			a.do("chdir", dir)
			b.do("chdir", dir)
			test(t, dir, super, a, b)
		})
	}
}

// TestRights is who may do what to whose file.
func TestRights(t *testing.T) {
	onSharedFileSystems(t, func(_ *testing.T, _ string, super, a, b *actor) {
		a.do("write_file", "file", "of a")
		a.do("chmod", "file", 0o644)
		a.do("mkdir", "dir", 0o755)
		a.do("write_file", "dir/inner", "of a")
		a.do("mkdir", "secret", 0o700)
		a.do("write_file", "secret/inner", "of a")
		calls(b, []row{
			{"", "open", []any{"file", unix.O_RDONLY}},
			{"EACCES", "open", []any{"file", unix.O_WRONLY}},
			{"EACCES", "open", []any{"file", unix.O_RDWR | unix.O_TRUNC}},
			{"EACCES", "truncate", []any{"file", 0}},
			{"EPERM", "chmod", []any{"file", 0o777}},
			{"EPERM", "chown", []any{"file", guestB, -1}},
			{"EPERM", "utimens", []any{"file", 1, 1, 1, 1, 0}},
			{"EACCES", "utime", []any{"file"}},
			{"EACCES", "unlink", []any{"dir/inner"}},
			{"EACCES", "rename", []any{"dir/inner", "taken"}},
			{"EACCES", "rename", []any{"file", "dir/file"}},
			{"EACCES", "symlink", []any{"x", "dir/link"}},
			{"EACCES", "mkdir", []any{"dir/new"}},
			{"EACCES", "mkfifo", []any{"dir/new"}},
			{"EACCES", "open", []any{"dir/new", unix.O_CREAT | unix.O_WRONLY}},
			{"EACCES", "stat", []any{"secret/inner"}},
			{"EACCES", "listdir", []any{"secret"}},
			{"EACCES", "chdir", []any{"secret"}},
		})
		b.want("ENOENT", "rmdir", "none")
		a.want("EPERM", "chown", "file", guestB, -1) // giving away is root's
		super.do("open", "secret/inner", unix.O_RDWR)
		a.do("chmod", "file", 0o666)
		b.do("utime", "file") // whoever may write may touch
		b.want("EPERM", "utimens", "file", 1, 1, 1, 1, 0)
		b.do("open", "file", unix.O_WRONLY|unix.O_TRUNC)
	})
}

// TestSticky guards names in a sticky folder.
func TestSticky(t *testing.T) {
	onSharedFileSystems(t, func(_ *testing.T, _ string, super, a, b *actor) {
		super.do("mkdir", "tmp")
		super.do("chmod", "tmp", 0o1777)
		a.do("write_file", "tmp/file", "of a")
		a.do("mkdir", "tmp/dir", 0o777)
		b.do("write_file", "tmp/mine", "of b")
		calls(b, []row{
			{"EPERM", "unlink", []any{"tmp/file"}},
			{"EPERM", "rmdir", []any{"tmp/dir"}},
			{"EPERM", "rename", []any{"tmp/file", "tmp/other"}},
			{"EPERM", "rename", []any{"tmp/mine", "tmp/file"}},
			{"", "rename", []any{"tmp/mine", "tmp/mine2"}},
			{"", "unlink", []any{"tmp/mine2"}},
		})
		a.do("unlink", "tmp/file")
		super.do("rmdir", "tmp/dir")
	})
}

// TestSetuidIsCleared takes the setuid bit away when another user writes.
func TestSetuidIsCleared(t *testing.T) {
	onSharedFileSystems(t, func(t *testing.T, _ string, super, a, b *actor) {
		for _, change := range []func(){
			func() { b.do("write", b.open("program", unix.O_WRONLY), "x") },
			func() { b.do("truncate", "program", 2) },
			func() { super.do("chown", "program", guestB, guestB) },
		} {
			super.do("write_file", "program", "program")
			super.do("chown", "program", guestA, guestA)
			super.do("chmod", "program", 0o6777)
			change()
			if mode := a.attr("program", "mode") & 0o7777; mode != 0o777 {
				t.Errorf("mode after a change is %o, want 777", mode)
			}
		}
	})
}
