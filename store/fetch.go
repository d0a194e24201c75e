package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// Object is an open object. Exactly one of File and the remote is behind it.
type Object struct {
	// File is the cached content, nil when the object does not fit into the
	// cache and is read from the remote.
	File *os.File

	store *Store
	key   string
	far   *farReader
}

// StatOpen is the entry of an open object: of the content that it reads, which
// may not be what its name stands for any more.
func (s *Store) StatOpen(ctx context.Context, o *Object) (Entry, error) {
	if o.File == nil {
		return s.lookupObject(ctx, o.key)
	}
	var st unix.Statx_t
	err := unix.Statx(int(o.File.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	return s.objectEntry(o.key, &st, remote.Info{}), err
}

// ReadAt reads from the object wherever it is.
func (o *Object) ReadAt(p []byte, off int64) (int, error) {
	if o.File != nil {
		return o.File.ReadAt(p, off)
	}
	return o.far.ReadAt(p, off)
}

// Close ends the use of the object.
func (o *Object) Close() error {
	o.store.fetches.use(o.key, -1)
	if o.File != nil {
		return o.File.Close()
	}
	return o.far.Close()
}

// fetches are the downloads that run, and the objects that are open.
type fetches struct {
	mu      sync.Mutex
	running map[string]*fetch
	open    map[string]int
}

// fetch is one download, awaited by any number of readers.
type fetch struct {
	done chan struct{}
	err  error
}

// errNoRoom says that an object does not fit into the cache: read it from the
// remote.
var errNoRoom = errors.New("does not fit into the cache")

// use counts open handles of an object: trim leaves it alone.
func (f *fetches) use(key string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[string]int{}
	}
	if f.open[key] += n; f.open[key] <= 0 { // an odd name was never counted
		delete(f.open, key)
	}
}

func (f *fetches) inUse(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open[key] > 0 || f.running[key] != nil
}

// Open opens an object for reading and fetches it first if it is not here.
// ENOENT when it is gone, EIO when it cannot be had; both BitBake survives.
func (s *Store) Open(ctx context.Context, key string) (*Object, error) {
	s.fetches.use(key, 1)
	o := &Object{store: s, key: key}
	var err error
	o.File, err = s.openLocal(ctx, key)
	if errors.Is(err, errNoRoom) {
		o.far, err = &farReader{store: s, key: remote.Key(key)}, nil
	}
	if err != nil {
		s.fetches.use(key, -1)
		return nil, err
	}
	return o, nil
}

// openLocal opens the cached content, after fetching it if need be.
func (s *Store) openLocal(ctx context.Context, key string) (*os.File, error) {
	const tries = 8 // an object may be trimmed, replaced or found damaged between fetch and open
	for range tries {
		e, err := s.lookupObject(ctx, key)
		if err != nil {
			return nil, err
		}
		if e.Local {
			if err := s.checkUnclean(s.layout.object(key), key); errors.Is(err, errDamaged) {
				s.breakObject(key)
				continue
			} else if errors.Is(err, os.ErrNotExist) {
				continue // somebody else found the damage
			} else if err != nil {
				return nil, err
			}
			if f, err := os.Open(s.layout.object(key)); !errors.Is(err, os.ErrNotExist) {
				return f, err
			}
			continue
		}
		if err := s.fetch(ctx, key); err != nil {
			return nil, err
		}
	}
	return nil, syscall.EIO
}

// fetch brings an object into the cache. Who asks for one that is on its way
// waits for it; who gives up waiting does not end it.
func (s *Store) fetch(ctx context.Context, key string) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx) // Close waits for no more work
	}
	s.fetches.mu.Lock()
	f := s.fetches.running[key]
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		s.fetches.running[key] = f
		s.spawn(func(ctx context.Context) {
			f.err = s.bring(ctx, key)
			s.fetches.mu.Lock()
			delete(s.fetches.running, key)
			s.fetches.mu.Unlock()
			close(f.done)
		})
	}
	s.fetches.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// replacing is how long a server may need to put one content in the place of
// another: some remove the old one first.
const replacing = 100 * time.Millisecond

// bring downloads an object, and once more if it came damaged, as a connection
// may have broken quietly, or if what is listed is not there: it may just be
// replaced.
func (s *Store) bring(ctx context.Context, key string) error {
	info, err := s.download(ctx, key)
	switch {
	case errors.Is(err, remote.ErrCorrupt):
		info, err = s.download(ctx, key)
	case errors.Is(err, remote.ErrNotExist) && sleep(ctx, replacing, nil):
		info, err = s.download(ctx, key)
	}
	if err == nil || errors.Is(err, errNoRoom) {
		return err
	}
	return s.fetchFailed(key, info, err)
}

// download gets an object into fetch/, verifies it and puts it in place.
func (s *Store) download(ctx context.Context, key string) (remote.Info, error) {
	if localID(s.layout.object(key)) != (FileID{}) {
		return remote.Info{}, nil // the fetch that just ended brought it
	}
	body, info, err := s.guard.Get(ctx, remote.Key(key), 0)
	if err != nil {
		return info, err
	}
	defer body.Close()
	failpoint.Pass("fetch.answered")
	if err := s.doubtSize(ctx, info); err != nil {
		return info, err
	}
	if info.Size > s.opt.CacheSize || !s.makeRoom(info.Size) {
		return info, errNoRoom
	}
	tmp := s.temporary()
	defer os.Remove(tmp)
	got, err := receive(tmp, body, info)
	failpoint.Pass("fetch.received")
	if err == nil {
		err = s.keep(tmp, key, got)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = errNoRoom
	}
	if err != nil {
		return info, err
	}
	s.names.clearCorrupt(key)
	s.noteFound(info) // another size may have been listed
	s.touches.want(key)
	s.ledger.note(Event{Kind: EventFetch, Key: key, Bytes: info.Size}, func(t *Stats) {
		t.Fetched.Objects++
		t.Fetched.Bytes += info.Size
	})
	return info, nil
}

// keep puts a verified download in place, unless we published the key
// meanwhile. Its time is now: a fetch is a use.
func (s *Store) keep(tmp, key string, got sum) error {
	unlock := s.keys.lock(key)
	defer unlock()
	if s.names.isRemoved(key) || localID(s.layout.object(key)) != (FileID{}) {
		return nil // published here meanwhile, perhaps even sent: that is newer
	}
	_ = os.Chmod(tmp, 0o664) // as BitBake leaves it, whatever our umask
	if err := s.place(tmp, key); err != nil {
		return err
	}
	failpoint.Pass("fetch.placed")
	s.sums.set(s.layout.object(key), key, got)
	failpoint.Pass("fetch.summed")
	s.dirty.Store(true)
	return nil
}

// fetchFailed says what a failed download means: gone, worthless, or only
// unreachable.
func (s *Store) fetchFailed(key string, info remote.Info, err error) error {
	switch {
	case errors.Is(err, remote.ErrNotExist):
		s.noteGone(key)
		s.changed(key)
		return errNotExist
	case errors.Is(err, remote.ErrCorrupt):
		s.foundCorrupt(key, info, err)
	case s.ctx.Err() == nil:
		s.quiet.warn("not fetched", "error", err)
	}
	return fmt.Errorf("fetch: %w", err)
}

// foundCorrupt makes what the remote has under a key a miss, until it is another.
func (s *Store) foundCorrupt(key string, info remote.Info, err error) {
	s.warn(key, "remote's object is corrupt, the next publish replaces it: "+oneLine(err))
	info.Key = remote.Key(key)
	s.names.setCorrupt(info, s.now())
	s.changed(key)
}

// breakObject moves a damaged cached object out of the way.
func (s *Store) breakObject(key string) {
	unlock := s.keys.lock(key)
	s.breakLocal(key, s.layout.object(key))
	unlock()
	s.dropSignatureOf(key)
}

// breakLocal keeps a damaged file in broken/ for a person to look at and takes
// its name. Called with the key lock.
func (s *Store) breakLocal(key, path string) {
	var st unix.Statx_t
	if lstat(path, &st) == nil {
		to := s.layout.path("broken", key)
		os.Remove(to)
		if err := linkInto(path, to); err != nil {
			s.quiet.warn("damaged object not kept", "key", key, "error", err)
		}
	}
	s.unpin(key) // or the next mount makes an object of it
	s.dropLocal(key)
}
