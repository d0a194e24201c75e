package store

import (
	"context"
	"errors"
	"time"

	"sstatefs/remote"
)

// feedBlur is by how much two times of the feed may differ that are in the wrong
// order: hosts know the remote's clock by its answers, which have whole seconds
// and take their time, and so have the times of its objects.
const feedBlur = 3 * time.Second

// mostUnsure bounds the objects that the remote is to be asked of. More are left
// to whoever opens them.
const mostUnsure = 1 << 12

// isBlurred reports whether of two times, in nanoseconds, nobody can say which
// came first.
func isBlurred(a, b int64) bool { return max(a, b)-min(a, b) <= int64(feedBlur) }

// doubt notes an object that came and was removed at about the same time, if there
// is room. Called with mu held.
func (f *feed) doubt(key remote.Key) bool {
	if len(f.unsure) < mostUnsure {
		f.unsure[key] = true
	}
	return f.unsure[key]
}

// wonder is doubt for who has not the lock. A nil feed asks nobody.
func (f *feed) wonder(key remote.Key) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doubt(key)
}

// settle asks the remote of what is unsure, unless somebody does. What it does not
// answer now waits for the next reading; what it refuses to tell is left to whoever
// opens it.
func (f *feed) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asking || len(f.unsure) == 0 {
		return
	}
	f.asking = true
	f.index.spawn(func(ctx context.Context) {
		for key, ok := f.nextUnsure(); ok; key, ok = f.nextUnsure() {
			err := f.ask(ctx, key)
			if err == nil {
				continue
			}
			if ctx.Err() == nil {
				f.warn("change feed: not known whether an object is there", "error", err)
			}
			if ctx.Err() != nil || errors.Is(err, remote.ErrUnavailable) {
				f.mu.Lock()
				f.doubt(key)
				f.asking = false
				f.mu.Unlock()
				return
			}
		}
	})
}

// nextUnsure takes one object that is unsure. If there is none the asking is over.
func (f *feed) nextUnsure() (key remote.Key, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key = range f.unsure {
		delete(f.unsure, key)
		return key, true
	}
	f.asking = false
	return "", false
}

// hearRemote has the remote tell the index of an object.
func (s *Store) hearRemote(ctx context.Context, key remote.Key) error {
	if err := s.relearn(ctx, key); err != nil {
		return err
	}
	s.dropObsolete(string(key))
	return nil
}
