package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"sstatefs/remote"
)

const (
	// bundleParts is how many parts one bundle holds at most: who makes it
	// reads them all.
	bundleParts = 1024

	// claimTime is how long others wait for the bundle of a claim before one of
	// them makes the next: who claimed may have been killed.
	claimTime = 30 * time.Second

	// bundleWait is how long parts wait for bundles at most. Then they are read
	// one by one, whatever that costs.
	bundleWait = 5 * time.Minute
)

// bundle makes one object of many parts, unless somebody else is at it: then
// wait says to look again later. read is how many of the parts were. Where
// creates are not atomic two may make the same bundle, which costs requests and
// nothing else.
func (f *feed) bundle(ctx context.Context, s slot, names slotNames, parts []fresh) (read int, wait bool, err error) {
	now, _ := f.farNow()
	if f.waited(s, now) > bundleWait {
		return 0, false, nil
	}
	if !names.claimed.IsZero() && now.Sub(names.claimed) < claimTime {
		return 0, true, nil
	}
	claim := feedName{slot: s, kind: feedClaim, number: names.claims}
	switch err := f.guard.Put(ctx, claim.key(), feedSource(nil), remote.PutOptions{Create: true}); {
	case errors.Is(err, remote.ErrExist):
		return 0, true, nil
	case errors.Is(err, remote.ErrPermission), errors.Is(err, remote.ErrUnsupported):
		return 0, false, nil // who may only read reads them all
	case err != nil:
		return 0, false, err
	}
	read, err = f.makeBundle(ctx, feedName{slot: s, kind: feedBundle, number: names.claims, id: rand.Uint64()}, parts)
	return read, false, err
}

// waited is for how long parts of a slot have waited for bundles.
func (f *feed) waited(s slot, now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waits[s].IsZero() {
		f.waits[s] = now
	}
	return now.Sub(f.waits[s])
}

// makeBundle reads parts and puts them together. Those that do not fit are left
// for the next bundle.
func (f *feed) makeBundle(ctx context.Context, n feedName, parts []fresh) (read int, err error) {
	var text []byte
	for read < min(len(parts), bundleParts) && len(text) < feedBundled {
		some := parts[read:min(len(parts), bundleParts, read+feedAtOnce)]
		err := f.readAll(ctx, some, func(id uint64, lines []byte) {
			if len(text)+len(lines) <= feedBundled { // others read a large one by itself
				text = append(append(append(text, "= "...), feedID(id)...), '\n')
				text = append(text, lines...)
			}
		})
		if err != nil {
			return read, err
		}
		read += len(some)
	}
	data, err := pack(text)
	if err != nil || len(data) > feedObject {
		return read, err // the parts are there
	}
	f.saw(n.slot, n.id)
	if err := f.guard.Put(ctx, n.key(), feedSource(data), remote.PutOptions{}); err != nil {
		return read, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Bundles++
	delete(f.waits, n.slot)
	return read, nil
}
