package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// An identity tells one root from another at the same path.
type identity struct {
	fsType int64  // f_type of statfs(2)
	fsid   uint64 // f_fsid, 0 on file systems that have none
	ino    uint64
}

func (i identity) String() string { return fmt.Sprintf("%x:%x:%d", i.fsType, i.fsid, i.ino) }

func parseIdentity(s string) (i identity, ok bool) {
	n, err := fmt.Sscanf(s, "%x:%x:%d", &i.fsType, &i.fsid, &i.ino)
	return i, err == nil && n == 3 && i.String() == s
}

// sameFileSystem compares all but the directory.
func (i identity) sameFileSystem(j identity) bool {
	return i.fsType == j.fsType && i.fsid == j.fsid
}

// A root is the root directory as it was when it last answered.
type root struct {
	identity
	dev   uint64 // 0 when a cache remembers it and this process has not seen it
	plain bool   // there is no symbolic link in its path
}

func (r *root) is(st *unix.Stat_t) bool {
	return r != nil && r.dev == deviceOf(st) && r.ino == st.Ino
}

// The causes of a root that is not there.
var (
	errNoRoot     = errors.New("no such directory; is it mounted?")
	errNotMounted = errors.New("root is empty and on another file system than before: is it mounted?" +
		" (if it is right, put any file into it)")
)

// openRoot gives a descriptor of the root for paths relative to it. The error
// is final: ErrUnavailable or ErrPermission, for the named operation.
func (d *Dir) openRoot(op string) (int, error) {
	fd, err := open(unix.AT_FDCWD, d.path, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, d.rootFailed(op, err)
	}
	if err := d.recognise(fd); err != nil {
		closeFD(fd)
		return -1, d.rootFailed(op, err)
	}
	return fd, nil
}

// rootFailed words a failure of the root itself.
func (d *Dir) rootFailed(op string, err error) error {
	kind := remote.ErrUnavailable
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		err = errNoRoot
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		kind = remote.ErrPermission
	}
	return &remote.Error{Op: "file: " + op, Kind: kind, Err: fmt.Errorf("%s: %w", d.path, err)}
}

// recognise accepts the root behind fd, or says why not.
func (d *Dir) recognise(fd int) error {
	st, err := fstat(fd)
	if err != nil || d.seen.Load().is(&st) {
		return err
	}
	return d.acquaint(fd, &st)
}

// acquaint looks at a root that is not the one seen last. A directory that was
// replaced or restored is accepted. An empty one on another file system is
// what lies below the mountpoint of a server that is not mounted.
func (d *Dir) acquaint(fd int, st *unix.Stat_t) error {
	fs, err := fstatfs(fd)
	if err != nil {
		return err
	}
	now := &root{identity: identityOf(&fs, st), dev: deviceOf(st), plain: isPlain(d.path)}
	before := d.seen.Load()
	if before != nil && !before.sameFileSystem(now.identity) && isEmpty(fd) {
		return errNotMounted
	}
	d.seen.Store(now)
	d.change(func(t *remote.Traits) {
		t.Identity = now.String()
		t.ReadOnly = d.readOnly(&fs)
		if before == nil || before.dev == 0 { // so far they were guesses
			t.CheapStat = d.cheap(now.fsType)
			t.TimeResolution = resolution(now.fsType)
		}
	})
	return nil
}

func identityOf(fs *unix.Statfs_t, st *unix.Stat_t) identity {
	fsid := uint64(uint32(fs.Fsid.Val[0])) | uint64(uint32(fs.Fsid.Val[1]))<<32
	return identity{fsType: int64(fs.Type), fsid: fsid, ino: st.Ino}
}

func (d *Dir) readOnly(fs *unix.Statfs_t) bool {
	return d.o.ReadOnly || int64(fs.Flags)&unix.ST_RDONLY != 0
}

// isPlain tells that no link is above the root or in its place, so that find
// may go the short way.
func isPlain(path string) bool {
	real, err := filepath.EvalSymlinks(path)
	return err == nil && real == path
}

// isEmpty is false when it cannot be known.
func isEmpty(fd int) bool {
	dot, err := open(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	f := os.NewFile(uintptr(dot), "root")
	defer f.Close()
	_, err = f.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// rootUnchanged tells, in one system call, that the root is the one seen last.
// The slash makes the call resolve links and trigger automounts, and fail when
// it is no directory.
func (d *Dir) rootUnchanged() bool {
	var st unix.Stat_t
	err := again(func() error { return unix.Fstatat(unix.AT_FDCWD, d.path+"/", &st, 0) })
	return err == nil && d.seen.Load().is(&st)
}

// Probe see remote.Prober. statfs is what NFS and FUSE always ask the server;
// the rest may come from caches.
func (d *Dir) Probe(ctx context.Context) error {
	if err := remote.Ended(ctx, "file: probe", ""); err != nil {
		return err
	}
	fd, err := d.openRoot("probe")
	if err != nil {
		return err
	}
	defer closeFD(fd)
	fs, err := fstatfs(fd)
	if err != nil {
		return d.rootFailed("probe", err)
	}
	dot, err := open(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return d.rootFailed("probe", err)
	}
	defer closeFD(dot)
	if ro := d.readOnly(&fs); ro != d.Traits().ReadOnly {
		d.change(func(t *remote.Traits) { t.ReadOnly = ro })
	}
	d.measureClock(dot)
	return nil
}
