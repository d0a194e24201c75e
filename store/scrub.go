package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// VerifyResult tells what reading the whole cache found. The JSON keys are
// stable.
type VerifyResult struct {
	Checked   Count  `json:"checked"`         // right, by checksum or by decoding
	Unchecked Count  `json:"unchecked"`       // nothing tells whether they are right
	Damaged   Count  `json:"damaged"`         // wrong, or lost by the disk: set aside, fetched again when they are used
	Unread    int64  `json:"unread"`          // objects that could not be read, or set aside
	Total     Count  `json:"total"`           // what the cache held when it began
	Error     string `json:"error,omitempty"` // of the first that is unread
}

// Verify reads every cached object from the disk and sets aside what is damaged,
// as recovery does: its name is free, and the next use fetches it. The error is
// that of ctx; the result is right in any case. progress may be nil.
func (s *Store) Verify(ctx context.Context, progress func(VerifyResult)) (VerifyResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(s.ctx.Err()) })()
	r := VerifyResult{Total: s.usage.get()}
	root := s.layout.path("objects")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, os.ErrNotExist): // went while it was walked
			return nil
		case err != nil:
			r.unread(err)
			return nil
		case d.Type().IsRegular():
			s.scrub(ctx, &r, strings.TrimPrefix(path, root+"/"))
			if progress != nil {
				progress(r)
			}
		}
		return nil
	})
	return r, err
}

// scrub verifies one object.
func (s *Store) scrub(ctx context.Context, r *VerifyResult, key string) {
	path := s.layout.object(key)
	var st unix.Statx_t
	if lstat(path, &st) != nil {
		return // trimmed
	}
	told, err := s.fromDisk(ctx, path, key)
	if isDamage(err) { // what is broken is read twice
		told, err = s.fromDisk(ctx, path, key)
	}
	lost := errors.Is(err, syscall.EIO) && !s.isOurs(key) // a build could not read it either
	switch {
	case ctx.Err() != nil, errors.Is(err, os.ErrNotExist):
	case isDamage(err), lost:
		s.setAsideCached(r, key, &st, err)
	case err != nil:
		r.unread(err)
	case told:
		r.Checked.add(int64(st.Size))
	default:
		r.Unchecked.add(int64(st.Size))
	}
}

func (c *Count) add(bytes int64) {
	c.Objects++
	c.Bytes += bytes
}

func (r *VerifyResult) unread(err error) {
	r.Unread++
	if r.Error == "" {
		r.Error = oneLine(err)
	}
}

// fromDisk is inspect of what the disk has, and not of what the kernel remembers
// of it.
func (s *Store) fromDisk(ctx context.Context, path, key string) (told bool, err error) {
	if f, err := os.Open(path); err == nil {
		_ = unix.Fdatasync(int(f.Fd())) // only clean pages can be dropped
		_ = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		f.Close()
	}
	return s.inspect(ctx, path, key)
}

// setAsideCached takes the name of a damaged object. What waits to be sent is
// not sent any more; what is being sent just now stays until the next time.
func (s *Store) setAsideCached(r *VerifyResult, key string, seen *unix.Statx_t, damage error) {
	waited, gone := s.withdrawCached(key, seen)
	if !gone {
		if localID(s.layout.object(key)) == idOf(seen) {
			r.unread(fmt.Errorf("%s: damaged, and could not be set aside: %w", key, damage))
		}
		return // else another content has its name by now
	}
	r.Damaged.add(int64(seen.Size))
	s.damaged.Add(waited)
	s.log.Error("damaged object set aside", "key", key, "error", damage)
	s.ledger.note(Event{Kind: EventWarning, Key: key, Message: "damaged, set aside: " + oneLine(damage)}, nil)
	if waited > 0 {
		s.dropSignatureOf(key)
	} else {
		s.dropSignatureOfCopy(key)
	}
	s.changed(key)
}

// withdrawCached moves a cached object to broken/, and takes back what was to be
// sent of it. It tells how many entries waited and whether the name is free.
func (s *Store) withdrawCached(key string, seen *unix.Statx_t) (waited int64, gone bool) {
	path := s.layout.object(key)
	unlock := s.keys.lock(key)
	defer unlock()
	if localID(path) != idOf(seen) {
		return 0, false
	}
	queued, held, ok := s.queue.withdraw(key, seen.Ino)
	if !ok {
		return 0, false
	}
	s.breakLocal(key, path)
	for _, e := range queued {
		s.queue.erase(e, false)
	}
	for _, e := range held {
		s.queue.erase(e, true)
	}
	return int64(len(queued) + len(held)), localID(path) != idOf(seen)
}
