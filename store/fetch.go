package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
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
		o.far, err = &farReader{ctx: s.ctx, guard: s.guard, key: remote.Key(key)}, nil
	}
	if err != nil {
		s.fetches.use(key, -1)
		return nil, err
	}
	return o, nil
}

// openLocal opens the cached content, after fetching it if need be.
func (s *Store) openLocal(ctx context.Context, key string) (*os.File, error) {
	const tries = 3 // an object may be trimmed or replaced between fetch and open
	for range tries {
		e, err := s.lookupObject(ctx, key)
		if err != nil {
			return nil, err
		}
		if e.Local {
			if err := s.checkUnclean(s.layout.object(key), key); errors.Is(err, errDamaged) {
				s.breakObject(key)
				continue
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
	s.fetches.mu.Lock()
	f := s.fetches.running[key]
	if f == nil {
		f = &fetch{done: make(chan struct{})}
		s.fetches.running[key] = f
		s.spawn(func(ctx context.Context) {
			f.err = s.download(ctx, key)
			if errors.Is(f.err, remote.ErrCorrupt) {
				f.err = s.download(ctx, key) // a connection may have broken quietly
			}
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

// download gets an object into fetch/, verifies it and puts it in place.
func (s *Store) download(ctx context.Context, key string) error {
	if localID(s.layout.object(key)) != (FileID{}) {
		return nil // the fetch that just ended brought it
	}
	body, info, err := s.guard.Get(ctx, remote.Key(key), 0)
	if err != nil {
		return s.fetchFailed(key, info, err)
	}
	defer body.Close()
	if err := s.doubtSize(ctx, info); err != nil {
		return s.fetchFailed(key, info, err)
	}
	if info.Size > s.opt.CacheSize || !s.makeRoom(info.Size) {
		return errNoRoom
	}
	tmp := s.temporary()
	defer os.Remove(tmp)
	sum, err := receive(tmp, body, info.Size)
	if errors.Is(err, syscall.ENOSPC) {
		return errNoRoom
	}
	if err != nil {
		return s.fetchFailed(key, info, err)
	}
	if err := verify(body, tmp, key); err != nil {
		return s.fetchFailed(key, info, err)
	}
	if err := s.keep(tmp, key, sum); err != nil {
		return err
	}
	s.names.clearCorrupt(key)
	if s.index != nil {
		s.index.put(info) // it may have listed another size
	} else if s.asked != nil {
		s.asked.put(info)
	}
	s.touches.want(key)
	s.ledger.note(Event{Kind: EventFetch, Key: key, Bytes: info.Size}, func(t *Stats) {
		t.Fetched.Objects++
		t.Fetched.Bytes += info.Size
	})
	return nil
}

// receive writes a body to a new file and returns its sha256. A body of
// another length than size is ErrCorrupt.
func receive(path string, body io.Reader, size int64) (sum string, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o664)
	if err != nil {
		return "", err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	h := sha256.New()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(f, h)}, body, make([]byte, 256<<10))
	if err != nil {
		return "", err
	}
	if n != size {
		return "", fmt.Errorf("%d bytes instead of %d: %w", n, size, remote.ErrCorrupt)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// keep puts a verified download in place, unless we published the key
// meanwhile. Its time is now: a fetch is a use.
func (s *Store) keep(tmp, key, sum string) error {
	unlock := s.keys.lock(key)
	defer unlock()
	if s.isOurs(key) || s.names.isRemoved(key) || localID(s.layout.object(key)) != (FileID{}) {
		return nil // published here meanwhile, perhaps even sent: that is newer
	}
	_ = os.Chmod(tmp, 0o664) // as BitBake leaves it, whatever our umask
	if err := s.place(tmp, key); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			return errNoRoom
		}
		return err
	}
	s.sums.set(s.layout.object(key), key, sum)
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
		s.warn(key, "remote's object is corrupt, the next publish replaces it: "+oneLine(err))
		info.Key = remote.Key(key)
		s.names.setCorrupt(info, s.now())
		s.changed(key)
	case s.ctx.Err() == nil:
		s.quiet.warn("not fetched", "error", err)
	}
	return fmt.Errorf("fetch: %w", err)
}

// farReader reads an object from the remote without keeping it. It is made for
// one reader that goes forward; any other pattern works and costs requests.
type farReader struct {
	ctx   context.Context // of the store: a reader has no time limit, a stall has
	guard *remote.Guard
	key   remote.Key

	mu   sync.Mutex
	body io.ReadCloser
	at   int64
	info remote.Info // of the first request: the next must be of the same content
}

// ReadAt reads at off, and asks the remote again if that is not where the last
// read ended.
func (r *farReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body == nil || r.at != off {
		if err := r.seek(off); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(r.body, p)
	r.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// seek opens the body at off. Called with mu held.
func (r *farReader) seek(off int64) error {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
	body, info, err := r.guard.Get(r.ctx, r.key, off)
	if err != nil {
		return err
	}
	if r.info.Key == "" {
		r.info = info
	}
	if info.Size != r.info.Size || !info.ModTime.Equal(r.info.ModTime) {
		body.Close()
		return fmt.Errorf("%s: replaced while it was read: %w", r.key, remote.ErrCorrupt)
	}
	r.body, r.at = body, off
	return nil
}

// Close ends the reading.
func (r *farReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

// breakObject moves a damaged cached object out of the way.
func (s *Store) breakObject(key string) {
	unlock := s.keys.lock(key)
	defer unlock()
	s.breakLocal(key, s.layout.object(key))
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
	s.dropLocal(key)
}
