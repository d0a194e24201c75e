package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/remote"
)

const (
	// leastFree is the part of a disk that mount keeps free by default.
	leastFree = 0.05
	// littleFree holds next to nothing of a build, bytes.
	littleFree = 5 << 30
	// tooFull does not even hold the lists of a mount, bytes.
	tooFull = 1 << 20
	// fewInodes are next to nothing: an object takes one, its siginfo another.
	fewInodes = 10_000
)

// doctorCache is the cache directory to check: the given one, that of the
// mount, that of the remote, or where all of them are.
func doctorCache(given string, mount *ctl.Status, args []string) (string, error) {
	table, err := ctl.ReadTable()
	if err != nil {
		return "", err
	}
	if mount != nil {
		return mount.Mount.CacheDir, nil
	}
	clean := ""
	if len(args) > 0 {
		if clean, err = remote.Clean(args[0]); err != nil {
			return "", addressError(args[0], err, "sstatefs doctor --help")
		}
	}
	dir, err := cacheDir(table, given, clean)
	if err == nil && given == "" && clean == "" {
		dir = filepath.Dir(dir)
	}
	return dir, err
}

// cache checks the file system that holds, or would hold, the cache directory.
// It works in a folder of its own that is removed again.
func (d *diagnosis) cache(dir string) {
	at, err := existing(dir)
	if err != nil {
		d.blame("cache", "cache-dir", verdictFail, err)
		return
	}
	scratch, err := os.MkdirTemp(at, ".sstatefs-doctor-")
	switch {
	case isFull(err):
		d.note("cache", "cache-dir", verdictFail, fmt.Sprintf("%s: the disk of %s is full", dir, at))
		d.mend(moreRoom)
		return
	case err != nil:
		d.note("cache", "cache-dir", verdictFail, fmt.Sprintf("%s: %s cannot be written to", dir, at))
		d.mend("give --cache-dir a folder that you may write to")
		return
	}
	defer os.RemoveAll(scratch)
	d.note("cache", "cache-dir", verdictOK, dir)
	d.cacheDisk(at)
	d.cacheNames(scratch)
	d.cacheLock(scratch)
	d.cacheAttributes(scratch)
	d.freeSpace(at)
}

// existing is dir, or the closest folder above it that exists.
func existing(dir string) (string, error) {
	for {
		_, err := os.Lstat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return dir, err
		}
		dir = filepath.Dir(dir)
	}
}

// isFull tells of a disk, or a user's part of it, that takes nothing more.
func isFull(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// moreRoom is the mend of a disk without space.
const moreRoom = "make room, or give another --cache-dir"

// cacheDisk looks at what kind of file system it is.
func (d *diagnosis) cacheDisk(at string) {
	const check = "cache-disk"
	table, err := ctl.ReadTable()
	if err == nil {
		at, err = table.Resolve(at)
	}
	if err != nil {
		d.blame("cache", check, verdictWarn, err)
		return
	}
	disk, _ := table.Above(at)
	switch {
	case disk.Type == "tmpfs" || disk.Type == "ramfs":
		d.note("cache", check, verdictWarn, disk.Type+": in memory, a reboot takes the cache and what is not sent yet")
	case table.MayHang(at):
		d.note("cache", check, verdictWarn, disk.Type+": not local, builds would wait for it")
	default:
		d.note("cache", check, verdictOK, disk.Type)
		return
	}
	d.mend(elsewhere)
}

// elsewhere is the mend of a file system that cannot hold a cache.
const elsewhere = "put --cache-dir on a local file system (ext4, xfs, btrfs)"

// lacks notes what the file system of the cache cannot do. A full disk can do
// nothing at all.
func (d *diagnosis) lacks(check, what string, err error) {
	mend := elsewhere
	var errno syscall.Errno
	switch {
	case isFull(err):
		what, mend = "the disk is full", moreRoom
	case errors.As(err, &errno): // without the names, which are long
		what += ": " + errno.Error()
	default:
		what += ": " + err.Error()
	}
	d.note("cache", check, verdictFail, what)
	d.mend(mend)
}

func (d *diagnosis) cacheNames(scratch string) {
	long := filepath.Join(scratch, strings.Repeat("a", 255))
	if err := os.WriteFile(long, nil, 0o600); err != nil {
		d.lacks("long-names", "names of 255 bytes do not work", err)
		return
	}
	d.note("cache", "long-names", verdictOK, "names of 255 bytes work")
	if err := os.Link(long, filepath.Join(scratch, "link")); err != nil {
		d.lacks("hard-links", "hard links do not work", err)
		return
	}
	d.note("cache", "hard-links", verdictOK, "hard links work")
}

func (d *diagnosis) cacheLock(scratch string) {
	err := func() error {
		f, err := os.Create(filepath.Join(scratch, "lock"))
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}()
	if err != nil {
		d.lacks("flock", "locks do not work", err)
		return
	}
	d.note("cache", "flock", verdictOK, "locks work")
}

func (d *diagnosis) cacheAttributes(scratch string) {
	if err := unix.Setxattr(scratch, "user.sstatefs.doctor", []byte("x"), 0); err != nil {
		d.note("cache", "xattrs", verdictWarn, "no extended attributes: checksums take a file each")
		d.mend("none needed; on another file system the cache has half as many files")
		return
	}
	d.note("cache", "xattrs", verdictOK, "extended attributes work")
}

func (d *diagnosis) freeSpace(at string) {
	var disk unix.Statfs_t
	if err := unix.Statfs(at, &disk); err != nil {
		d.blame("cache", "free-space", verdictWarn, err)
		return
	}
	free, size := int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize
	text := fmt.Sprintf("%s of %s", amount.Size(free), amount.Size(size))
	if free < tooFull {
		d.note("cache", "free-space", verdictFail, "only "+text)
		d.mend(moreRoom)
		return
	}
	if free < littleFree || float64(free) < leastFree*float64(size) {
		d.note("cache", "free-space", verdictWarn, "only "+text)
		d.mend(moreRoom)
		return
	}
	// btrfs makes them as they are needed and says that there are none.
	if disk.Files > 0 && disk.Ffree < fewInodes {
		d.note("cache", "free-space", verdictWarn, fmt.Sprintf("%s, but only %d inodes", text, disk.Ffree))
		d.mend(moreRoom)
		return
	}
	d.note("cache", "free-space", verdictOK, text)
}
