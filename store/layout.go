package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
)

// layout names the parts of a cache directory.
//
//	format    version, remote and identity of its root
//	learned   one line: what the backend found out about the remote
//	lock      flocked by the daemon that uses the cache; says who it is
//	running   there while a daemon runs: its absence is the clean-stop mark
//	synced    its time is when the file system was last known to be on disk
//	usage     how many objects there are, and bytes at most
//	objects/  whole objects by key; alone a valid SSTATE_DIR
//	queue/    NUMBER-OP[-EXTRAPATH]/NAME: what the remote does not have yet; held/ inside it
//	pinned/   KEY: published under --read-only, never trimmed
//	removed/  KEY: whiteouts
//	scratch/  everything private
//	fetch/    downloads and drafts in progress; emptied at mount
//	misses    what builds did not find, a line each
//	broken/   what failed its check, for a person to look at
//	sums/     KEY: checksum where the file system has no extended attributes
//	index/    the last known listing
//	feed/     with --feed: what others are to be told, and how far they were heard
type layout struct{ dir string }

func (l layout) path(parts ...string) string {
	return l.dir + "/" + strings.Join(parts, "/")
}
func (l layout) object(key string) string   { return l.dir + "/objects/" + key }
func (l layout) scratch(path string) string { return strings.TrimSuffix(l.dir+"/scratch/"+path, "/") }
func (l layout) removed(key string) string  { return l.dir + "/removed/" + key }
func (l layout) pinned(key string) string   { return l.dir + "/pinned/" + key }

// make creates the folders of the layout. fetch/ is emptied.
func (l layout) make() error {
	if err := os.RemoveAll(l.path("fetch")); err != nil {
		return err
	}
	failpoint.Pass("recover.emptied")
	for _, d := range []string{"objects", "queue/held", "pinned", "removed", "scratch", "fetch", "broken", "sums", "index"} {
		if err := os.MkdirAll(l.path(d), 0o755); err != nil {
			return err
		}
	}
	// What mkdir gave under the daemon's umask is what the root of the mount
	// shows; builds need to write there.
	return os.Chmod(l.path("scratch"), 0o775)
}

// lock takes CACHE/lock for owner, or says who has it.
func (l layout) lock(owner string) (*os.File, error) {
	f, err := os.OpenFile(l.path("lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cache %s: cannot be written to: %w: make it writable or give another --cache-dir", l.dir, errors.Unwrap(err))
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		who, _ := os.ReadFile(l.path("lock"))
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("cache %s is in use by %s: unmount that first or give another --cache-dir", l.dir, strings.TrimSpace(string(who)))
		}
		return nil, fmt.Errorf("cache %s: flock: %w: put --cache-dir on a local file system", l.dir, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintf(f, "sstatefs of %s (pid %d)\n", owner, os.Getpid())
	}
	if err != nil && !isFull(err) { // the flock is what counts, and there may be room soon
		f.Close()
		return nil, fmt.Errorf("cache %s: cannot write lock: %w", l.dir, err)
	}
	return f, nil
}

// probeName is the longest name there may be.
func probeName() string { return strings.Repeat("a", 255) }

// isProbe reports whether a name is one that probe makes.
func isProbe(name string) bool { return name == probeName() || name == "b" || name == "c" }

// probe finds out what the file system of the cache can do. Without link or
// 255-byte names there is nothing to build on. A full disk says nothing about
// that, and what waits in a cache that was used before must get out of it.
func (l layout) probe() (xattrs bool, err error) {
	err = l.probeNames()
	if isFull(err) {
		if _, e := os.Stat(l.path("format")); e == nil {
			err = nil
		}
	}
	e := unix.Setxattr(l.path("lock"), sumAttr, []byte("probe"), 0)
	return e == nil || isFull(e), err
}

func (l layout) probeNames() error {
	a := l.path("fetch", probeName())
	if err := os.WriteFile(a, nil, 0o644); err != nil {
		return l.unfit("names of 255 bytes do not work", err)
	}
	defer os.Remove(a)
	b := l.path("fetch", "b")
	defer os.Remove(b)
	if err := os.Link(a, b); err != nil {
		return l.unfit("no hard links", err)
	}
	c := l.path("fetch", "c")
	defer os.Remove(c)
	return l.unfit("rename does not work", os.Rename(b, c))
}

// unfit words why a file system is none for a cache, or is none now.
func (l layout) unfit(what string, err error) error {
	var no syscall.Errno
	switch {
	case err == nil:
		return nil
	case isFull(err) && errors.As(err, &no):
		return fmt.Errorf("cache %s: %w: make room or give another --cache-dir", l.dir, no)
	}
	return fmt.Errorf("cache %s: %s: %w: put --cache-dir on a local file system", l.dir, what, err)
}

// writeFileAtomic gives path new content, whole or not at all. What is there
// already needs no room.
func writeFileAtomic(path string, data []byte) error {
	if was, err := os.ReadFile(path); err == nil && bytes.Equal(was, data) {
		return nil
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		failpoint.Synced(tmp)
	}
	failpoint.Pass("recover.written")
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}

// syncFolder brings the names in a folder to disk.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return err
	}
	failpoint.Synced(dir)
	return nil
}

// pruneParents removes empty folders from path's up to, not including, root.
func pruneParents(path, root string) {
	for d := filepath.Dir(path); len(d) > len(root); d = filepath.Dir(d) {
		if unix.Rmdir(d) != nil {
			return
		}
	}
}

// linkInto makes a second name for from, with the folders above it. A folder
// that pruneParents takes away meanwhile is made again.
func linkInto(from, to string) error {
	return withFolders(to, func() error { return link(from, to) })
}

func withFolders(to string, op func() error) error {
	const tries = 1000 // each loss of the race needs another removal in the same folder
	var err error
	for range tries {
		if err = op(); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		// MkdirAll itself loses the same race between two levels.
		e := os.MkdirAll(filepath.Dir(to), 0o775)
		if e != nil && !errors.Is(e, os.ErrNotExist) && !errors.Is(e, os.ErrExist) {
			return e
		}
	}
	return err
}
