package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestListWhileChanging lists a folder of 5,000 names while another process
// makes and removes names in it: each name that is there all the time is
// listed exactly once.
func TestListWhileChanging(t *testing.T) {
	onOwnFileSystems(t, func(t *testing.T, a *actor, dir string) {
		const names = 5000
		for i := range names {
			if err := os.WriteFile(fmt.Sprintf("%s/stays-%04d", dir, i), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			listOnce(t, a, dir, names)
		}
		for i := range names {
			if err := os.Remove(fmt.Sprintf("%s/stays-%04d", dir, i)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func listOnce(t *testing.T, a *actor, dir string, want int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	seen := map[string]int{}
	buf := make([]byte, 8192)
	for round := 0; ; round++ {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			t.Fatal(err)
		}
		if n <= 0 {
			break
		}
		_, _, some := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range some {
			seen[name]++
		}
		a.do("write_file", fmt.Sprintf("passing-%d", round), "")
		if round > 0 {
			a.do("unlink", fmt.Sprintf("passing-%d", round-1))
		}
	}
	stays := 0
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s was listed %d times", name, times)
		}
		if strings.HasPrefix(name, "stays-") {
			stays++
		}
	}
	if stays != want {
		t.Errorf("%d of %d names were listed", stays, want)
	}
}

// TestListing checks what a listing says: "." and "..", types, inode numbers
// that stat(2) confirms, names in any bytes.
func TestListing(t *testing.T) {
	onOwnFileSystems(t, func(t *testing.T, a *actor, dir string) {
		tree(a)
		a.do("mkfifo", "fifo")
		odd := []string{"with space", "new\nline", "\xff\xfe not UTF-8", "-rf", "...", "ümläut", "back\\slash", "*"}
		for _, name := range odd {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Name())
			fi, err := os.Lstat(filepath.Join(dir, e.Name()))
			if err != nil || fi.Mode().Type() != e.Type() {
				t.Errorf("%q: type %v in the listing, %v, %v", e.Name(), e.Type(), fi.Mode(), err)
			}
		}
		want := append([]string{"dangling", "dir", "dirlink", "empty", "fifo", "file", "link", "loop1", "loop2"}, odd...)
		sort.Strings(got)
		sort.Strings(want)
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("listing %q\nwant %q", got, want)
		}
		if dots := a.s.sh(`ls -a "$1" | grep -c '^[.]\{1,2\}$'`, dir); dots != "2\n" {
			t.Errorf("ls -a shows . and .. %s times", dots)
		}
		a.s.sh(`cd "$1"; /usr/bin/python3 -c '
import os
for e in os.scandir("."):
    assert e.inode() == os.lstat(e.name).st_ino, (e.name, e.inode(), os.lstat(e.name).st_ino)'`, dir)
	})
}

// TestRemovedFolder uses a folder that is gone as working directory.
func TestRemovedFolder(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("mkdir", "gone", 0o755)
		a.do("chdir", "gone")
		fd := a.open(".", unix.O_RDONLY|unix.O_DIRECTORY)
		b.do("rmdir", "gone")
		a.want("ENOENT", "open", "new", unix.O_CREAT|unix.O_WRONLY)
		a.want("ENOENT", "mkdir", "new")
		a.want("ENOENT", "getcwd")
		if got := a.do("listdir", fd); len(got.([]any)) != 0 {
			t.Errorf("a removed folder lists %v", got)
		}
		b.do("mkdir", "gone", 0o755) // another of the same name
		a.want("ENOENT", "open", "new", unix.O_CREAT|unix.O_WRONLY)
		if got := b.do("listdir", "gone"); len(got.([]any)) != 0 {
			t.Errorf("the new folder lists %v", got)
		}
	})
}

// TestSpecialFiles makes what is no file: pipes and sockets work as on a disk.
func TestSpecialFiles(t *testing.T) {
	onFileSystems(t, func(t *testing.T, a *actor, dir string) {
		b := a.s.actorIn(a.uid, dir)
		a.do("mkfifo", "fifo", 0o600)
		a.begin("open", "fifo", unix.O_RDONLY)
		w := b.open("fifo", unix.O_WRONLY)
		r, errno := a.finish()
		if errno != "" {
			t.Fatalf("open of a pipe: %s", errno)
		}
		b.do("write", w, "through the pipe")
		if got := a.do("read", integer(r), 100); got != "through the pipe" {
			t.Errorf("read from the pipe: %q", got)
		}
		a.s.mustAs(a.uid, python, "-c", `
import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX); s.bind("socket"); s.listen()
c = socket.socket(socket.AF_UNIX); c.connect("socket")
p, _ = s.accept(); c.send(b"x"); assert p.recv(1) == b"x"`, dir)
		if a.uid == root {
			a.do("mknod", "device", unix.S_IFCHR|0o600, unix.Mkdev(1, 3))
			if mode := a.attr("device", "mode"); mode != unix.S_IFCHR|0o600 {
				t.Errorf("mode of a device is %o", mode)
			}
		}
	})
}
