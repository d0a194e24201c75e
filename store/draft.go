package store

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// Draft is a file that is written under an object's name, by cp or wget: it
// becomes the object when it is closed and whole. Until then the name stays
// what it was.
//
// A build never writes like this; BitBake uses temporaries and link or rename.
type Draft struct {
	store *Store
	key   string
	name  sstate.Name

	mu      sync.Mutex
	file    *os.File
	path    string // in fetch/, empty when the file has become the object
	create  bool   // the name was free: the first writer wins
	dirty   bool   // written to, or truncated, since the last publish
	written bool   // ever
	done    bool   // closed
	cut     bool   // a writer was killed
}

// CreateDraft starts a new object.
func (s *Store) CreateDraft(key string, keep bool) (*Draft, Entry, error) {
	d, err := s.newDraft(key)
	if err != nil {
		return nil, Entry{}, err
	}
	d.create = true
	d.written = keep
	e, err := s.statFile(key, d.file)
	s.objectLooks(&e)
	return d, e, err
}

// EditDraft starts a private copy of an object, empty if truncate is set. EPERM
// under --unlink=refuse: it would replace the object.
func (s *Store) EditDraft(ctx context.Context, key string, truncate bool) (*Draft, error) {
	if s.opt.Unlink == UnlinkRefuse {
		return nil, errRefused
	}
	d, err := s.newDraft(key)
	if err != nil {
		return nil, err
	}
	if truncate {
		d.dirty, d.written = true, true
		return d, nil
	}
	if err := d.copyFrom(ctx); err != nil {
		_, _ = d.Close(ctx)
		return nil, err
	}
	return d, nil
}

func (s *Store) newDraft(key string) (*Draft, error) {
	n, ok := sstate.ParsePath(key)
	if !ok {
		return nil, syscall.EINVAL
	}
	d := &Draft{store: s, key: key, name: n}
	if err := d.newFile(nil); err != nil {
		return nil, err
	}
	return d, nil
}

// newFile gives the draft a file of its own, with the content of old if there is
// such a one, or leaves it as it was.
func (d *Draft) newFile(old *os.File) error {
	path := d.store.temporary()
	var f *os.File
	err := d.store.withRoomFor(func() (err error) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o664)
		return err
	})
	if err != nil {
		return err
	}
	err = unix.Fchmod(int(f.Fd()), 0o664)
	if err == nil && old != nil {
		var st os.FileInfo
		if st, err = old.Stat(); err == nil {
			_, err = io.Copy(roomyFile{d.store, f}, io.NewSectionReader(old, 0, st.Size()))
		}
	}
	if err != nil {
		f.Close()
		os.Remove(path)
		return err
	}
	d.file, d.path = f, path
	return nil
}

func (d *Draft) copyFrom(ctx context.Context) error {
	o, err := d.store.Open(ctx, d.key)
	if err != nil {
		return err
	}
	defer func() { _ = o.Close() }()
	e, err := d.store.lookupObject(ctx, d.key)
	if err != nil {
		return err
	}
	_, err = io.Copy(roomyFile{d.store, d.file}, io.NewSectionReader(o.Within(ctx), 0, e.Size))
	return err
}

// WriteAt writes at an offset. What has become the object is copied first.
func (d *Draft) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.private(); err != nil {
		return 0, err
	}
	d.dirty, d.written = true, true
	var n int
	err := d.store.withRoomFor(func() (err error) {
		n, err = d.file.WriteAt(p, off)
		return err
	})
	return n, err
}

// ReadAt reads what was written.
func (d *Draft) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.ReadAt(p, off)
}

// Truncate changes the draft's size.
func (d *Draft) Truncate(size int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.private(); err != nil {
		return err
	}
	d.dirty, d.written = true, true
	return d.file.Truncate(size)
}

// private gives a draft that was published a file of its own again. Called
// with mu held.
func (d *Draft) private() error {
	if d.path != "" {
		return nil
	}
	old := d.file
	err := d.newFile(old)
	if err == nil {
		old.Close()
	}
	return err
}

// Stat is the entry of the draft itself.
func (d *Draft) Stat() (Entry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e, err := d.store.statFile(d.key, d.file)
	d.store.objectLooks(&e)
	if err == nil && d.path != "" {
		e.Nlink = 1
	}
	return e, err
}

// Flush publishes the draft if it is whole already: cp is done when its close
// returns, and nobody waits for the kernel's release of the handle.
func (d *Draft) Flush(ctx context.Context) (published bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirty || d.path == "" {
		return false, nil
	}
	err = d.publish(ctx)
	if errors.Is(err, errNotWhole) {
		return false, nil
	}
	return err == nil, err
}

// Abandon notes that a writer was killed before it closed the draft. What tells
// by itself whether it is whole is published all the same.
func (d *Draft) Abandon() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = true
}

// Key is the object's name.
func (d *Draft) Key() string { return d.key }

// errNotWhole is content that does not decode to its end.
var errNotWhole = errors.New("not whole")

// publish gives the draft its name if it is whole. Called with mu held.
func (d *Draft) publish(ctx context.Context) error {
	st, err := d.file.Stat()
	if err != nil {
		return err
	}
	if d.cut && d.name.Side == sstate.SideSig || sstate.Check(io.NewSectionReader(d.file, 0, st.Size()), d.name) != nil {
		return errNotWhole
	}
	e, err := d.store.publish(ctx, publishing{from: d.path, key: d.key, name: d.name, force: !d.create})
	if d.create && errors.Is(err, errExist) {
		err = nil // the first writer won; contents of one name are equivalent
	}
	if err != nil {
		return err
	}
	failpoint.Pass("draft.published")
	os.Remove(d.path)
	d.path, d.dirty, d.create = "", false, false
	d.store.await(ctx, e)
	return nil
}

// Close ends the draft: it is published if it is whole, else kept as
// NAME.partial for a person to look at. One that was never written goes.
func (d *Draft) Close(ctx context.Context) (published bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return false, nil
	}
	d.done = true
	defer d.file.Close()
	switch {
	case d.path == "":
		return false, nil
	case !d.written, !d.dirty && !d.create:
		return false, os.Remove(d.path)
	case d.publish(ctx) == nil:
		return true, nil
	}
	return false, d.store.toPartial(cacheSpot(d.path), d.key)
}

// toPartial keeps what could not be published beside its name, as scratch.
func (s *Store) toPartial(from spot, key string) error {
	const suffix = ".partial"
	dir, base := parent(key), key[strings.LastIndexByte(key, '/')+1:]
	to := join(dir, base[:min(len(base), 255-len(suffix))]+suffix)
	err := s.withParent(to, func(p spot) error { return from.rename(p, 0) })
	if err == nil {
		s.warn(key, "not whole: kept as "+to+", not published")
		s.changed(to)
	}
	return err
}
