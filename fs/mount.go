package fs

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// Options says where and how to mount.
type Options struct {
	Mountpoint string // an existing folder
	Store      *store.Store

	// AllowOther lets other users than the mounter in. Mounted by root it
	// makes the kernel check permissions.
	AllowOther bool

	Source string       // what df and /proc/mounts show as the device
	Debug  bool         // log every request
	Logger *slog.Logger // discard
}

// Server is a mounted file system.
type Server struct {
	st         *state
	server     *fuse.Server
	mountpoint string
	served     chan struct{} // closed when the kernel asks no more
	closeOnce  sync.Once
}

// state is what all nodes of a mount share.
type state struct {
	store       *store.Store
	log         *slog.Logger
	root        *dirNode
	notes       *notifier
	ids         identities
	calls       sync.Pool // of callContexts
	seed        maphash.Seed
	logged      sync.Map
	logs        atomic.Int64 // in logged, or more
	indexed     bool         // names are answered from an index that tells its changes
	passthrough atomic.Bool
	releases    atomic.Int64 // RELEASE requests under way
}

// maxWrite bounds a request's data, bytes: the kernel's own limit.
const maxWrite = 1 << 20

// Mount mounts and returns when the mount answers.
func Mount(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	st := &state{
		store: o.Store, log: o.Logger, notes: newNotifier(), seed: maphash.MakeSeed(),
		ids:     identities{aliases: map[store.FileID]fs.StableAttr{}},
		indexed: o.Store.Indexed(),
	}
	st.root = &dirNode{st: st}
	opts := options(o, st)
	bridge := releaseCounter{fs.NewNodeFS(st.root, opts), &st.releases}
	o.Store.OnChange(st.changed) // told as soon as somebody can have looked
	m := &Server{st: st, mountpoint: o.Mountpoint, served: make(chan struct{})}
	release := o.Store.Hold() // a mount may outlive its name, and the store
	server, err := fuse.NewServer(newLockServer(bridge), o.Mountpoint, &opts.MountOptions)
	if err == nil {
		m.server = server
		go m.serve(release)
		err = server.WaitMount()
	}
	if err != nil {
		release()
		o.Store.OnChange(func(string) {})
		return nil, fmt.Errorf("mount %s: %w", o.Mountpoint, mendable(err))
	}
	st.passthrough.Store(canPassThrough(server, o.Store))
	go st.notes.run(st.send)
	return m, nil
}

// serve answers the kernel until it asks no more, then calls release.
func (m *Server) serve(release func()) {
	defer close(m.served)
	m.server.Serve()
	release()
}

// options are the kernel settings and their reasons.
func options(o Options, st *state) *fs.Options {
	negative := askedTTL
	if st.indexed {
		negative = indexedNegativeTTL
	}
	mo := fuse.MountOptions{
		AllowOther: o.AllowOther,
		FsName:     o.Source,
		Name:       "sstatefs",
		Debug:      o.Debug,
		Logger:     log.New(logWriter{o.Logger}, "", 0),

		DisableXAttrs:            true, // the kernel asks for security.capability before every write otherwise
		ExplicitDataCacheControl: true, // content under an inode never changes behind the kernel
		DisableReadDirPlus:       true, // a listing of 65,536 folders must not become as many lookups
		MaxWrite:                 maxWrite,
		MaxBackground:            256,                     // read-ahead that waits for a download must not keep others waiting; each has 128 KiB
		MaxStackDepth:            2,                       // passthrough also when the cache is on overlayfs
		ExtraCapabilities:        fuse.CAP_ATOMIC_O_TRUNC, // creat(2) is one request
		DirectMount:              os.Getuid() == 0,        // no fusermount3 needed
		EnableLocks:              true,                    // fcntl, see locks.go
		DisabledCapabilities:     fuse.CAP_FLOCK_LOCKS,    // flock is the kernel's
	}
	if o.AllowOther && os.Getuid() == 0 {
		mo.Options = append(mo.Options, "default_permissions")
	}
	return &fs.Options{
		MountOptions:    mo,
		NegativeTimeout: &negative,
		NullPermissions: true, // mode 0 is a mode
		RootStableAttr:  &fs.StableAttr{Ino: 1},
		Logger:          log.New(logWriter{o.Logger}, "", 0),
	}
}

// canPassThrough tries whether the kernel accepts a backing file from us: Linux
// 6.9, CAP_SYS_ADMIN, and a cache that is not itself on a stack of file systems.
func canPassThrough(server *fuse.Server, cache *store.Store) bool {
	if server.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH == 0 {
		return false
	}
	f, err := cache.UnnamedFile()
	if err != nil {
		return false
	}
	defer f.Close()
	id, no := server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(f.Fd())})
	if no != 0 {
		return false
	}
	return server.UnregisterBackingFd(id) == 0
}

// mendable adds what a person can do to go-fuse's words.
func mendable(err error) error {
	switch {
	case strings.Contains(err.Error(), "executable file not found"):
		return fmt.Errorf("%w: install fuse3 (apt-get install fuse3)", err)
	case errors.Is(err, syscall.EACCES), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w: is /dev/fuse open to you? (sudo chmod 0666 /dev/fuse)", err)
	}
	return err
}

// logWriter passes lines of go-fuse on.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// Passthrough reports whether the kernel reads cached files itself.
func (m *Server) Passthrough() bool { return m.st.passthrough.Load() }

// Wait returns when the file system is not mounted any more, under no name.
func (m *Server) Wait() { <-m.served }

// Unmount unmounts: EBUSY if it is in use.
func (m *Server) Unmount() error { return unmount(m.mountpoint, false) }

// UnmountLazy takes the mount out of the tree at once; who uses it goes on
// until it is done.
func (m *Server) UnmountLazy() error { return unmount(m.mountpoint, true) }

// Close ends the work of the mount after Wait.
func (m *Server) Close() error {
	m.closeOnce.Do(func() {
		m.st.store.OnChange(func(string) {})
		m.st.notes.close()
	})
	return nil
}

// CheckMountpoint looks at a folder before it is mounted on: dead is a FUSE
// mount there whose daemon is gone, a mount that lives is an error.
func CheckMountpoint(dir string) (dead bool, err error) {
	done := make(chan error, 1)
	go func() { done <- statfs(dir) }() // a hung mount keeps this goroutine, not us
	select {
	case err = <-done:
	case <-time.After(5 * time.Second):
		return false, fmt.Errorf("mountpoint %s: a mount there does not answer: sstatefs unmount --force %s", dir, dir)
	}
	// Who waits for a daemon while it dies is told ECONNABORTED, later ones
	// ENOTCONN (fuse_abort_conn of Linux).
	if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ECONNABORTED) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("mountpoint %s: %w", dir, err)
	}
	if source, fstype := mountedAt(dir); strings.HasPrefix(fstype, "fuse") {
		return false, fmt.Errorf("mountpoint %s: %s (%s) is mounted there: sstatefs unmount %s", dir, source, fstype, dir)
	}
	return false, nil
}

// statfs makes a call that a daemon must answer. EIO may come from one that is
// being killed: the kernel cannot copy the request to it any more
// (fuse_dev_do_read). The next call finds it gone.
func statfs(dir string) error {
	var sf unix.Statfs_t
	err := unix.Statfs(dir, &sf)
	for n := 0; n < 20 && errors.Is(err, syscall.EIO); n++ {
		time.Sleep(50 * time.Millisecond)
		err = unix.Statfs(dir, &sf)
	}
	return err
}
