package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sstatefs/remote"
)

const (
	// feedDirect is how many parts of a slot are read one by one. Where more
	// are new a bundle is made: of a thousand hosts each would read the parts
	// of all others.
	feedDirect = 32

	// feedNames bounds the names of a slot: a thousand hosts write ten thousand
	// parts in it.
	feedNames = 100_000

	// feedAhead is how many slots that are over are read before one that waits:
	// what was read of them is kept by name until then.
	feedAhead = 12
)

// errSpoilt is a part, bundle or slot that cannot be read: not now, nor later.
var errSpoilt = errors.New("change feed spoilt")

// read takes over all that was told since the last time.
func (f *feed) read(ctx context.Context) error {
	select {
	case f.reading <- struct{}{}:
		defer func() { <-f.reading }()
	case <-ctx.Done():
		return ctx.Err()
	}
	begun := f.now()
	now, from, err := f.reach(ctx)
	if err != nil {
		return err
	}
	over := slotAt(now.Add(-slotLate)) // those before it are
	complete := true
	for s := from; s <= slotAt(now); s++ {
		if !complete && s < over-feedAhead {
			continue
		}
		whole, err := f.readSlot(ctx, s)
		if err != nil {
			return f.failed(ctx, err)
		}
		if complete = complete && whole; complete && s < over {
			f.passed(s)
		}
	}
	f.settle()
	f.mu.Lock()
	f.refused = ""
	f.forget(now)
	if complete {
		f.counts.Heard, f.lacking = begun, time.Time{}
	}
	f.mu.Unlock()
	if !complete {
		return errFeedWaits
	}
	f.index.caughtUp(begun)
	return nil
}

// passed notes that all slots up to this one were read to their end.
func (f *feed) passed(s slot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.from = max(f.from, s+1)
	delete(f.seen, s)
	delete(f.waits, s)
}

// reach is from where to read on. What was saved too long ago is listed.
func (f *feed) reach(ctx context.Context) (now time.Time, from slot, err error) {
	now, known := f.farNow()
	if !known {
		if err := f.guard.ProbeNow(ctx); err != nil {
			return now, 0, err
		}
		if now, known = f.farNow(); !known {
			return now, 0, fmt.Errorf("%w: the remote's clock is not known", errFeedRefused)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lacks = 0
	slots := int64(slotAt(now) - f.from)
	if slots > slotReach || slots > 12 && slots > f.index.requests() || slots < -1 {
		f.valid = false
		return now, 0, errNoFeedYet
	}
	return now, f.from, nil
}

// failed tells errors that a listing helps against from those of a remote in
// trouble.
func (f *feed) failed(ctx context.Context, err error) error {
	if ctx.Err() == nil && (errors.Is(err, remote.ErrPermission) || errors.Is(err, remote.ErrUnsupported)) {
		f.warn("change feed cannot be read, the remote is listed instead", "error", err)
		f.mu.Lock()
		f.refused = oneLine(err)
		f.mu.Unlock()
		return fmt.Errorf("%w: %w", errFeedRefused, err)
	}
	return err
}

// slotNames are the names in a slot that were not read.
type slotNames struct {
	parts, bundles []fresh
	claims         int       // that there are
	claimed        time.Time // when the last was made, zero if its bundle is there
}

// fresh is a part or bundle that was not read.
type fresh struct {
	feedName
	size int64
}

// readSlot reads what is new in a slot. whole is false while parts wait for a
// bundle that somebody else is making, or cannot be had.
func (f *feed) readSlot(ctx context.Context, s slot) (whole bool, err error) {
	lacked := f.lacked()
	names, err := f.listSlot(ctx, s)
	if errors.Is(err, errSpoilt) {
		f.spoilt(err)
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if err := f.readAll(ctx, names.bundles, nil); err != nil {
		return false, err
	}
	f.mu.Lock()
	parts := slices.DeleteFunc(names.parts, func(p fresh) bool { return f.seen[s][p.id] })
	f.mu.Unlock()
	for len(parts) > feedDirect && !f.mute() {
		read, wait, err := f.bundle(ctx, s, names, parts)
		if err != nil || wait {
			return false, err
		}
		if read == 0 {
			break
		}
		parts = parts[read:]
		names.claims, names.claimed = names.claims+1, time.Time{}
	}
	err = f.readAll(ctx, parts, nil)
	return err == nil && f.lacked() == lacked, err
}

// lacked is how many parts could not be had so far.
func (f *feed) lacked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lacks
}

// listSlot lists a slot.
func (f *feed) listSlot(ctx context.Context, s slot) (names slotNames, err error) {
	isSeen := func(id uint64) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.seen[s][id]
	}
	count, last := 0, -1
	bundled := map[int]bool{}
	err = f.guard.List(ctx, s.folder(), func(i remote.Info) error {
		if count++; count > feedNames {
			return fmt.Errorf("%w: more than %d names in %s", errSpoilt, feedNames, s.folder())
		}
		n, ok := s.parseFeed(i.Key)
		switch {
		case !ok:
		case n.kind == feedClaim:
			names.claims = max(names.claims, n.number+1)
			if n.number > last {
				last, names.claimed = n.number, i.ModTime
			}
		case n.kind == feedBundle:
			bundled[n.number] = true
			if !isSeen(n.id) {
				names.bundles = append(names.bundles, fresh{n, i.Size})
			}
		case !isSeen(n.id):
			names.parts = append(names.parts, fresh{n, i.Size})
		}
		return nil
	})
	if bundled[last] {
		names.claimed = time.Time{}
	}
	return names, err
}
