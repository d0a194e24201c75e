package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// tellTries is how often a part is written until it is in a slot where readers
// still look: a second try needs a put that took minutes or a clock that was
// unknown before.
const tellTries = 3

// tell writes parts of what is in the journal. What fails is tried again with
// the next one; nothing waits for it.
func (f *feed) tell(ctx context.Context) {
	if f == nil || f.guard.State().Open || !f.journal.waiting() {
		return
	}
	select {
	case f.telling <- struct{}{}:
		defer func() { <-f.telling }()
	case <-ctx.Done():
		return
	}
	for _, part := range f.journal.seal() {
		err := f.tellPart(ctx, part)
		if err != nil {
			if ctx.Err() == nil {
				f.warn("others are not told of changes, will be tried again", "error", err)
			}
			return
		}
		f.journal.done(part)
		failpoint.Pass("feed.told")
	}
}

// tellPart writes one part.
func (f *feed) tellPart(ctx context.Context, part string) error {
	id, err := strconv.ParseUint(part, 16, 64)
	if err != nil {
		return nil
	}
	all, err := f.journal.read(part)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(all) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	lines := []byte{}
	for i := range all {
		lines = all[i].appendLine(lines)
	}
	data, err := pack(lines)
	if err != nil {
		return err
	}
	if err := f.place(ctx, id, data); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Told += int64(len(all))
	return nil
}

// place puts a part into the slot of now, by the time that the remote gave it.
func (f *feed) place(ctx context.Context, id uint64, data []byte) error {
	now, known := f.farNow()
	if !known {
		return fmt.Errorf("%w: the remote's clock is not known", errFeedRefused)
	}
	for range tellTries {
		n := feedName{slot: slotAt(now), kind: feedPart, id: id}
		f.saw(n.slot, id)
		begun := f.now()
		if err := f.guard.Put(ctx, n.key(), feedSource(data), remote.PutOptions{}); err != nil {
			return err
		}
		failpoint.Pass("feed.put")
		info, err := f.guard.Stat(ctx, n.key())
		if err != nil {
			return err
		}
		now = info.ModTime.Add(f.now().Sub(begun)) // it was there by then
		early := info.ModTime.Before(n.slot.begin().Add(-slotLate / 2))
		if !early && now.Before(n.slot.end().Add(slotLate/2)) {
			return nil
		}
	}
	return fmt.Errorf("%w: parts arrive too late, or its clock differs from the times it gives", remote.ErrUnavailable)
}

// saw notes that a part or bundle needs no reading any more.
func (f *feed) saw(s slot, ids ...uint64) {
	if f.index == nil {
		return // nothing is read
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[s] == nil {
		f.seen[s] = map[uint64]bool{}
	}
	for _, id := range ids {
		f.seen[s][id] = true
	}
}

// feedSource is what is put as a part, bundle or claim.
type feedSource []byte

// Size is its length.
func (d feedSource) Size() int64 { return int64(len(d)) }

// Open reads it.
func (d feedSource) Open() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(d)), nil }

// restore gives the index what this host has done and not told: the last daemon
// may have been killed before it saved that.
func (f *feed) restore() {
	for _, part := range f.journal.sealed() {
		if all, err := f.journal.read(part); err == nil {
			f.apply(all)
		}
	}
}

// apply gives news to the index in the order in which they happened, and tells
// how many there were. No time is later than now: it would outlive all others.
func (f *feed) apply(all []news) int {
	now, _ := f.farNow()
	latest := now.Add(slotLate).UnixNano()
	for i := range all {
		all[i].mtime = min(all[i].mtime, latest)
	}
	slices.SortStableFunc(all, func(a, b news) int { return cmp.Compare(a.mtime, b.mtime) })
	f.mu.Lock()
	n, fresh := len(all), all[:0]
	for _, n := range all {
		switch gone := f.removed[n.key]; {
		case n.op == newsGone:
			f.remember(n.key, n.mtime)
		case isBlurred(n.mtime, gone):
			if f.doubt(n.key) && n.mtime < gone {
				continue // the remote will tell
			}
		case n.mtime < gone:
			continue // it was removed after that
		}
		fresh = append(fresh, n)
	}
	f.mu.Unlock()
	if f.index == nil {
		return n
	}
	unsure := f.index.hear(fresh)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range unsure {
		f.doubt(key)
	}
	return n
}

// forget drops what is too old to matter: removals that all have heard of, and
// slots that are not read any more. Called with mu held.
func (f *feed) forget(now time.Time) {
	before := now.Add(-slotLength - 2*slotLate).UnixNano()
	for key, t := range f.removed {
		if t < before {
			delete(f.removed, key)
		}
	}
	for s := range f.seen {
		if s < f.from {
			delete(f.seen, s)
			delete(f.waits, s)
		}
	}
}

// close ends the journal.
func (f *feed) close() {
	if f != nil {
		f.journal.close()
	}
}
