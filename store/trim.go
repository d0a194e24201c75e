package store

import (
	"context"

	"golang.org/x/sys/unix"

	"sstatefs/remote/failpoint"
	"sstatefs/sstate"
)

// lowMark is the part of the quota that a trim leaves: the next one is then
// some time away.
const lowMark = 0.9

// Trim shrinks the cache to its low mark now, or when it is counted.
func (s *Store) Trim(ctx context.Context) (TrimResult, error) {
	select {
	case <-s.usage.complete:
	case <-ctx.Done():
	case <-s.ctx.Done():
	}
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

// trim removes at least need bytes, least recently used first. What is not
// sent, pinned or open stays. Called with free.trims.
func (s *Store) trim(ctx context.Context, need int64) Count {
	var gone Count
	wanted := func() int64 { return need - gone.Bytes }
	s.eachOldest(ctx, wanted, func(c cached) {
		if s.evict(c) {
			gone.plus(1, c.size)
			s.evictSignature(c.key)
		}
	})
	if gone.Objects > 0 {
		s.forgetFree()
		s.free.rounds.Add(1)
		s.ledger.note(Event{Kind: EventTrim, Count: gone.Objects, Bytes: gone.Bytes}, func(t *Stats) {
			t.Cache.Trimmed.plus(gone.Objects, gone.Bytes)
		})
	}
	return gone
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
	if lstat(s.layout.object(c.key), &st) != nil || stamptime(st.Mtime).UnixNano() != c.used {
		return false // used since it was listed
	}
	failpoint.Pass("trim.chosen")
	gone := s.dropLocal(c.key)
	failpoint.Pass("trim.evicted")
	return gone
}

// evictSignature drops the cached signature of an archive that went: when both are
// replaced on the remote, the old one would be taken for that of the new archive.
// Like evict it waits for nobody.
func (s *Store) evictSignature(key string) {
	if n, ok := sstate.ParsePath(key); !ok || !n.IsArchive() {
		return
	}
	sig := key + sstate.SideSig
	unlock, ok := s.keys.try(sig)
	if !ok {
		return
	}
	defer unlock()
	if !s.isOurs(sig) && !s.fetches.inUse(sig) {
		s.dropLocal(sig)
	}
}
