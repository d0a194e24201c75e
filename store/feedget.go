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
	// feedAtOnce is how many are read at a time: their lines are in memory.
	feedAtOnce = 8

	// feedBatch is how many news are in memory at a time, 200 bytes each.
	feedBatch = 1 << 16

	// partWait is for how long a part is asked for again that the remote lists
	// and does not give, as a server does whose disk has lost one object.
	partWait = 5 * time.Minute
)

// got is a part or bundle that is done with. lines is nil if it was spoilt.
type got struct {
	fresh
	lines []byte
}

// readAll reads parts or bundles and applies them. each, if not nil, gets the
// lines of every one before that. Some that cannot be had now are left out.
func (f *feed) readAll(ctx context.Context, all []fresh, each func(id uint64, lines []byte)) error {
	for some := range slices.Chunk(all, feedAtOnce) {
		parts, err := f.getSome(ctx, some)
		f.take(parts, each)
		if err != nil {
			return err
		}
	}
	return nil
}

// getSome reads parts or bundles at the same time.
func (f *feed) getSome(ctx context.Context, some []fresh) ([]got, error) {
	parts := make([]got, len(some))
	g, ctx := errgroup.WithContext(ctx)
	for i, one := range some {
		g.Go(func() error {
			refused := f.guard.State().Open
			lines, err := f.get(ctx, one)
			if err != nil && !refused && ctx.Err() == nil && errors.Is(err, remote.ErrUnavailable) {
				var later bool
				if later, err = f.lack(err); later {
					return nil
				}
			}
			if errors.Is(err, errSpoilt) {
				f.spoilt(err)
				err = nil
			}
			if err == nil {
				parts[i] = got{one, lines}
			}
			return err
		})
	}
	err := g.Wait()
	return slices.DeleteFunc(parts, func(p got) bool { return p.kind == "" }), err
}

// lack judges a part that the remote lists and does not give. later says that
// the others are read all the same, and this one with the next reading. It is
// spoilt if that has gone on for long. Where many fail it is the remote.
func (f *feed) lack(cause error) (later bool, err error) {
	open := f.guard.State().Open
	now := f.now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lacking.IsZero() {
		f.lacking = now
	}
	if now.Sub(f.lacking) > partWait {
		return false, fmt.Errorf("%w: %w", errSpoilt, cause)
	}
	f.lacks++
	return !open && f.lacks <= feedAtOnce, cause
}

// take applies what was read of one slot, and notes that it was.
func (f *feed) take(parts []got, each func(id uint64, lines []byte)) {
	n := 0
	var all []news
	ids := make([]uint64, 0, len(parts))
	for _, one := range parts {
		ids = append(ids, one.id)
		if one.lines != nil {
			t, err := parseFeedLines(one.lines)
			switch {
			case err != nil:
				f.spoilt(fmt.Errorf("%w: %s: %w", errSpoilt, one.key(), err))
			case each != nil:
				each(one.id, one.lines)
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
	if len(parts) > 0 {
		f.saw(parts[0].slot, ids...)
	}
	f.mu.Lock()
	f.counts.News += int64(n)
	f.counts.Parts += int64(len(parts))
	f.mu.Unlock()
}

// get reads one part or bundle.
func (f *feed) get(ctx context.Context, one fresh) ([]byte, error) {
	if one.size > feedObject {
		return nil, fmt.Errorf("%w: %s has %d bytes", errSpoilt, one.key(), one.size)
	}
	body, _, err := f.guard.GetAside(ctx, one.key())
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
	f.spoiltAt = f.now()
}
