package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// DirEntry is one name of a folder.
type DirEntry struct {
	Name string
	Mode uint32 // the file type bits of st_mode
	Ino  uint64 // of the local file, 0 if there is none
}

// lookupScratch tells what is at a path that is not an object.
func (s *Store) lookupScratch(ctx context.Context, path string) (Entry, error) {
	var st unix.Statx_t
	err := s.statScratch(path, &st)
	if err == nil {
		e := s.fileEntry(path, &st, func(st *unix.Statx_t) error { return s.statScratch(path, st) })
		e.Nlink = max(1, e.Nlink)
		if e.IsDir() {
			s.folderLooks(ctx, &e)
		}
		return e, nil
	}
	if !errors.Is(err, os.ErrNotExist) || !s.isVirtual(ctx, path) {
		return Entry{}, err
	}
	now := s.ledger.snapshotSince()
	e := Entry{
		Path: path, Virtual: true, Mode: unix.S_IFDIR | 0o775, Size: 4096, Blocks: 8, Nlink: 1,
		UID: s.uid, GID: s.gid, Atime: now, Mtime: now, Ctime: now,
	}
	s.folderLooks(ctx, &e)
	return e, nil
}

// folderLooks gives folders that lead to objects the mode that lets every user
// of a shared mount publish there. Other folders belong to who made them.
func (s *Store) folderLooks(ctx context.Context, e *Entry) {
	if !s.opt.SharedMount {
		return
	}
	settled := e.Path == "" || e.Virtual || sstate.IsFolder(e.Path)
	e.Unsettled = !settled && parent(e.Path) == ""
	if settled || s.leadsToObjects(ctx, e.Path) {
		e.Mode = e.Mode&^0o7777 | 0o777
	}
}

// leadsToObjects reports whether a folder at the root is the extra path of
// objects: it holds some, or a pair of hex digits.
func (s *Store) leadsToObjects(ctx context.Context, path string) bool {
	if parent(path) != "" {
		return false
	}
	if s.hasObjects(ctx, path) {
		return true
	}
	names, err := s.readScratch(path)
	if err != nil {
		return false
	}
	for _, n := range names {
		if sstate.IsFolder(n.Name) {
			return true
		}
	}
	return len(names) == 0 && looksNative(path)
}

// looksNative recognises what oe-core and Isar call NATIVELSBSTRING: universal,
// universal-4.9, isarnative, and distributions like debian-12. Between making
// such a folder and the first pair of digits in it nothing else tells it.
func looksNative(name string) bool {
	base, version, dashed := strings.Cut(name, "-")
	if base == "universal" || name == "isarnative" {
		return true
	}
	return dashed && base != "" && version != "" && version[0] >= '0' && version[0] <= '9'
}

// isVirtual reports whether a folder exists only by the objects below it, or,
// with a remote that cannot list, by its shape.
func (s *Store) isVirtual(ctx context.Context, path string) bool {
	if !couldHoldObjects(path) {
		return false
	}
	if s.traits.NoList && (sstate.IsFolder(path) || looksNative(path)) {
		return true
	}
	return s.hasObjects(ctx, path)
}

// couldHoldObjects excludes by their shape paths that are no folder of objects:
// most names that are asked for.
func couldHoldObjects(path string) bool {
	if path == "" || sstate.IsFolder(path) {
		return true
	}
	for _, c := range path {
		if c == '/' || c == ':' {
			return false
		}
	}
	return path[0] != '.' && len(path) < 128
}

// errStop ends an enumeration early.
var errStop = errors.New("stop")

// hasObjects reports whether a visible object is below a folder.
func (s *Store) hasObjects(ctx context.Context, dir string) bool {
	if s.index != nil && s.names.hideNothing() && s.index.shows(dir) {
		return true
	}
	if names, err := readNames(s.layout.object(dir)); err == nil && len(names) > 0 {
		if s.anyLocal(ctx, dir, names) {
			return true
		}
	}
	found := false
	_ = s.eachRemote(ctx, dir, func(name string, folder bool) error {
		path := join(dir, name)
		if folder && couldHoldObjects(path) && s.hasRemote(ctx, path) || !folder && s.isVisible(ctx, path) {
			found = true
			return errStop
		}
		return nil
	})
	return found
}

// anyLocal looks below objects/DIR for an object that is visible.
func (s *Store) anyLocal(ctx context.Context, dir string, names []DirEntry) bool {
	for _, n := range names {
		path := join(dir, n.Name)
		if n.Mode != unix.S_IFDIR {
			if s.isVisible(ctx, path) {
				return true
			}
			continue
		}
		if below, err := readNames(s.layout.object(path)); err == nil && s.anyLocal(ctx, path, below) {
			return true
		}
	}
	return false
}

// hasRemote looks for an object below a folder of the remote.
func (s *Store) hasRemote(ctx context.Context, dir string) bool {
	found := false
	_ = s.eachRemote(ctx, dir, func(name string, folder bool) error {
		path := join(dir, name)
		if folder && s.hasRemote(ctx, path) || !folder && s.isVisible(ctx, path) {
			found = true
			return errStop
		}
		return nil
	})
	return found
}

func (s *Store) isVisible(ctx context.Context, path string) bool {
	if !isObject(path) || s.names.isRemoved(path) {
		return false
	}
	_, err := s.lookupObject(ctx, path)
	return err == nil
}

// eachRemote calls fn for what the remote has directly below a folder, as far
// as it is known.
func (s *Store) eachRemote(ctx context.Context, dir string, fn func(name string, folder bool) error) error {
	if s.index != nil {
		return s.eachIndexed(ctx, dir, fn)
	}
	if s.traits.NoList {
		return nil
	}
	may, start := s.patience.begin()
	if may == 0 {
		return remote.ErrUnavailable
	}
	type item struct {
		name   string
		folder bool
	}
	var all []item // fn may ask the remote itself: not while it is listed
	err := s.guard.Names(ctx, dir, func(name string, folder bool) error {
		all = append(all, item{name, folder})
		return nil
	})
	s.patience.end(start)
	if err != nil {
		return err
	}
	for _, i := range all {
		if err := fn(i.name, i.folder); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) eachIndexed(ctx context.Context, dir string, fn func(name string, folder bool) error) error {
	type item struct {
		name   string
		folder bool
	}
	var all []item
	gather := func(name string, folder bool) { all = append(all, item{name, folder}) }
	ready, wait := s.index.children(dir, gather)
	if !ready {
		if may, start := s.patience.begin(); may > 0 {
			ctx, cancel := context.WithTimeout(ctx, may)
			_ = wait.wait(ctx) // whatever is known then counts, a saved index too
			cancel()
			s.patience.end(start)
		}
		s.index.known(dir, gather)
	}
	for _, i := range all {
		if err := fn(i.name, i.folder); err != nil {
			return err
		}
	}
	return nil
}

// ReadDir lists a folder: scratch, local objects and what the remote holds.
func (s *Store) ReadDir(ctx context.Context, path string) ([]DirEntry, error) {
	scratch, err := s.readScratch(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err != nil && !s.isVirtual(ctx, path) {
		return nil, errNotExist
	}
	seen := make(map[string]bool, len(scratch))
	for _, e := range scratch {
		seen[e.Name] = true
	}
	out := scratch
	add := func(e DirEntry) {
		if !seen[e.Name] {
			seen[e.Name] = true
			out = append(out, e)
		}
	}
	if local, err := readNames(s.layout.object(path)); err == nil {
		s.addLocal(ctx, path, local, add)
	}
	_ = s.eachRemote(ctx, path, func(name string, folder bool) error {
		p := join(path, name)
		if folder && couldHoldObjects(p) && !seen[name] && s.hasObjects(ctx, p) {
			add(DirEntry{Name: name, Mode: unix.S_IFDIR})
		}
		if !folder && isObject(p) && !s.names.isRemoved(p) && !seen[name] && s.isVisible(ctx, p) {
			add(DirEntry{Name: name, Mode: unix.S_IFREG})
		}
		return nil
	})
	return out, nil
}

// addLocal adds what the cache holds below a folder.
func (s *Store) addLocal(ctx context.Context, path string, local []DirEntry, add func(DirEntry)) {
	for _, e := range local {
		p := join(path, e.Name)
		switch {
		case e.Mode == unix.S_IFDIR:
			if below, err := readNames(s.layout.object(p)); err == nil && s.anyLocal(ctx, p, below) {
				add(DirEntry{Name: e.Name, Mode: unix.S_IFDIR})
			}
		case s.isVisible(ctx, p):
			add(e)
		}
	}
}

// readNames reads a local folder with types and inode numbers, which
// os.ReadDir would have to ask for one by one.
func readNames(dir string) ([]DirEntry, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	return namesOpen(fd)
}

// namesOpen is readNames of an open folder.
func namesOpen(fd int) ([]DirEntry, error) {
	var out []DirEntry
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			return out, err
		}
		for rest := buf[:n]; len(rest) > 0; {
			var e DirEntry
			e, rest = cutDirent(rest)
			if e.Name != "." && e.Name != ".." && e.Ino != 0 {
				out = append(out, e)
			}
		}
	}
}

// cutDirent takes the first struct linux_dirent64 of getdents64(2): inode
// number, offset, length of the record, type, name.
func cutDirent(b []byte) (DirEntry, []byte) {
	const nameAt = 8 + 8 + 2 + 1
	size := binary.NativeEndian.Uint16(b[16:])
	name, _, _ := bytes.Cut(b[nameAt:size], []byte{0})
	return DirEntry{
		Name: string(name),
		Mode: uint32(b[18]) << 12, // DT_* are the type bits of st_mode
		Ino:  binary.NativeEndian.Uint64(b),
	}, b[size:]
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
