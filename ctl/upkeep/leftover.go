package upkeep

import (
	"context"
	"errors"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// leftoverAge is how old a temporary, or an upload in parts, is at least when
// nobody is writing it any more: a day, as DESIGN.md section 4 has it.
const leftoverAge = 24 * time.Hour

// isLeftover tells a file that some writer has on its way: this program's own,
// or BitBake's in a directory that it works on itself.
func isLeftover(key remote.Key) bool {
	return key.IsTemporary() || sstate.IsTemporary(string(key))
}

// isFeed tells a part of the change feed, by which mounts with --feed tell each
// other what they do.
func isFeed(key remote.Key) bool { return sstate.IsFeed(string(key)) }

// leftovers calls fn for each temporary of this program, none where the remote
// has no such.
func (t *Target) leftovers(ctx context.Context, fn func(remote.Info) error) error {
	lister, ok := t.Remote.(remote.LeftoverLister)
	if !ok {
		return nil
	}
	err := lister.Leftovers(ctx, fn)
	if errors.Is(err, remote.ErrUnsupported) {
		return nil
	}
	return err
}

// A staleUpload is one in parts that nobody completes any more.
type staleUpload struct {
	key remote.Key
	id  string
}

// staleUploads finds the uploads that were begun before a time. They are few:
// those of writers that were killed.
func (t *Target) staleUploads(ctx context.Context, before time.Time) (stale []staleUpload, err error) {
	lister, ok := t.Remote.(remote.UploadLister)
	if !ok {
		return nil, nil
	}
	err = lister.Uploads(ctx, func(key remote.Key, id string, started time.Time) error {
		if !started.IsZero() && started.Before(before) {
			stale = append(stale, staleUpload{key, id})
		}
		return nil
	})
	if errors.Is(err, remote.ErrUnsupported) {
		err = nil
	}
	return stale, err
}
