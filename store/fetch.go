package store

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	return o.Within(context.Background()).ReadAt(p, off)
}

// Within is the object for a reader who waits for the remote until ctx is done.
func (o *Object) Within(ctx context.Context) io.ReaderAt {
	if o.File != nil {
		return o.File
	}
	return readerAt(func(p []byte, off int64) (int, error) { return o.far.readAt(ctx, p, off) })
}

type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

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
	done      chan struct{}
	err       error
	overtaken bool // the key was published or removed here since it began
}

// overtake tells the download of a key that what it brings is old. Called with
// the key lock.
func (f *fetches) overtake(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.running[key]; r != nil {
		r.overtaken = true
	}
}

func (f *fetches) isOvertaken(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.running[key]
	return r != nil && r.overtaken
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
		o.far, err = newFarReader(s, key), nil
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
			f, err := s.openCached(key)
			if !errors.Is(err, os.ErrNotExist) {
				return f, err
			}
			continue
		}
		if err := s.fetch(ctx, key); err != nil {
			return nil, err
		}
	}
	if s.isOurs(key) {
		return nil, syscall.EIO
	}
	return nil, errNoRoom // a damaged or old copy on a disk that is read-only stays in the way
}

// openCached opens a cached object if it may be served. ErrNotExist when it went
// meanwhile, or is damaged and was set aside.
func (s *Store) openCached(key string) (*os.File, error) {
	err := s.checkUnclean(s.layout.object(key), key)
	switch {
	case errors.Is(err, errDamaged):
		s.breakObject(key)
		return nil, os.ErrNotExist
	case errors.Is(err, syscall.EIO) && !s.isOurs(key):
		return nil, errNoRoom // the disk has lost it, the remote has not
	case err != nil:
		return nil, err
	}
	return os.Open(s.layout.object(key))
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
// may have broken quietly, or if it may just be replaced: what is listed is not
// there, or what came is not what is there.
func (s *Store) bring(ctx context.Context, key string) error {
	info, err := s.download(ctx, key)
	switch {
	case errors.Is(err, remote.ErrCorrupt), errors.Is(err, errOtherSize):
		info, err = s.download(ctx, key)
	case errors.Is(err, remote.ErrNotExist) && sleep(ctx, replacing, nil):
		info, err = s.download(ctx, key)
	}
	switch {
	case errors.Is(err, errOvertaken):
		return nil // whoever wants it looks again
	case err == nil, errors.Is(err, errNoRoom):
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
	info.Key = remote.Key(key)
	if err := s.doubtSize(ctx, info); err != nil {
		return info, err
	}
	if info.Size > s.opt.CacheSize {
		return info, errNoRoom
	}
	release, ok := s.reserve(info.Size)
	if !ok {
		return info, errNoRoom
	}
	defer release()
	if err := s.takeIn(body, info); err != nil {
		return info, s.notKept(err)
	}
	s.touches.want(key)
	s.ledger.note(Event{Kind: EventFetch, Key: key, Bytes: info.Size}, func(t *Stats) {
		t.Fetched.Objects++
		t.Fetched.Bytes += info.Size
	})
	return info, nil
}

// takeIn verifies a body on its way into the cache.
func (s *Store) takeIn(body io.Reader, info remote.Info) error {
	tmp := s.temporary()
	defer os.Remove(tmp)
	var f *os.File
	err := s.withRoomFor(func() (err error) {
		f, err = os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o664)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	got, err := receive(f, body, info)
	failpoint.Pass("fetch.received")
	if err == nil {
		err = s.keep(tmp, info, got)
	}
	return err
}

// errNotKept is an object that the cache's disk does not take.
var errNotKept = errors.New("cannot be kept")

// notKept makes of a download that the disk did not take one to be read from the
// remote, whatever is wrong with the disk.
func (s *Store) notKept(err error) error {
	switch {
	case !errors.Is(err, errNotKept):
		return err
	case isFull(err):
		return errNoRoom
	}
	s.quiet.warn("objects are read from the remote, the cache's disk does not take them", "error", err)
	return fmt.Errorf("%w: %w", errNoRoom, err)
}

// errOvertaken is a download of what is not the newest any more.
var errOvertaken = errors.New("published or removed here meanwhile")

// keep puts a verified download in place, unless we have published or removed the
// key meanwhile, perhaps even on the remote. Its time is now: a fetch is a use.
func (s *Store) keep(tmp string, info remote.Info, got sum) error {
	key := string(info.Key)
	unlock := s.keys.lock(key)
	defer unlock()
	if s.fetches.isOvertaken(key) || s.names.isRemoved(key) || localID(s.layout.object(key)) != (FileID{}) {
		return errOvertaken
	}
	_ = os.Chmod(tmp, 0o664) // as BitBake leaves it, whatever our umask
	if err := s.withRoomFor(func() error { return s.place(tmp, key) }); err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	failpoint.Pass("fetch.placed")
	s.sums.set(s.layout.object(key), key, got)
	failpoint.Pass("fetch.summed")
	s.names.clearCorrupt(key)
	s.noteFound(info) // another size may have been listed
	s.dirty.Store(true)
	return nil
}

// fetchFailed says what a failed download means: gone, worthless, or only
// unreachable.
func (s *Store) fetchFailed(key string, info remote.Info, err error) error {
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return s.fetchedNothing(key)
	case errors.Is(err, remote.ErrCorrupt):
		s.foundCorrupt(key, info, err)
	case s.ctx.Err() == nil:
		s.quiet.warn("not fetched", "error", err)
	}
	return fmt.Errorf("fetch: %w", err)
}

// fetchedNothing notes that the remote has not what it was thought to have.
func (s *Store) fetchedNothing(key string) error {
	unlock := s.keys.lock(key)
	overtaken := s.fetches.isOvertaken(key)
	if !overtaken {
		s.noteGone(key)
	}
	unlock()
	if overtaken {
		return nil
	}
	s.changed(key)
	return errNotExist
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
