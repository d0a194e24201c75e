package store

import (
	"context"
	"errors"
	"time"

	"sstatefs/remote"
)

// The books of a Store after somebody has changed the remote through Shared.

// localCopy is what was here of a key before the remote was changed.
type localCopy struct {
	id   FileID
	ours bool
}

func (s *Store) copyOf(key remote.Key) localCopy {
	if !key.Valid() {
		return localCopy{}
	}
	return localCopy{localID(s.layout.object(string(key))), s.isOurs(string(key))}
}

// settle notes what became of a key on the remote and drops the cached copy.
// What was published here meanwhile counts more: it may even have been sent,
// and only the remote knows in which order.
func (s *Store) settle(ctx context.Context, key remote.Key, before localCopy, note func()) {
	name := string(key)
	if !isObject(name) {
		note()
		return
	}
	unlock := s.keys.lock(name)
	if s.copyOf(key) != before || before.ours {
		unlock()
		_ = s.relearn(ctx, key) // whoever opens it finds out
		return
	}
	note()
	s.fetches.overtake(name)
	s.names.clearCorrupt(name)
	s.touches.forget(name)
	s.dropLocal(name)
	unlock()
	s.changed(name)
}

// relearn asks the remote what it has under a key. What we send meanwhile waits
// until that is noted; what is on its way is noted when it is there.
func (s *Store) relearn(ctx context.Context, key remote.Key) error {
	end, err := s.touching.turn(ctx, string(key))
	if err != nil {
		return err
	}
	if !s.queue.pending(string(key)) {
		var info remote.Info
		before := s.known(key)
		switch info, err = s.guard.Stat(ctx, key); {
		case err == nil:
			s.noteOnRemote(info)
		case errors.Is(err, remote.ErrNotExist) && s.known(key) != before: // heard of meanwhile
			s.feed.wonder(key)
			err = nil
		case errors.Is(err, remote.ErrNotExist):
			s.noteGone(string(key))
			err = nil
		}
	}
	end()
	if err == nil {
		s.changed(string(key))
	}
	return err
}

// known is what the index, if there is one, knows of an object.
func (s *Store) known(key remote.Key) (st stamp) {
	if s.index != nil {
		st, _ = s.index.at(key)
	}
	return st
}

// doubt acts on a change that failed because the index was wrong.
func (s *Store) doubt(ctx context.Context, key remote.Key, err error) {
	if errors.Is(err, remote.ErrNotExist) || errors.Is(err, remote.ErrExist) {
		_ = s.relearn(ctx, key)
	}
}

// noteTime notes the time that an object was given on the remote.
func (s *Store) noteTime(key remote.Key, t time.Time) {
	if s.index != nil {
		if st, ok := s.index.at(key); ok {
			s.index.put(remote.Info{Key: key, Size: st.size, ModTime: t})
		}
	}
	s.feed.note(newsTouched, key, 0, t)
	s.ledger.note(Event{Kind: EventTouch, Key: string(key)}, func(st *Stats) { st.Touches.Sent++ })
	s.changed(string(key))
}

// turn is begin for who waits until nobody else is at it.
func (t *touching) turn(ctx context.Context, key string) (end func(), err error) {
	for {
		if end, ok := t.begin(key); ok {
			return end, nil
		}
		if err := t.wait(ctx, key); err != nil {
			return nil, err
		}
	}
}
