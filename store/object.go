package store

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// Object is an open object. Exactly one of File and the remote is behind it.
type Object struct {
	// File is the content, nil when the object does not fit into the cache and
	// is read from the remote. It has its size from the beginning, but until
	// IsWhole only those bytes may be read that Await has waited for.
	File *os.File

	store  *Store
	key    string
	far    *farReader
	stream *stream // nil for what was here when it was opened
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
	switch {
	case o.stream != nil:
		return o.arriving(ctx)
	case o.File != nil:
		return o.File
	}
	return readerAt(func(p []byte, off int64) (int, error) { return o.far.readAt(ctx, p, off) })
}

type readerAt func(p []byte, off int64) (int, error)

func (f readerAt) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }

// Close ends the use of the object.
func (o *Object) Close() error {
	o.store.fetches.use(o.key, -1)
	if o.stream != nil {
		o.stream.leave(o)
	}
	if o.File != nil {
		return o.File.Close()
	}
	return o.far.Close()
}

// Open opens an object for reading and fetches it if it is not here. A small
// one is here then; a large one was answered, and its reads wait for what they
// ask for. ENOENT when it is gone, EIO when it cannot be had; both BitBake
// survives.
func (s *Store) Open(ctx context.Context, key string) (*Object, error) {
	s.fetches.use(key, 1)
	o := &Object{store: s, key: key}
	var err error
	o.File, o.stream, err = s.openWith(ctx, key, s.fetchSoon)
	if errors.Is(err, errNoRoom) {
		o.far, err = newFarReader(s, key), nil
	}
	if err != nil {
		s.fetches.use(key, -1)
		return nil, err
	}
	return o, nil
}

// IsWhole reports whether all of File can be read, now and later. If not, Await
// tells what can.
func (o *Object) IsWhole() bool { return o.stream == nil || o.stream.whole.Load() }

// Await returns when n bytes from off can be read from File, or as many as the
// object has: nil, or the reason why they never can. The end of an object is
// there when all of it is known to be right.
func (o *Object) Await(ctx context.Context, off int64, n int) error {
	if o.stream == nil {
		return nil
	}
	return o.stream.await(ctx, off, int64(n))
}

// WhenBroken has f called, once and from another goroutine that it must not
// block, if the object turns out wrong or breaks off before Close: what was read
// of it is worthless. Who opens it after that has another File.
func (o *Object) WhenBroken(f func()) {
	if o.stream != nil {
		o.stream.whenBroken(o, f)
	}
}

// arriving is the file of a stream, for a reader who waits until ctx is done.
func (o *Object) arriving(ctx context.Context) io.ReaderAt {
	return readerAt(func(p []byte, off int64) (int, error) {
		if err := o.stream.await(ctx, off, int64(len(p))); err != nil {
			return 0, err
		}
		return o.File.ReadAt(p, off)
	})
}
