package file

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// openTimeout bounds the first look at the root when the caller's context has
// no deadline: that of a dead NFS server hangs.
const openTimeout = 5 * time.Second

// folderMode is the mode of folders, less the umask.
const folderMode = 0o775

// Dir is a directory that holds objects.
type Dir struct {
	path  string // absolute and clean
	o     remote.OpenOptions
	cheap cheapRule

	traits atomic.Pointer[remote.Traits]
	seen   atomic.Pointer[root]          // the root when it last answered, nil if it never did
	ahead  atomic.Pointer[time.Duration] // of the clock that stamps files, nil as long as it was not measured
	mu     sync.Mutex                    // for changes of seen and traits
}

var (
	_ remote.Remote         = (*Dir)(nil)
	_ remote.FolderLister   = (*Dir)(nil)
	_ remote.NameLister     = (*Dir)(nil)
	_ remote.LeftoverLister = (*Dir)(nil)
	_ remote.Prober         = (*Dir)(nil)
	_ remote.Clock          = (*Dir)(nil)
	_ remote.Sweeper        = (*Dir)(nil)
	_ remote.Opener         = Open
)

// Open opens a directory, given as a path or a file URL. The URL may say in
// its query whether the store keeps an index of it: ?index=always, never or
// auto, which asks the kind of file system (a Stat on a local one needs no
// index).
//
// Open returns at its deadline, or after 5 s, also when the file system hangs;
// the goroutine that looked ends when the file system answers.
func Open(ctx context.Context, address string, o remote.OpenOptions) (remote.Remote, error) {
	path, query, err := remote.Directory(address)
	if err != nil {
		return nil, err
	}
	cheap, err := indexRule(query)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w", "file://"+path, err)
	}
	d := &Dir{path: path, o: o, cheap: cheap}
	d.expect(o.Identity)
	err = d.firstLook(ctx)
	if ended := remote.Ended(ctx, "file: open", ""); ended != nil && !o.Known {
		return nil, ended
	}
	if err != nil && !(o.Known && isUnavailable(err)) {
		return nil, err
	}
	return d, nil
}

// cheapRule tells from the type of a file system whether Stat is cheap.
type cheapRule func(fsType int64) bool

// indexRule reads the index mode.
func indexRule(query url.Values) (cheapRule, error) {
	for name := range query {
		if name != "index" {
			return nil, fmt.Errorf("unknown parameter %q (known: index)", name)
		}
	}
	switch mode := query.Get("index"); mode {
	case "", "auto":
		return isLocal, nil
	case "always":
		return func(int64) bool { return false }, nil
	case "never":
		return func(int64) bool { return true }, nil
	default:
		return nil, fmt.Errorf("index is %q, not always, never or auto", mode)
	}
}

// expect takes a cache's word for what the root was, until it is seen. Without
// one it may be anything, which is to say NFS.
func (d *Dir) expect(known string) {
	id, ok := parseIdentity(known)
	if !ok {
		id, known = identity{fsType: unix.NFS_SUPER_MAGIC}, ""
	} else {
		d.seen.Store(&root{identity: id})
	}
	d.traits.Store(&remote.Traits{
		ReadOnly: d.o.ReadOnly, AtomicCreate: true, Identity: known,
		CheapStat: d.cheap(id.fsType), TimeResolution: resolution(id.fsType),
	})
}

// firstLook makes the root if that is wanted and finds out about it.
func (d *Dir) firstLook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	looked := make(chan error, 1)
	go func() { looked <- d.look() }()
	select {
	case err := <-looked:
		return err
	case <-ctx.Done():
		return &remote.Error{Op: "file: open", Kind: remote.ErrUnavailable,
			Err: fmt.Errorf("%s: no answer; does its server hang?", d.path)}
	}
}

func (d *Dir) look() error {
	if d.o.Create && !d.o.ReadOnly {
		if err := os.MkdirAll(d.path, folderMode); err != nil {
			return d.rootFailed("open", err)
		}
	}
	fd, err := d.openRoot("open")
	if err == nil {
		closeFD(fd)
	}
	return err
}

// Traits see remote.Traits.
func (d *Dir) Traits() remote.Traits { return *d.traits.Load() }

func (d *Dir) String() string { return (&url.URL{Scheme: "file", Path: d.path}).String() }

// change sets one of the traits.
func (d *Dir) change(set func(*remote.Traits)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := *d.traits.Load()
	set(&t)
	d.traits.Store(&t)
}
