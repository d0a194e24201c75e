package file

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// nobody is the user of the child.
const nobody = 65534

// foreignRoot names the environment variable with a root that belongs to
// another user.
const foreignRoot = "SSTATEFS_FILE_FOREIGN"

// TestAsOrdinaryUser tests what permissions forbid. Root may do everything, so
// it starts the test again as another user.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Getuid() == 0 {
		runAsNobody(t)
		return
	}
	t.Run("Root", testDeniedRoot)
	t.Run("Folders", testDeniedFolders)
	t.Run("Foreign", testForeignFiles)
}

func runAsNobody(t *testing.T) {
	dir, err := os.MkdirTemp("", "sstatefs") // not t.TempDir, whose parent is closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	foreign, temp := filepath.Join(dir, "foreign"), filepath.Join(dir, "temp")
	mustWrite(t, filepath.Join(foreign, string(key)), "foreign")
	mustWrite(t, filepath.Join(foreign, "ab/cd/tmp"), "foreign, and not mine to link")
	old := time.Now().Add(-time.Hour)
	binary := filepath.Join(dir, "test")
	for _, err := range []error{
		os.Chmod(dir, 0o755), os.Mkdir(temp, 0o755), os.Chown(temp, nobody, nobody),
		os.Chmod(filepath.Join(foreign, "ab/cd"), 0o777),
		os.Chmod(filepath.Join(foreign, string(key)), 0o666),
		os.Chtimes(filepath.Join(foreign, string(key)), old, old),
		os.Chmod(filepath.Join(foreign, "ab/cd/tmp"), 0o644),
		exec.CommandContext(t.Context(), "cp", os.Args[0], binary).Run(), os.Chmod(binary, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	child := exec.CommandContext(t.Context(), binary, "-test.run=^TestAsOrdinaryUser$", "-test.v")
	child.Dir = dir
	child.Env = append(os.Environ(), "TMPDIR="+temp, foreignRoot+"="+foreign)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := child.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("as an ordinary user: %v\n%s", err, out)
	}
}

// denied makes a folder inaccessible until the test ends.
func denied(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o755) })
}

func testDeniedRoot(t *testing.T) {
	h := harness(t)
	d := h.Remote.(*Dir)
	create(t, d, key, "x")
	denied(t, h.Address, 0)
	for name, err := range map[string]error{
		"Put":    d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}),
		"Delete": d.Delete(t.Context(), key),
		"Touch":  d.Touch(t.Context(), key, time.Time{}),
		"List":   d.List(t.Context(), "", func(remote.Info) error { return nil }),
		"Probe":  d.Probe(t.Context()),
	} {
		if !errors.Is(err, remote.ErrPermission) {
			t.Errorf("%s = %v, want %v", name, err, remote.ErrPermission)
		}
	}
	wantStat(t, d, key, remote.ErrPermission)
	if _, err := Open(t.Context(), h.Address+"/below", remote.OpenOptions{}); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Open below it = %v, want %v", err, remote.ErrPermission)
	}
	denied(t, h.Address, 0o555)
	if err := d.Put(t.Context(), "cd/ef/sstate:x", remotetest.Bytes("x"), remote.PutOptions{}); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Put = %v, want %v", err, remote.ErrPermission)
	}
	if err := d.Probe(t.Context()); err != nil {
		t.Errorf("Probe = %v where only writing is denied", err)
	}
}

func testDeniedFolders(t *testing.T) {
	h := harness(t)
	d := h.Remote.(*Dir)
	for _, key := range []remote.Key{key, "lost+found/sstate:x", "ab/tmp12345/sstate:x"} {
		create(t, d, key, "x")
	}
	denied(t, h.Address+"/lost+found", 0)
	denied(t, h.Address+"/ab/tmp12345", 0o311)
	if got := listed(t, d); !slices.Equal(got, []string{string(key)}) {
		t.Errorf("List = %q, want what may be read", got)
	}
	if err := d.List(t.Context(), "lost+found", func(remote.Info) error { return nil }); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("List of a denied folder = %v, want %v", err, remote.ErrPermission)
	}
	wantStat(t, d, "lost+found/sstate:x", remote.ErrPermission)
	denied(t, h.Address+"/ab/cd", 0o555)
	if err := d.Delete(t.Context(), key, "ab/cd/sstate:missing"); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Delete = %v, want %v", err, remote.ErrPermission)
	}
	denied(t, filepath.Join(h.Address, string(key)), 0)
	wantStat(t, d, key, nil)
	if _, err := read(t, d, key); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Get = %v, want %v", err, remote.ErrPermission)
	}
}

// testForeignFiles: in a shared directory a use of another user's object is
// recorded.
func testForeignFiles(t *testing.T) {
	root := os.Getenv(foreignRoot)
	if root == "" {
		t.Skip("files of another user need a test that begins as root")
	}
	d := mustOpen(t, root, remote.OpenOptions{})
	before, err := d.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Touch(t.Context(), key, before.ModTime.Add(-time.Hour)); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Touch with an older time = %v, want %v", err, remote.ErrPermission)
	}
	wanted := before.ModTime.Add(time.Minute)
	if err := d.Touch(t.Context(), key, wanted); err != nil {
		t.Errorf("Touch = %v", err)
	}
	if info, err := d.Stat(t.Context(), key); err != nil || info.ModTime.Before(wanted) {
		t.Errorf("Stat = %v, %v, want at least %v", info.ModTime, err, wanted)
	}
	testWithoutLink(t, d, root)
}

// testWithoutLink: link(2) of another user's file is EPERM, as it is on file
// systems that have no links (with fs.protected_hardlinks, the default).
func testWithoutLink(t *testing.T, d *Dir, root string) {
	if b, err := os.ReadFile("/proc/sys/fs/protected_hardlinks"); err != nil || b[0] != '1' {
		t.Skipf("fs.protected_hardlinks is %q, %v: link would succeed", b, err)
	}
	fd, err := open(unix.AT_FDCWD, filepath.Join(root, "ab/cd"), unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(fd)
	taken := &temporary{folder: fd, name: "tmp", base: "sstate:x"}
	if err := d.claim(taken); !errors.Is(err, unix.EEXIST) || taken.gone {
		t.Errorf("claim of a taken name = %v, want %v", err, unix.EEXIST)
	}
	free := &temporary{folder: fd, name: "tmp", base: "sstate:free"}
	if err := d.claim(free); err != nil || !free.gone {
		t.Errorf("claim = %v, want success", err)
	}
	wantStat(t, d, "ab/cd/sstate:free", nil)
	if !d.Traits().AtomicCreate {
		t.Errorf("creation is no longer atomic, though renameat2 is there")
	}
}
