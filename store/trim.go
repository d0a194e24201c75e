package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// lowMark is the part of the quota that a trim leaves: the next one is then
// some time away.
const lowMark = 0.9

// freeSpace remembers how much the disk had free; asking costs a system call,
// and publishing asks each time.
type freeSpace struct {
	mu    sync.Mutex
	bytes int64
	total int64
	at    time.Time
	trims sync.Mutex // one trim at a time

	futile time.Time // when a trim last found nothing to remove; guarded by trims
}

// futileRest is the pause after a trim that found nothing: a disk that others
// have filled must not make every publish walk the cache.
const futileRest = 10 * time.Second

// free is the free space of the cache's disk and its size, in bytes, at most a
// second old.
func (s *Store) freeBytes() (free, total int64) {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	if t := s.now(); t.Sub(s.free.at) > time.Second || s.free.at.After(t) {
		if st, err := s.Statfs(); err == nil {
			s.free.bytes, s.free.total = int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
			s.free.at = t
		}
	}
	return s.free.bytes, s.free.total
}

// minFree is what is to stay free on the disk, in bytes.
func (s *Store) minFree() int64 {
	_, total := s.freeBytes()
	return int64(float64(total) * s.opt.MinFree)
}

// excess is how many bytes must go before size more fit.
func (s *Store) excess(size int64) int64 {
	over := s.usage.get().Bytes + size - s.opt.CacheSize
	free, _ := s.freeBytes()
	return max(over, s.minFree()+size-free)
}

// makeRoom trims until size more bytes fit, and reports whether they do.
func (s *Store) makeRoom(size int64) bool {
	if s.excess(size) <= 0 {
		return true
	}
	s.free.trims.Lock()
	defer s.free.trims.Unlock()
	if need := s.excess(size); need > 0 && s.now().Sub(s.free.futile) >= futileRest {
		slack := int64(float64(s.opt.CacheSize) * (1 - lowMark))
		if s.trim(s.ctx, need+slack).Objects == 0 {
			s.free.futile = s.now()
		}
	}
	return s.excess(size) <= 0
}

// withRoomFor runs an operation that needs disk space, and once more after a
// trim if there was none. The caller may hold a key lock: trim only tries them.
func (s *Store) withRoomFor(do func() error) error {
	err := do()
	if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	s.free.trims.Lock()
	got := s.trim(s.ctx, int64(float64(s.opt.CacheSize)*(1-lowMark)))
	s.free.trims.Unlock()
	if got.Objects == 0 {
		return err
	}
	return do()
}

// Trim shrinks the cache to its low mark now.
func (s *Store) Trim(ctx context.Context) (TrimResult, error) {
	s.free.trims.Lock()
	defer s.free.trims.Unlock()
	target := int64(float64(s.opt.CacheSize) * lowMark)
	need := max(s.usage.get().Bytes-target, s.excess(0))
	var r TrimResult
	if need > 0 {
		r.Removed = s.trim(ctx, need)
	}
	r.Left = s.usage.get()
	return r, ctx.Err()
}

// cached is an object that could go.
type cached struct {
	key   string
	size  int64
	mtime time.Time
}

// trim removes at least need bytes, least recently used first. What is not
// sent, pinned or open stays. Called with free.trims.
func (s *Store) trim(ctx context.Context, need int64) Count {
	all := s.listCached(ctx)
	sort.Slice(all, func(i, j int) bool { return all[i].mtime.Before(all[j].mtime) })
	var gone Count
	for _, c := range all {
		if gone.Bytes >= need || ctx.Err() != nil {
			break
		}
		if s.evict(c) {
			gone.Objects++
			gone.Bytes += c.size
		}
	}
	if gone.Objects > 0 {
		s.free.mu.Lock()
		s.free.at = time.Time{}
		s.free.mu.Unlock()
		s.ledger.note(Event{Kind: EventTrim, Count: gone.Objects, Bytes: gone.Bytes}, func(t *Stats) {
			t.Cache.Trimmed.Objects += gone.Objects
			t.Cache.Trimmed.Bytes += gone.Bytes
		})
	}
	return gone
}

// listCached walks the cache.
func (s *Store) listCached(ctx context.Context) []cached {
	var all []cached
	root := s.layout.path("objects")
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return fs.SkipAll
		}
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if i, err := d.Info(); err == nil {
			all = append(all, cached{strings.TrimPrefix(path, root+"/"), i.Size(), i.ModTime()})
		}
		return nil
	})
	return all
}

// evict removes one object from the cache if nothing speaks against it. It is
// never waited for a key lock: a publisher that holds one may be waiting for
// this trim.
func (s *Store) evict(c cached) bool {
	unlock, ok := s.keys.try(c.key)
	if !ok {
		return false
	}
	defer unlock()
	if s.isOurs(c.key) || s.fetches.inUse(c.key) || s.queue.pending(c.key+sstate.SideSig) {
		return false // a .sig that is not sent yet is known to be of these bytes
	}
	var st unix.Statx_t
	if lstat(s.layout.object(c.key), &st) != nil || !stamptime(st.Mtime).Equal(c.mtime) {
		return false // used since it was listed
	}
	failpoint.Pass("trim.chosen")
	s.dropLocal(c.key)
	failpoint.Pass("trim.evicted")
	return true
}
