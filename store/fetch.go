package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// fetches are the downloads that run, and the objects that are open.
type fetches struct {
	mu      sync.Mutex
	running map[string]*fetch
	open    map[string]int

	streamFrom, withheld int64 // other bounds than the usual, for tests
}

// fetch is one download, awaited by any number of readers.
type fetch struct {
	key  string
	done chan struct{}
	err  error

	// Of the goroutine that fetches.
	in     *intake
	broken *stream // of a try before, whose readers have seen some of it
	why    error   // it broke

	// Guarded by fetches.mu.
	overtaken bool          // the key was published or removed here since it began
	stream    *stream       // to be read meanwhile, if there is one
	offered   chan struct{} // closed when there is
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

// openLocal opens the cached content, after fetching all of it if need be.
func (s *Store) openLocal(ctx context.Context, key string) (*os.File, error) {
	f, _, err := s.openWith(ctx, key, func(ctx context.Context, e Entry) (*os.File, *stream, error) {
		return nil, nil, s.fetch(ctx, e.Path)
	})
	return f, err
}

// openWith opens the cached content, or what get gives of an object that is not
// here: nothing if it is now.
func (s *Store) openWith(ctx context.Context, key string, get func(context.Context, Entry) (*os.File, *stream, error)) (*os.File, *stream, error) {
	const tries = 8 // an object may be trimmed, replaced or found damaged between fetch and open
	for range tries {
		e, err := s.lookupObject(ctx, key)
		if err != nil {
			return nil, nil, err
		}
		if e.Local {
			f, err := s.openCached(key)
			if !errors.Is(err, os.ErrNotExist) {
				return f, nil, err
			}
			continue
		}
		if f, st, err := get(ctx, e); f != nil || err != nil {
			return f, st, err
		}
	}
	if s.isOurs(key) {
		return nil, nil, syscall.EIO
	}
	return nil, nil, errNoRoom // a damaged or old copy on a disk that is read-only stays in the way
}

// openCached opens a cached object if it may be served. ErrNotExist when it went
// meanwhile, or is damaged and was set aside.
func (s *Store) openCached(key string) (*os.File, error) {
	seen, err := s.checkObject(key)
	switch {
	case errors.Is(err, errDamaged):
		s.breakObject(key, seen)
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
	f, err := s.begin(key)
	if err != nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fetchSoon is fetch for who can read an object while it comes, if it is the
// one that was looked up. The file is nil when it is here.
func (s *Store) fetchSoon(ctx context.Context, e Entry) (*os.File, *stream, error) {
	f, err := s.begin(e.Path)
	if err != nil {
		return nil, nil, err
	}
	for {
		st, offered := s.fetches.offer(f)
		if st != nil && st.info.Size == e.Size {
			if file, ok := st.join(); ok {
				return file, st, nil
			}
		}
		if st != nil {
			offered = nil
		}
		select {
		case <-offered:
		case <-f.done:
			return nil, nil, f.err
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// offer is what can be read of a download, or what is closed when something can:
// never of one that was overtaken, since who opens it now looks again.
func (f *fetches) offer(r *fetch) (*stream, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.overtaken {
		return nil, nil
	}
	return r.stream, r.offered
}

// begin starts the download of an object, unless it is on its way.
func (s *Store) begin(key string) (*fetch, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx) // Close waits for no more work
	}
	s.fetches.mu.Lock()
	defer s.fetches.mu.Unlock()
	f := s.fetches.running[key]
	if f == nil {
		f = &fetch{key: key, done: make(chan struct{}), offered: make(chan struct{})}
		s.fetches.running[key] = f
		s.spawn(func(ctx context.Context) {
			f.err = s.bring(ctx, f)
			s.fetches.mu.Lock()
			delete(s.fetches.running, key)
			s.fetches.mu.Unlock()
			close(f.done)
		})
	}
	return f, nil
}

// replacing is how long a server may need to put one content in the place of
// another: some remove the old one first.
const replacing = 100 * time.Millisecond

// bring downloads an object, and says what became of it. Who reads it meanwhile
// learns it last: his next look at the name shows it.
func (s *Store) bring(ctx context.Context, f *fetch) error {
	info, err := s.tryTwice(ctx, f)
	said := err
	switch {
	case errors.Is(err, errOvertaken):
		said = nil // whoever wants it looks again
	case err != nil && !errors.Is(err, errNoRoom):
		said = s.fetchFailed(f.key, info, err)
	}
	s.drop(f, err)
	if f.broken != nil {
		f.broken.end(f.why)
	}
	return said
}

// tryTwice downloads an object, and once more if it came damaged, as a connection
// may have broken quietly, or if it may just be replaced: what is listed is not
// there, or what came is not what is there.
func (s *Store) tryTwice(ctx context.Context, f *fetch) (remote.Info, error) {
	info, err := s.download(ctx, f)
	switch {
	case errors.Is(err, remote.ErrCorrupt), errors.Is(err, errOtherSize):
	case errors.Is(err, remote.ErrNotExist) && sleep(ctx, replacing, nil):
	default:
		return info, err
	}
	if f.in != nil && !f.in.rewind() {
		s.abandon(f, err)
	}
	return s.download(ctx, f)
}

// download gets an object into fetch/, verifies it and puts it in place. Not one
// that is removed: who asks looked before that, and by the time it is here the
// remote may have lost it, so that nothing tells any more.
func (s *Store) download(ctx context.Context, f *fetch) (remote.Info, error) {
	key := f.key
	if s.names.isRemoved(key) {
		return remote.Info{}, errOvertaken
	}
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
	if err := s.takeIn(f, body, info); err != nil {
		return info, s.notKept(err)
	}
	s.touches.want(key)
	s.ledger.note(Event{Kind: EventFetch, Key: key, Bytes: info.Size}, func(t *Stats) {
		t.Fetched.Objects++
		t.Fetched.Bytes += info.Size
	})
	return info, nil
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
	if err := s.withRoomFor(func() error { return s.place(tmp, key) }); err != nil {
		return fmt.Errorf("%w: %w", errNotKept, err)
	}
	failpoint.Pass("fetch.placed")
	s.sums.set(s.layout.object(key), key, got)
	failpoint.Pass("fetch.summed")
	s.names.clearCorrupt(key)
	s.names.clearCorrupt(key + sstate.SideSig) // it went with the archive
	s.noteFound(info)                          // another size may have been listed
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
	if e := s.keepFolder(key); e != nil { // who publishes next may have seen it
		s.quiet.warn("folder of a corrupt object not kept", "error", e)
	}
	info.Key = remote.Key(key)
	s.names.setCorrupt(info, s.now())
	s.changed(key)
	if n, ok := sstate.ParsePath(key); !ok || !n.IsArchive() {
		return
	}
	// Its signature goes too: builds that sign begin with that, and take one that is
	// there for an archive that is.
	if sig, e := s.guard.Stat(s.ctx, remote.Key(key+sstate.SideSig)); e == nil {
		s.names.setCorrupt(sig, s.now())
		s.changed(string(sig.Key))
	}
}

// breakObject moves a cached object out of the way that was found damaged, unless
// another content has its name by now.
func (s *Store) breakObject(key string, seen FileID) {
	unlock := s.keys.lock(key)
	same := localID(s.layout.object(key)) == seen
	if same {
		s.breakLocal(key, s.layout.object(key))
	}
	unlock()
	if same {
		s.dropSignatureOfCopy(key)
	}
}
