package store

import (
	"context"
	"errors"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/sstate"
)

// freeSpace remembers how much the disk had free; asking costs a system call,
// and publishing asks each time.
type freeSpace struct {
	mu    sync.Mutex
	bytes int64
	total int64
	at    time.Time

	grants sync.Mutex   // makes looking whether there is room and taking it one step
	coming atomic.Int64 // bytes of downloads that were granted room and are not in place
	noted  int64        // what CACHE/usage says, bytes; guarded by grants

	round  chan struct{} // of the trim in the background, closed at its end, nil when there is none; guarded by mu
	trims  sync.Mutex    // one trim at a time
	batch  int           // objects that it remembers of a walk, at most
	rounds atomic.Uint64 // trims that removed something
	futile time.Time     // when a trim last found nothing to remove; guarded by trims
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

// forgetFree has the disk asked again: what it has free just changed by much.
func (s *Store) forgetFree() {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	s.free.at = time.Time{}
}

// minFree is what is to stay free on the disk, in bytes.
func (s *Store) minFree() int64 {
	_, total := s.freeBytes()
	return int64(float64(total) * s.opt.MinFree)
}

// excess is how many bytes must go before size more fit beside what is on its
// way. Of that the disk may hold a part already: it is counted as if it did not.
func (s *Store) excess(size int64) int64 {
	size += s.free.coming.Load() // first: what is placed meanwhile counts twice, not never
	over := s.usage.get().Bytes + size - s.opt.CacheSize
	return max(over, s.lack(size))
}

// lack is how many bytes the disk is short of before size more leave free what
// is to stay free.
func (s *Store) lack(size int64) int64 {
	free, _ := s.freeBytes()
	return s.minFree() + size - free
}

// makeRoom trims, behind, until the quota and the disk's free space are kept.
func (s *Store) makeRoom() {
	if s.excess(0) > 0 {
		s.trimBehind(0)
	}
}

// trimPatience is how long a download waits for a trim of a large cache, or its
// first count. Then it is read past the cache.
const trimPatience = 5 * time.Second

// reserve makes room for a download of size bytes, and keeps it free until
// release is called: many come at a time. It is refused when there is none.
func (s *Store) reserve(size int64) (release func(), ok bool) {
	patience := time.NewTimer(trimPatience)
	defer patience.Stop()
	for own := false; !s.grant(size); {
		if own {
			return nil, false
		}
		var done <-chan struct{}
		done, own = s.trimBehind(size)
		select {
		case <-done:
		case <-patience.C:
			return nil, false
		}
	}
	return func() {
		s.free.coming.Add(-size)
		s.forgetFree()
	}, true
}

func (s *Store) grant(size int64) bool {
	s.free.grants.Lock()
	defer s.free.grants.Unlock()
	if _, certain := s.usage.atLeast(); !certain || s.excess(size) > 0 {
		return false
	}
	s.free.coming.Add(size)
	s.noteUsage()
	return true
}

// trimBehind begins a trim, unless one is under way, and returns what is closed
// at its end.
func (s *Store) trimBehind(size int64) (done <-chan struct{}, began bool) {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	if s.free.round != nil {
		return s.free.round, false
	}
	round := make(chan struct{})
	s.free.round = round
	s.spawn(func(ctx context.Context) {
		s.trimFor(ctx, size)
		s.free.mu.Lock()
		s.free.round = nil
		s.free.mu.Unlock()
		close(round)
	})
	return round, true
}

// countingPause is how often a trim that waits for the count looks at the disk.
const countingPause = time.Second

// trimFor trims if size more bytes do not fit, unless that was futile just now.
// Before the cache is counted it trims for the disk alone: what stands in for the
// count may be too much.
func (s *Store) trimFor(ctx context.Context, size int64) {
	need := s.lack(size + s.free.coming.Load())
	for need <= 0 && !s.usage.isComplete() && ctx.Err() == nil {
		sleep(ctx, countingPause, s.usage.complete)
		need = s.lack(size + s.free.coming.Load())
	}
	s.free.trims.Lock()
	defer s.free.trims.Unlock()
	if s.usage.isComplete() {
		need = s.excess(size)
	}
	if need <= 0 || s.now().Sub(s.free.futile) < futileRest {
		return
	}
	if s.trim(ctx, need+s.slack()).Objects == 0 {
		s.free.futile = s.now()
	}
}

// slack is what a trim removes beyond what was asked for.
func (s *Store) slack() int64 { return int64(float64(s.opt.CacheSize) * (1 - lowMark)) }

// isFull reports whether an error says that the disk has no room, or the user
// may have no more of it.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// withRoomFor runs an operation that needs disk space, and again after a trim
// if there was none. The caller may hold a key lock: trim only tries them.
func (s *Store) withRoomFor(do func() error) error {
	const tries = 8 // others may use the room that a trim made
	var err error
	for range tries {
		before := s.free.rounds.Load()
		if err = do(); !isFull(err) || !s.trimSince(before) {
			break
		}
	}
	return err
}

// trimSince reports whether a trim removed something after so many of them, and
// does one if none has.
func (s *Store) trimSince(rounds uint64) bool {
	s.free.trims.Lock()
	defer s.free.trims.Unlock()
	return s.free.rounds.Load() != rounds || s.trim(s.ctx, s.slack()).Objects > 0
}

// roomyFile is a file that makes room in the cache if its disk is full.
type roomyFile struct {
	s *Store
	f *os.File
}

func (r roomyFile) Write(p []byte) (n int, err error) {
	err = r.s.withRoomFor(func() error {
		m, err := r.f.Write(p[n:])
		n += m
		return err
	})
	return n, err
}

// What the disk must have free for a start: marks, folders, the probe.
const (
	startBytes = 1 << 20
	startFiles = 32 // inodes
)

// roomToStart evicts objects from a disk that is too full for the first steps of
// a start, least recently used first. The queue was not read yet: what waits to
// be sent or is pinned has a second name.
func (s *Store) roomToStart(ctx context.Context) {
	if s.canStart() {
		return
	}
	var gone Count
	wanted := func() int64 {
		if s.canStart() {
			return 0
		}
		return math.MaxInt64 // it may be names that are missing
	}
	s.eachOldest(ctx, wanted, func(c cached) {
		if !s.isShared(c.key) && !s.isShared(c.key+sstate.SideSig) && s.dropLocal(c.key) {
			gone.plus(1, c.size)
		}
	})
	s.log.Warn("the cache's disk is full, objects were removed from the cache to start",
		"objects", gone.Objects, "bytes", gone.Bytes)
}

// isShared reports whether an object's file has more than one name.
func (s *Store) isShared(key string) bool {
	var st unix.Statx_t
	return lstat(s.layout.object(key), &st) == nil && st.Nlink > 1
}

func (s *Store) canStart() bool {
	st, err := s.Statfs()
	if err != nil {
		return true // who needs it will see
	}
	noFiles := st.Files > 0 && st.Ffree < startFiles // some file systems do not count them
	return int64(st.Bavail)*st.Bsize >= startBytes && !noFiles
}
