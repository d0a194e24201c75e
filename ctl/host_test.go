package ctl

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestPlaceName(t *testing.T) {
	a, b := placeName("/mnt/sstate"), placeName("/srv/sstate")
	if a == b || !strings.HasPrefix(a, "sstate-") || !strings.HasPrefix(b, "sstate-") {
		t.Errorf("placeName gives %q and %q, want two names that begin with sstate-", a, b)
	}
	odd := placeName("/mnt/" + strings.Repeat("x", 200) + "/a b\nc:\u00e9")
	if len(odd) > 40 || strings.ContainsAny(odd, " \n:/") {
		t.Errorf("placeName of an odd path = %q", odd)
	}
}

func TestMakeDir(t *testing.T) {
	h := testHost(t)
	dir, err := h.makeDir()
	if err != nil || dir != filepath.Join(h.RuntimeDir, "sstatefs") {
		t.Errorf("makeDir() = %q, %v", dir, err)
	}
	user := Host{UID: 1000, Root: h.Root}
	if got, want := user.ownDirs()[0], filepath.Join(h.Root, "tmp/sstatefs-1000"); got != want {
		t.Errorf("without XDG_RUNTIME_DIR a user's folder is %q, want %q", got, want)
	}
	root := Host{UID: 0, Root: h.Root}
	if got, want := root.ownDirs()[0], filepath.Join(h.Root, "run/sstatefs"); got != want {
		t.Errorf("root's folder is %q, want %q", got, want)
	}
}

// Whoever may write to the folder, or put a symlink there, could answer for
// the mount.
func TestMakeDirRefusesFoldersOfOthers(t *testing.T) {
	h := testHost(t)
	h.RuntimeDir = ""
	dir := h.ownDirs()[0]
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := h.makeDir(); err == nil {
		t.Error("makeDir() takes a folder that everybody may write to")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := h.makeDir(); err == nil {
		t.Error("makeDir() takes a symlink")
	}
}

func TestClaimIsExclusive(t *testing.T) {
	h := testHost(t)
	first, err := h.Claim(MountInfo{Mountpoint: "/mnt/a", PID: 4711})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Claim(MountInfo{Mountpoint: "/mnt/a", PID: 4712})
	want := "/mnt/a: the daemon with pid 4711 serves this mountpoint"
	if !IsKind(err, KindBusy) || err.Error() != want {
		t.Errorf("second Claim() = %v, want %q", err, want)
	}
	other, err := h.Claim(MountInfo{Mountpoint: "/mnt/b"})
	if err != nil {
		t.Errorf("Claim() of another mountpoint = %v", err)
	}
	other.Release()
	first.Release()
	first.Release()
	again, err := h.Claim(MountInfo{Mountpoint: "/mnt/a"})
	if err != nil {
		t.Fatalf("Claim() after Release() = %v", err)
	}
	again.Release()
}

func TestStaleRecordsAreRemoved(t *testing.T) {
	h := testHost(t)
	alive, err := h.Claim(MountInfo{Mountpoint: "/mnt/alive", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Release()
	dead, err := h.Claim(MountInfo{Mountpoint: "/mnt/dead", PID: os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	dead.file.Close() // as the end of a process does
	records := h.records()
	if len(records) != 1 || records[0].Mountpoint != "/mnt/alive" {
		t.Errorf("records() = %+v, want the living one", records)
	}
	if _, err := os.Stat(dead.path); !os.IsNotExist(err) {
		t.Errorf("the record of a dead daemon: %v, want it gone", err)
	}
	if _, err := os.Stat(alive.path); err != nil {
		t.Errorf("the record of a living daemon: %v", err)
	}
}

// As root, status reads folders of other users: what is in them must neither
// hang nor lead elsewhere.
func TestRecordsOfOddKindsAreSkipped(t *testing.T) {
	h := testHost(t)
	dir, err := h.makeDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if records := h.records(); len(records) != 0 {
		t.Errorf("records() = %+v, want none", records)
	}
}

// leftRecord leaves the record of a dead daemon, and its socket, in a folder.
func leftRecord(t *testing.T, dir, mountpoint string) (files []string) {
	t.Helper()
	text, err := json.Marshal(MountInfo{Mountpoint: mountpoint})
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".json", ".sock"} {
		file := filepath.Join(dir, placeName(mountpoint)+suffix)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func present(t *testing.T, files []string) {
	t.Helper()
	for _, file := range files {
		if _, err := os.Lstat(file); err != nil {
			t.Errorf("removed: %v", err)
		}
	}
}

// Files that are no records of ours stay, whatever JSON they are.
func TestOtherFilesStay(t *testing.T) {
	h := testHost(t)
	dir, err := h.makeDir()
	if err != nil {
		t.Fatal(err)
	}
	moved := leftRecord(t, dir, "/mnt/a")[0]
	files := []string{filepath.Join(dir, "daemon.json"), filepath.Join(dir, "daemon.sock"), filepath.Join(dir, "renamed.json")}
	if err := os.Rename(moved, files[2]); err != nil {
		t.Fatal(err)
	}
	for _, file := range files[:2] {
		if err := os.WriteFile(file, []byte(`{"debug":true}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if records := h.records(); len(records) != 0 {
		t.Errorf("records() = %+v, want none", records)
	}
	present(t, files)
}

// The owner of a folder that root looks into can put a link to another in its
// place at any moment.
func TestFolderThatIsExchanged(t *testing.T) {
	mine, victim := filepath.Join(t.TempDir(), "sstatefs"), t.TempDir()
	if err := os.Mkdir(mine, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := openRecordDir(mine, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	files := leftRecord(t, victim, "/mnt/a")
	left := leftRecord(t, mine, "/mnt/a")
	if err := os.Rename(mine, mine+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, mine); err != nil {
		t.Fatal(err)
	}
	if records := dir.records(); len(records) != 0 {
		t.Errorf("records() = %+v, want none", records)
	}
	present(t, files)
	if _, err := os.Lstat(filepath.Join(mine+".old", filepath.Base(left[0]))); !os.IsNotExist(err) {
		t.Errorf("the record of a dead daemon: %v, want it gone", err)
	}
	if _, err := openRecordDir(mine, os.Getuid()); err == nil {
		t.Error("openRecordDir() follows a symlink")
	}
	if _, err := openRecordDir(victim, os.Getuid()+1); err == nil {
		t.Error("openRecordDir() opens a folder of another user")
	}
}

func TestListenReplacesADeadSocketOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	first, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(path); err == nil || !strings.Contains(err.Error(), "another daemon listens there") {
		t.Errorf("listen() on a live socket = %v", err)
	}
	first.Close() // leaves the file, as a killed daemon does
	second, err := listen(path)
	if err != nil {
		t.Fatalf("listen() on a dead socket = %v", err)
	}
	second.Close()
	plain := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(plain); err == nil {
		t.Error("listen() takes the place of an ordinary file")
	}
}

// XDG_RUNTIME_DIR can be any folder; sun_path has 108 bytes.
func TestLongSocketPaths(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100), strings.Repeat("e", 100))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s.sock")
	l, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialSocket(testContext(t), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	uid, err := peerUID(conn)
	if err != nil || uid != os.Getuid() {
		t.Errorf("peerUID() = %d, %v, want %d", uid, err, os.Getuid())
	}
}

func TestLimitListenerClosesWhileFull(t *testing.T) {
	inner, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l := newLimitListener(inner, 0)
	conn, err := dialSocket(testContext(t), inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	l.Close()
	if err := <-ended; err == nil {
		t.Error("Accept() of a closed listener = nil")
	}
}

func TestDialSaysWhatIsThere(t *testing.T) {
	h := testHost(t)
	dir := t.TempDir()
	_, err := h.Dial(dir)
	if !IsKind(err, KindNotMounted) || err.Error() != dir+": no sstatefs is mounted there" {
		t.Errorf("Dial() of a folder = %v, want KindNotMounted", err)
	}
	table := Table{{Mountpoint: "/m", Type: "fuse.sstatefs", UID: 1000}}
	if err := (Host{UID: 1000}).absence(table, "/m"); !IsKind(err, KindDead) {
		t.Errorf("an own mount without daemon is %v, want KindDead", err)
	}
	if err := (Host{UID: 1001}).absence(table, "/m"); !IsKind(err, KindDenied) {
		t.Errorf("another user's mount is %v, want KindDenied", err)
	}
}

// Root reads what everybody writes. A user who names a mountpoint of another must
// not be taken for its daemon.
func TestRecordOfAnotherUser(t *testing.T) {
	const point = "/srv/sstate"
	record := func(uid int) MountInfo { return MountInfo{Mountpoint: point, UID: uid} }
	ours := func(uid int) Table { return Table{{Mountpoint: point, Type: fsType, UID: uid}} }
	for name, c := range map[string]struct {
		caller  int
		table   Table
		records []MountInfo
		want    int // the UID of the record that is taken
		kind    Kind
	}{
		"impostor first":         {0, ours(0), []MountInfo{record(1001), record(0)}, 0, ""},
		"impostor alone":         {0, ours(0), []MountInfo{record(1001)}, -1, KindDead},
		"user's mount":           {0, ours(1000), []MountInfo{record(0), record(1001), record(1000)}, 1000, ""},
		"own":                    {1000, ours(1000), []MountInfo{record(1000)}, 1000, ""},
		"over a mount of others": {1000, ours(0), []MountInfo{record(1000)}, -1, KindDenied},
		"not mounted":            {0, nil, []MountInfo{record(1001), record(0)}, 0, ""},
		"not mounted, another's": {0, nil, []MountInfo{record(1001)}, -1, KindDenied},
		"something else mounted": {0, Table{{Mountpoint: point, Type: "nfs4", UID: -1}}, []MountInfo{record(1001)}, -1, KindDenied},
		"nobody's":               {0, nil, []MountInfo{{Mountpoint: "/mnt", UID: 0}}, -1, KindNotMounted},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Host{UID: c.caller}.serverOf(c.table, point, c.records)
			if c.want < 0 {
				if !IsKind(err, c.kind) {
					t.Errorf("serverOf() = %+v, %v, want %s", got, err, c.kind)
				}
			} else if err != nil || got.UID != c.want {
				t.Errorf("serverOf() = %+v, %v, want that of user %d", got, err, c.want)
			}
		})
	}
	all := ours(0).believed([]MountInfo{record(1001), record(0), {Mountpoint: "/mnt", UID: 1001}})
	if len(all) != 2 || all[0].UID != 0 || all[1].Mountpoint != "/mnt" {
		t.Errorf("believed() = %+v, want those of the mount's owner and of what is not mounted", all)
	}
}

func TestMountsFindsACustomSocket(t *testing.T) {
	h := testHost(t)
	socket := filepath.Join(t.TempDir(), "elsewhere.sock")
	claim, err := h.Claim(MountInfo{Mountpoint: "/mnt/custom", PID: os.Getpid(), UID: os.Getuid(), Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	mount := newFakeMount()
	session := NewSession(newFakeStore(), mount, claim.Info())
	server, err := Serve(ServerOptions{Session: session, Claim: claim})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Wait()
	defer mount.end()
	defer server.Close()
	all, err := h.Mounts(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range all {
		if found.Mountpoint == "/mnt/custom" && found.Err == nil && found.Status.Mount.Socket == socket {
			return
		}
	}
	t.Errorf("Mounts() = %+v, want /mnt/custom among them", all)
}
