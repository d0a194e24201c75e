package ctl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// fsType is what the kernel's table shows for a mount of ours: the FUSE
// subtype is set by package fs.
const fsType = "fuse.sstatefs"

// maxSymlinks is the kernel's own limit for one path (path_resolution(7)).
const maxSymlinks = 40

// TableEntry is one mount of the kernel's table.
type TableEntry struct {
	Mountpoint string
	Type       string // "ext4", "fuse.sstatefs"
	Source     string // what df shows
	Connection int    // minor device number: the name below /sys/fs/fuse/connections
	UID        int    // who mounted it, for FUSE; else -1
	ID, Parent int    // its number, and that of the mount it is on
	Shared     int    // the group of peers that tell it of mounts and that it tells, 0 for none
	Master     int    // the group that tells it only, 0 for none
}

// Ours tells whether it is a mount of sstatefs.
func (e TableEntry) Ours() bool { return e.Type == fsType }

// isSame tells whether other is the same mount of ours, at the same place. A number
// of a connection is another's only after its end.
func (e TableEntry) isSame(other TableEntry) bool {
	return other.Ours() && e.Connection == other.Connection && e.Mountpoint == other.Mountpoint
}

// mayHang tells whether a daemon or a server stands behind it, so that a path
// into it may not be answered.
func (e TableEntry) mayHang() bool {
	switch e.Type {
	case "fuse", "nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "afs":
		return true
	}
	return strings.HasPrefix(e.Type, "fuse.")
}

// Table is the kernel's list of mounts, the later ones on top.
type Table []TableEntry

// ReadTable reads the mounts of this process. It touches none of them.
func ReadTable() (Table, error) { return readTable("/proc/self/mountinfo") }

func readTable(path string) (Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseTable(f)
}

// At finds what is mounted at exactly this path; of several the topmost.
func (t Table) At(path string) (TableEntry, bool) {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i].Mountpoint == path {
			return t[i], true
		}
	}
	return TableEntry{}, false
}

// byID finds a mount by its number.
func (t Table) byID(id int) (TableEntry, bool) {
	for _, e := range t {
		if e.ID == id {
			return e, true
		}
	}
	return TableEntry{}, false
}

// Above finds the mount that a path is on, or is the mountpoint of. The path is
// one that Resolve gave.
func (t Table) Above(path string) (TableEntry, bool) {
	for dir := path; ; dir = filepath.Dir(dir) {
		if e, ok := t.At(dir); ok {
			return e, true
		}
		if dir == "/" || dir == "." {
			return TableEntry{}, false
		}
	}
}

// MayHang tells whether to look into a folder, given as Resolve does, needs a
// daemon or a server.
func (t Table) MayHang(path string) bool {
	e, ok := t.Above(path)
	return ok && e.mayHang()
}

// parseTable reads the format of proc_pid_mountinfo(5).
func parseTable(r io.Reader) (Table, error) {
	var t Table
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e, err := parseEntry(lines.Text())
		if err != nil {
			return nil, err
		}
		t = append(t, e)
	}
	return t, lines.Err()
}

// parseEntry reads one line: id, parent, major:minor, root, mountpoint,
// options, optional fields, "-", type, source, super options.
func parseEntry(text string) (TableEntry, error) {
	head, tail, ok := strings.Cut(text, " - ")
	front, back := strings.Fields(head), strings.Split(tail, " ")
	if !ok || len(front) < 6 || len(back) < 2 {
		return TableEntry{}, fmt.Errorf("mountinfo: cannot read line %q", text)
	}
	_, minor, _ := strings.Cut(front[2], ":")
	n, err := strconv.Atoi(minor)
	if err != nil {
		return TableEntry{}, fmt.Errorf("mountinfo: cannot read device %q", front[2])
	}
	e := TableEntry{
		Mountpoint: unescape(front[4]), Type: back[0], Source: unescape(back[1]), Connection: n, UID: -1,
		Shared: numbered(front[6:], "shared:"), Master: numbered(front[6:], "master:"),
	}
	e.ID, _ = strconv.Atoi(front[0])
	e.Parent, _ = strconv.Atoi(front[1])
	if len(back) > 2 {
		e.UID = userID(back[2])
	}
	return e, nil
}

// userID finds user_id=N in the options of a FUSE mount, -1 if there is none.
func userID(options string) int {
	for _, option := range strings.Split(options, ",") {
		if value, ok := strings.CutPrefix(option, "user_id="); ok {
			if uid, err := strconv.Atoi(value); err == nil {
				return uid
			}
		}
	}
	return -1
}

// numbered finds the number behind a word of the optional fields, 0 if there is
// none.
func numbered(fields []string, word string) int {
	for _, field := range fields {
		if value, ok := strings.CutPrefix(field, word); ok {
			n, _ := strconv.Atoi(value)
			return n
		}
	}
	return 0
}

// unescape undoes the kernel's octal escapes of space, tab, newline and
// backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// Resolve makes a path absolute and follows its symlinks, without a system
// call that goes into a FUSE or network mount: what is below one is taken as it
// is written. So it neither hangs with a hung mount nor fails with a dead one.
func (t Table) Resolve(path string) (string, error) {
	if !filepath.IsAbs(path) {
		dir, err := syscall.Getwd() // os.Getwd would look into the mount if we are in one
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, path)
	}
	done, rest, links := "/", filepath.Clean(path), 0
	for rest != "" {
		if e, ok := t.At(done); ok && e.mayHang() {
			return filepath.Join(done, rest), nil
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := filepath.Join(done, name) // "", "." and ".." included: done has no symlinks
		target, err := t.readlink(next)
		if err != nil {
			return "", err
		}
		if target == "" {
			done = next
			continue
		}
		if links++; links > maxSymlinks {
			return "", fmt.Errorf("%s: %w", path, syscall.ELOOP)
		}
		if filepath.IsAbs(target) {
			done = "/"
		}
		rest = target + "/" + rest
	}
	return done, nil
}

// readlink reads a symlink; it is empty for what is none, does not exist or may
// not be seen. A mountpoint is a folder and is not asked.
func (t Table) readlink(path string) (string, error) {
	if _, mounted := t.At(path); mounted {
		return "", nil
	}
	target, err := os.Readlink(path)
	for _, none := range []error{fs.ErrNotExist, fs.ErrPermission, syscall.EINVAL, syscall.ENOTDIR} {
		if errors.Is(err, none) {
			return "", nil
		}
	}
	return target, err
}
