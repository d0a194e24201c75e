package ctl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const sampleTable = `22 1 254:0 / / rw,relatime - ext4 /dev/root rw
35 22 0:44 / /mnt/my\040sstate rw,nosuid,nodev shared:7 - fuse.sstatefs /srv/x rw,user_id=1000,group_id=1000
36 22 0:45 / /mnt/other rw - fuse.sshfs host: rw,user_id=0
37 22 0:46 / /mnt/empty rw -  ext4  rw
`

func TestParseTable(t *testing.T) {
	table, err := parseTable(strings.NewReader(sampleTable))
	if err != nil {
		t.Fatal(err)
	}
	e, ok := table.At("/mnt/my sstate")
	want := TableEntry{Mountpoint: "/mnt/my sstate", Type: "fuse.sstatefs", Source: "/srv/x", Connection: 44, UID: 1000, ID: 35, Parent: 22, Shared: 7}
	if !ok || e != want || !e.Ours() || !e.mayHang() {
		t.Errorf("At() = %+v, %v, want %+v", e, ok, want)
	}
	if e, _ := table.At("/mnt/other"); e.Ours() || !e.mayHang() {
		t.Errorf("sshfs is taken for %+v", e)
	}
	if e, _ := table.At("/"); e.mayHang() || e.UID != -1 {
		t.Errorf("ext4 is taken for %+v", e)
	}
	if _, err := parseTable(strings.NewReader("nonsense\n")); err == nil {
		t.Error("parseTable() reads nonsense")
	}
}

func TestAbove(t *testing.T) {
	table, err := parseTable(strings.NewReader(sampleTable))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/mnt/my sstate": "/mnt/my sstate", "/mnt/my sstate/ab/cd": "/mnt/my sstate", "/mnt/my sstate2": "/", "/": "/",
	} {
		if e, ok := table.Above(path); !ok || e.Mountpoint != want {
			t.Errorf("Above(%q) = %q, %v, want %q", path, e.Mountpoint, ok, want)
		}
	}
	if !table.MayHang("/mnt/other/x") || table.MayHang("/mnt") {
		t.Error("MayHang() does not tell what may hang")
	}
	if e, ok := table[1:].Above("/home"); ok {
		t.Errorf("Above() = %+v without a root", e)
	}
}

func TestReadTable(t *testing.T) {
	table, err := ReadTable()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := table.At("/"); !ok {
		t.Errorf("ReadTable() has no root among %d mounts", len(table))
	}
}

func TestResolve(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mnt := filepath.Join(dir, "mnt")
	links := map[string]string{"abs": mnt, "rel": "sub/../mnt", "chain": "abs", "self": "self", "up": ".."}
	for _, name := range []string{"mnt", "sub"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	table := Table{{Mountpoint: mnt, Type: fsType}}
	for path, want := range map[string]string{
		"mnt": mnt, "mnt/": mnt, "./sub/../mnt": mnt, "abs": mnt, "rel": mnt, "chain": mnt,
		"up/" + filepath.Base(dir) + "/mnt": mnt, "none/there": filepath.Join(dir, "none/there"),
		// Below a FUSE mount nothing is asked: this would be ENOTDIR.
		"abs/x/y": filepath.Join(mnt, "x/y"),
	} {
		if got, err := table.Resolve(filepath.Join(dir, path)); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
	if got, err := table.Resolve(filepath.Join(dir, "self")); err == nil {
		t.Errorf("Resolve() of a loop = %q, nil", got)
	}
}

// A mount in a container stays when it is unmounted here; a copy that follows
// ours, as services of systemd have it, does not.
func TestUsersSeesMountsOfOthers(t *testing.T) {
	const here = `22 1 254:0 / / rw shared:1 - ext4 /dev/root rw
35 22 0:44 / /srv/sstate rw shared:7 - fuse.sstatefs /srv/x rw,user_id=0
`
	parse := func(text string) Table {
		table, err := parseTable(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	for name, c := range map[string]struct {
		table string
		path  string
		keeps bool
	}{
		"container": {"90 80 0:70 / / rw master:3 - overlay overlay rw\n91 90 0:44 / /sstate rw master:7 - fuse.sstatefs /srv/x rw\n", "/sstate", true},
		"private":   {"90 80 254:0 / / rw - ext4 /dev/root rw\n91 90 0:44 / /srv/sstate rw - fuse.sstatefs /srv/x rw\n", "/srv/sstate", true},
		"slave":     {"90 80 254:0 / / rw shared:5 master:1 - ext4 /dev/root rw\n91 90 0:44 / /srv/sstate rw master:7 - fuse.sstatefs /srv/x rw\n", "/srv/sstate", false},
		"peer":      {"90 80 254:0 / / rw shared:1 - ext4 /dev/root rw\n91 90 0:44 / /srv/sstate rw shared:7 - fuse.sstatefs /srv/x rw\n", "/srv/sstate", false},
		"another":   {"91 90 0:45 / /srv/sstate rw - fuse.sstatefs /srv/x rw\n92 90 8:44 / /srv/sstate rw - ext4 /dev/sdc rw\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			table := parse(here)
			s := &userSearch{mount: table[1], on: table[0]}
			v := s.look(parse(c.table), true)
			if strings.Join(v.paths, " ") != c.path || v.keeps != c.keeps {
				t.Errorf("look() = %+v, want %q, kept: %v", v, c.path, c.keeps)
			}
			if s.isFirst(v) != c.keeps || s.isFirst(v) {
				t.Error("isFirst() does not tell it once")
			}
			if v := s.look(parse(c.table), false); v.keeps {
				t.Errorf("a mount of our own namespace keeps it: %+v", v)
			}
		})
	}
}

func TestUsersFindsAWorkingFolderAndAnOpenFile(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "60")
	sleeper.Dir = dir
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	defer sleeper.Wait()
	defer sleeper.Process.Kill()
	users := Users(TableEntry{Mountpoint: dir})
	if len(users) != 1 || users[0].PID != sleeper.Process.Pid || users[0].Command != "sleep" {
		t.Errorf("Users() = %+v, want pid %d (sleep)", users, sleeper.Process.Pid)
	}
	f, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if users := Users(TableEntry{Mountpoint: dir}); len(users) != 2 {
		t.Errorf("Users() = %+v, want this process too", users)
	}
	if users := Users(TableEntry{Mountpoint: dir + "x"}); len(users) != 0 {
		t.Errorf("Users() of a folder with a longer name = %+v, want none", users)
	}
}
