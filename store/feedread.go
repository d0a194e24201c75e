package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

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

	// feedAtOnce is how many are read at a time: their lines are in memory.
	feedAtOnce = 8

	// feedBatch is how many news are in memory at a time, 200 bytes each.
	feedBatch = 1 << 16
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
	left := slotAt(now.Add(-slotLate)) // the first that is not over
	complete := true
	for s := from; s <= slotAt(now); s++ {
		whole, err := f.readSlot(ctx, s)
		if err != nil {
			return f.failed(ctx, err)
		}
		if !whole {
			left, complete = min(left, s), false
		}
	}
	f.mu.Lock()
	f.from, f.refused = max(f.from, left), ""
	f.forget(now)
	if complete {
		f.counts.Heard = begun
	}
	f.mu.Unlock()
	if !complete {
		return errFeedWaits
	}
	f.index.caughtUp(begun)
	return nil
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
// bundle that somebody else is making.
func (f *feed) readSlot(ctx context.Context, s slot) (whole bool, err error) {
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
	return err == nil, err
}

// listSlot lists a slot.
func (f *feed) listSlot(ctx context.Context, s slot) (names slotNames, err error) {
	f.mu.Lock()
	seen := f.seen[s] // read only here and by who holds reading, but for our own parts
	isSeen := func(id uint64) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return seen[id]
	}
	f.mu.Unlock()
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

// readAll reads parts or bundles and applies them. each, if not nil, gets the
// lines of every one before that.
func (f *feed) readAll(ctx context.Context, all []fresh, each func(id uint64, lines []byte)) error {
	for some := range slices.Chunk(all, feedAtOnce) {
		texts := make([][]byte, len(some))
		g, ctx := errgroup.WithContext(ctx)
		for i, one := range some {
			g.Go(func() (err error) {
				texts[i], err = f.get(ctx, one)
				if errors.Is(err, errSpoilt) {
					f.spoilt(err)
					err = nil
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		f.take(some, texts, each)
	}
	return nil
}

// take applies what was read of one slot, and notes that it was.
func (f *feed) take(some []fresh, texts [][]byte, each func(id uint64, lines []byte)) {
	n := 0
	var all []news
	ids := make([]uint64, 0, len(some))
	for i, one := range some {
		ids = append(ids, one.id)
		if texts[i] != nil {
			t, err := parseFeedLines(texts[i])
			switch {
			case err != nil:
				f.spoilt(fmt.Errorf("%w: %s: %w", errSpoilt, one.key(), err))
			case each != nil:
				each(one.id, texts[i])
			}
			ids = append(ids, t.parts...)
			all = append(all, t.news...)
		}
		if len(all) >= feedBatch {
			n += f.apply(all)
			all = nil
		}
	}
	n += f.apply(all)
	if len(some) > 0 {
		f.saw(some[0].slot, ids...)
	}
	f.mu.Lock()
	f.counts.News += int64(n)
	f.counts.Parts += int64(len(some))
	f.mu.Unlock()
}

// get reads one part or bundle.
func (f *feed) get(ctx context.Context, one fresh) ([]byte, error) {
	if one.size > feedObject {
		return nil, fmt.Errorf("%w: %s has %d bytes", errSpoilt, one.key(), one.size)
	}
	body, _, err := f.guard.Get(ctx, one.key(), 0)
	if errors.Is(err, remote.ErrNotExist) || errors.Is(err, remote.ErrCorrupt) {
		return nil, fmt.Errorf("%w: %w", errSpoilt, err)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, feedObject+1))
	switch {
	case errors.Is(err, remote.ErrCorrupt), len(data) > feedObject:
		return nil, fmt.Errorf("%w: %s: not as long as it was listed", errSpoilt, one.key())
	case err != nil:
		return nil, err
	}
	lines, err := unpack(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errSpoilt, one.key(), err)
	}
	return lines, nil
}

// spoilt makes a listing of all due: nobody knows what was told there.
func (f *feed) spoilt(err error) {
	f.warn("a part of the change feed cannot be read, a listing of all will make up for it", "error", err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Spoilt++
	f.due = true
}
