package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

const key = remote.Key("ab/cd/sstate:x")

func mustWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, d *Dir, key remote.Key, content string) {
	t.Helper()
	if err := d.Put(t.Context(), key, remotetest.Bytes(content), remote.PutOptions{Create: true}); err != nil {
		t.Fatalf("Put(%q) = %v", key, err)
	}
}

func wantStat(t *testing.T, d *Dir, key remote.Key, want error) {
	t.Helper()
	if _, err := d.Stat(t.Context(), key); !errors.Is(err, want) {
		t.Errorf("Stat(%q) = %v, want %v", key, err, want)
	}
}

func TestOpenMissing(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a", "root")
	_, err := Open(t.Context(), root, remote.OpenOptions{})
	if !errors.Is(err, remote.ErrUnavailable) || !strings.Contains(err.Error(), "no such directory; is it mounted?") {
		t.Errorf("Open = %v, want %v and a question", err, remote.ErrUnavailable)
	}
	d := mustOpen(t, root, remote.OpenOptions{Known: true})
	wantStat(t, d, key, remote.ErrUnavailable)
	if tr := d.Traits(); tr.CheapStat || tr.Identity != "" {
		t.Errorf("Traits of what was never seen = %+v, want no cheap Stat", tr)
	}
	if _, err := os.Lstat(filepath.Dir(root)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	made := mustOpen(t, root, remote.OpenOptions{Create: true})
	create(t, made, key, "x")
	wantStat(t, d, key, nil)
	if d.Traits() != made.Traits() || made.Traits().Identity == "" {
		t.Errorf("Traits = %+v and %+v, want the same", d.Traits(), made.Traits())
	}
	if _, err := Open(t.Context(), filepath.Join(root, string(key)), remote.OpenOptions{}); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Open of a file = %v, want %v", err, remote.ErrUnavailable)
	}
}

func TestIndexRule(t *testing.T) {
	root := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(root, &fs); err != nil {
		t.Fatal(err)
	}
	local := isLocal(int64(fs.Type))
	for query, want := range map[string]bool{
		"": local, "?index=auto": local, "?index=always": false, "?index=never": true,
	} {
		if got := mustOpen(t, "file://"+root+query, remote.OpenOptions{}).Traits().CheapStat; got != want {
			t.Errorf("CheapStat with %q = %t, want %t", query, got, want)
		}
	}
	for _, query := range []string{"?index=perhaps", "?indx=always"} {
		if _, err := Open(t.Context(), "file://"+root+query, remote.OpenOptions{}); err == nil {
			t.Errorf("Open with %q succeeds", query)
		}
	}
	for magic, want := range map[int64]bool{
		unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true, unix.TMPFS_MAGIC: true,
		unix.NFS_SUPER_MAGIC: false, unix.FUSE_SUPER_MAGIC: false, 0xFF534D42: false, 0xFF534D42 - 1<<32: false, 0x0BD00BD0: false,
	} {
		if got := isLocal(magic); got != want {
			t.Errorf("isLocal(%x) = %t, want %t", magic, got, want)
		}
	}
}

// An offline remote is taken for what its cache knew.
func TestIdentity(t *testing.T) {
	root := t.TempDir()
	known := mustOpen(t, root, remote.OpenOptions{}).Traits()
	missing := filepath.Join(t.TempDir(), "missing")
	d := mustOpen(t, missing, remote.OpenOptions{Known: true, Identity: known.Identity})
	if d.Traits() != known {
		t.Errorf("Traits = %+v, want %+v", d.Traits(), known)
	}
	const nfs = "6969:0:1"
	if tr := mustOpen(t, missing, remote.OpenOptions{Known: true, Identity: nfs}).Traits(); tr.CheapStat || tr.Identity != nfs {
		t.Errorf("Traits = %+v, want those of NFS", tr)
	}
	for _, bad := range []string{"", "x", "1:2", "1:2:3:4", "1:2:3 "} {
		if _, ok := parseIdentity(bad); ok {
			t.Errorf("parseIdentity(%q) succeeds", bad)
		}
	}

	// The same path with nothing in it, on another file system.
	if _, err := Open(t.Context(), root, remote.OpenOptions{Identity: nfs}); !errors.Is(err, remote.ErrUnavailable) {
		t.Errorf("Open of what lies below a mountpoint = %v, want %v", err, remote.ErrUnavailable)
	}
	d = mustOpen(t, root, remote.OpenOptions{Identity: nfs, Known: true})
	wantStat(t, d, key, remote.ErrUnavailable)
	if err := d.Probe(t.Context()); !errors.Is(err, errNotMounted) {
		t.Errorf("Probe = %v, want %v", err, errNotMounted)
	}
	mustWrite(t, filepath.Join(root, "any file"), "")
	if err := d.Probe(t.Context()); err != nil {
		t.Errorf("Probe = %v when the root is not empty", err)
	}
	wantStat(t, d, key, remote.ErrNotExist)
	if got := d.Traits(); got != known {
		t.Errorf("Traits = %+v, want %+v", got, known)
	}
}

// A root that was restored, or a link to it that was turned, is the same
// remote.
func TestReplacedRoot(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	for _, name := range []string{"one", "two"} {
		mustWrite(t, filepath.Join(dir, name, "ab/cd/sstate:"+name), name)
	}
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, link, remote.OpenOptions{})
	wantStat(t, d, "ab/cd/sstate:one", nil)
	wantStat(t, d, "ab/cd/sstate:two", remote.ErrNotExist)
	before := d.Traits().Identity
	if err := errors.Join(os.Remove(link), os.Symlink("two", link)); err != nil {
		t.Fatal(err)
	}
	wantStat(t, d, "ab/cd/sstate:two", nil)
	wantStat(t, d, "ab/cd/sstate:one", remote.ErrNotExist)
	if d.Traits().Identity == before {
		t.Errorf("Identity is still %q", before)
	}
	if err := errors.Join(os.Remove(link), os.Mkdir(link, 0o755)); err != nil {
		t.Fatal(err)
	}
	wantStat(t, d, "ab/cd/sstate:two", remote.ErrNotExist) // empty, and on the same file system
}

// A real mount that goes away and comes back.
func TestUnmount(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may mount; TestIdentity covers the rule")
	}
	root := t.TempDir()
	mount := func() {
		t.Helper()
		if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size=16m"); err != nil {
			t.Skipf("mount is not permitted here (%v); TestIdentity covers the rule", err)
		}
	}
	unmount := func() {
		t.Helper()
		if err := unix.Unmount(root, 0); err != nil { // not lazily: nothing is held
			t.Errorf("unmount = %v", err)
		}
	}
	mount()
	d := mustOpen(t, root, remote.OpenOptions{})
	create(t, d, key, "x")
	unmount()
	for name, err := range map[string]error{
		"Put":    d.Put(t.Context(), key, remotetest.Bytes("x"), remote.PutOptions{}),
		"Touch":  d.Touch(t.Context(), key, time.Time{}),
		"Delete": d.Delete(t.Context(), key),
		"List":   d.List(t.Context(), "", func(remote.Info) error { return nil }),
		"Probe":  d.Probe(t.Context()),
	} {
		if !errors.Is(err, remote.ErrUnavailable) || !errors.Is(err, errNotMounted) {
			t.Errorf("%s below the mountpoint = %v, want %v", name, err, errNotMounted)
		}
	}
	wantStat(t, d, key, remote.ErrUnavailable)
	mount()
	mustWrite(t, filepath.Join(root, string(key)), "y")
	wantStat(t, d, key, nil)
	testReadOnlyMount(t, d, root)
	testFullDisk(t, d)
	unmount()
	if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
		t.Errorf("below the mountpoint there is %v, %v, want nothing", entries, err)
	}
}

func testReadOnlyMount(t *testing.T, d *Dir, root string) {
	remount := func(flags uintptr) {
		t.Helper()
		if err := unix.Mount("", root, "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(unix.MS_RDONLY)
	if err := d.Touch(t.Context(), key, time.Time{}); !errors.Is(err, remote.ErrPermission) {
		t.Errorf("Touch on a file system that became read-only = %v, want %v", err, remote.ErrPermission)
	}
	if err := d.Probe(t.Context()); err != nil || !d.Traits().ReadOnly {
		t.Errorf("Probe = %v, Traits = %+v, want read-only", err, d.Traits())
	}
	if err := d.Touch(t.Context(), key, time.Time{}); !errors.Is(err, remote.ErrUnsupported) {
		t.Errorf("Touch of a read-only remote = %v, want %v", err, remote.ErrUnsupported)
	}
	remount(0)
	if err := d.Probe(t.Context()); err != nil || d.Traits().ReadOnly {
		t.Errorf("Probe = %v, Traits = %+v, want writable", err, d.Traits())
	}
}

// testFullDisk: ENOSPC is worth another try, later, and leaves nothing.
func testFullDisk(t *testing.T, d *Dir) {
	err := d.Put(t.Context(), "ab/cd/sstate:big", remotetest.Bytes(make([]byte, 20<<20)), remote.PutOptions{})
	if !errors.Is(err, remote.ErrUnavailable) || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Put to a full disk = %v, want %v and %v", err, remote.ErrUnavailable, unix.ENOSPC)
	}
	if err := d.Leftovers(t.Context(), func(i remote.Info) error { t.Errorf("leftover %q", i.Key); return nil }); err != nil {
		t.Error(err)
	}
}
