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
	if _, is := f.unsure[key]; is {
		return true
	}
	if len(f.unsure) >= mostUnsure {
		return false
	}
	f.unsure[key] = time.Time{}
	return true
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

// wonderWhether notes objects that this host has perhaps removed, from a time by its
// own clock on. The others are told of those that the remote has not.
func (f *feed) wonderWhether(removed []remote.Key, begun time.Time) {
	if f == nil || f.mute() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range removed {
		if isObject(string(key)) && f.doubt(key) {
			f.unsure[key] = begun
		}
	}
}

// settle asks the remote of what is unsure, unless somebody does. What it does not
// answer now waits for the next reading; what it refuses to tell is left to whoever
// opens it.
func (f *feed) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asking || len(f.unsure) == 0 || f.index == nil {
		return
	}
	f.asking = true
	f.index.spawn(func(ctx context.Context) {
		for key, begun, ok := f.nextUnsure(); ok; key, begun, ok = f.nextUnsure() {
			err := f.ask(ctx, key)
			if err == nil {
				f.tellPerhaps(key, begun)
				continue
			}
			if ctx.Err() == nil {
				f.warn("change feed: not known whether an object is there", "error", err)
			}
			if ctx.Err() != nil || errors.Is(err, remote.ErrUnavailable) {
				f.mu.Lock()
				f.unsure[key] = begun
				f.asking = false
				f.mu.Unlock()
				return
			}
		}
	})
}

// nextUnsure takes one object that is unsure, and when this host began to remove it,
// zero if it did not. If there is none the asking is over.
func (f *feed) nextUnsure() (key remote.Key, begun time.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, begun = range f.unsure {
		delete(f.unsure, key)
		return key, begun, true
	}
	f.asking = false
	return "", begun, false
}

// tellPerhaps tells of a removal by this host that the remote has carried out.
func (f *feed) tellPerhaps(key remote.Key, begun time.Time) {
	if _, there := f.index.at(key); there || begun.IsZero() {
		return
	}
	far, _ := f.farNow()
	f.noteGone(key, far.Add(begun.Sub(f.now())))
}

// hearRemote has the remote tell the index of an object.
func (s *Store) hearRemote(ctx context.Context, key remote.Key) error {
	if err := s.relearn(ctx, key); err != nil {
		return err
	}
	s.dropObsolete(string(key))
	return nil
}
