package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"sstatefs/remote"
)

// Shared is the remote of a Store for whoever looks after it: what is asked
// goes to the remote and not to the index, within the guard's deadlines, and
// what is changed enters the index, the cache and the mount at once.
//
// What waits to be sent, or was published under --read-only, is never touched:
// it is newer. Open handles keep what they have.
type Shared struct{ s *Store }

var (
	_ remote.Remote         = Shared{}
	_ remote.FolderLister   = Shared{}
	_ remote.NameLister     = Shared{}
	_ remote.LeftoverLister = Shared{}
	_ remote.UploadLister   = Shared{}
	_ remote.Sweeper        = Shared{}
	_ remote.Prober         = Shared{}
	_ remote.Clock          = Shared{}
	_ remote.Describer      = Shared{}
	_ remote.Explorer       = Shared{}
)

// Shared gives the remote of this store. It may be used until Close.
func (s *Store) Shared() Shared { return Shared{s} }

// Stat see remote.Remote.
func (r Shared) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	return r.s.guard.Stat(ctx, key)
}

// Traits are those of the remote, ReadOnly also if the mount is.
func (r Shared) Traits() remote.Traits {
	t := r.s.guard.Traits()
	t.ReadOnly = t.ReadOnly || r.s.readOnly()
	return t
}

func (r Shared) String() string { return r.s.guard.String() }

// Put see remote.Remote. The cached copy of the key goes: only a Refresh says
// that it still is what the remote has.
func (r Shared) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if err := r.changeable("put", key); err != nil {
		return err
	}
	s := r.s
	if err := s.touching.wait(ctx, string(key)); err != nil {
		return remote.Ended(ctx, "store: put", key)
	}
	before := s.copyOf(key)
	if err := s.guard.Put(ctx, key, src, opt); err != nil {
		s.doubt(ctx, key, err)
		return err
	}
	put := s.remoteNow()
	t := opt.ModTime
	if t.IsZero() {
		t = put
	}
	if opt.Refresh {
		s.noteTime(key, t)
		return nil
	}
	s.settle(ctx, key, before, func() { s.noteOnRemote(remote.Info{Key: key, Size: src.Size(), ModTime: t}) })
	s.feed.note(newsPut, key, src.Size(), put) // what is told counts by when it happened
	s.ledger.note(Event{Kind: EventSend, Key: string(key), Bytes: src.Size()}, nil)
	return nil
}

// Touch see remote.Remote.
func (r Shared) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	if err := r.changeable("touch", key); err != nil {
		return err
	}
	s := r.s
	end, err := s.touching.turn(ctx, string(key))
	if err != nil {
		return remote.Ended(ctx, "store: touch", key)
	}
	err = s.guard.Touch(ctx, key, t)
	end()
	switch {
	case err != nil:
		s.doubt(ctx, key, err)
	case t.IsZero():
		s.touchSent(string(key))
		s.changed(string(key))
	default:
		s.noteTime(key, t)
	}
	return err
}

// Delete see remote.Remote. After an error that names no keys nobody knows what
// is gone; whoever opens one of the objects then finds out.
func (r Shared) Delete(ctx context.Context, keys ...remote.Key) error {
	if err := r.changeable("delete", ""); err != nil {
		return err
	}
	s := r.s
	before := make([]localCopy, len(keys))
	for i, key := range keys {
		if err := s.touching.wait(ctx, string(key)); err != nil {
			return remote.Ended(ctx, "store: delete", key)
		}
		before[i] = s.copyOf(key)
	}
	begun := s.now() // what others publish before all of it has ended counts more
	err := s.guard.Delete(ctx, keys...)
	failed, unknown := failedKeys(err)
	if unknown {
		s.feed.wonderWhether(keys, begun)
		return err
	}
	for i, key := range keys {
		if failed[key] || !key.IsObject() {
			continue
		}
		s.feed.noteGone(key, begun.Add(s.clockOffset()))
		s.settle(ctx, key, before[i], func() { s.noteGone(string(key)) })
		s.ledger.note(Event{Kind: EventRemove, Key: string(key)}, func(t *Stats) { t.Removed++ })
	}
	return err
}

// changeable is ErrUnsupported for a mount that sends nothing.
func (r Shared) changeable(op string, key remote.Key) error {
	if !r.s.readOnly() {
		return nil
	}
	return &remote.Error{Op: "store: " + op, Key: key, Kind: remote.ErrUnsupported,
		Err: fmt.Errorf("%s is read-only here", r)}
}

// failedKeys tells which keys of a Delete are not gone; unknown if that cannot
// be told: only errors that were joined stand for one key each.
func failedKeys(err error) (failed map[remote.Key]bool, unknown bool) {
	failed = map[remote.Key]bool{}
	if err == nil {
		return failed, false
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if _, single := err.(*remote.Error); single || !ok {
		return nil, true
	}
	for _, e := range joined.Unwrap() {
		one, ok := e.(*remote.Error)
		if !ok { // joined again, by batch
			more, unknown := failedKeys(e)
			if unknown {
				return nil, true
			}
			maps.Copy(failed, more)
			continue
		}
		if one.Key == "" {
			return nil, true
		}
		failed[one.Key] = true
	}
	return failed, false
}
