package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// Touches by sending the content again: for remotes where nothing else moves
// the time of an object (remote.TouchByPut).
const (
	resends     = 2                // at a time: publishes need the line more
	resendYield = 10 * time.Second // for which a touch lets publishes go first, each time
	lastResends = 5 * time.Second  // at the end of a mount, which should not take long for a touch
)

// errNotHere is an object whose content is not here, or not to be trusted. The
// fetch that usually follows a use brings it, and touches again.
var errNotHere = errors.New("content is not here")

// isHere reports whether there is a copy of the size that the remote has.
func (s *Store) isHere(info remote.Info) bool {
	var st unix.Statx_t
	return lstat(s.layout.object(string(info.Key)), &st) == nil && int64(st.Size) == info.Size
}

// resend sends the content of an object that the remote has once more. What is
// sent must be what was fetched or published: damage here must not reach the
// remote.
func (s *Store) resend(ctx context.Context, info remote.Info) error {
	key := string(info.Key)
	path := s.layout.object(key)
	var st unix.Statx_t
	if lstat(path, &st) != nil || int64(st.Size) != info.Size {
		return errNotHere
	}
	if err := s.checkUnclean(path, key); err != nil {
		return s.resendFailed(key, idOf(&st), err)
	}
	src := &source{path: path, size: info.Size, want: s.sums.get(path, key)}
	if src.want == "" && s.checkFile(path, key) != nil {
		return errNotHere // nobody knows what it should be
	}
	failpoint.Pass("resend.checked")
	err := s.guard.Put(ctx, info.Key, src, remote.PutOptions{Refresh: true})
	failpoint.Pass("resend.put")
	return s.resendFailed(key, idOf(&st), err)
}

// resendFailed sets a damaged copy aside; the next use fetches it again.
func (s *Store) resendFailed(key string, id FileID, err error) error {
	if !errors.Is(err, errDamaged) {
		return err
	}
	s.warn(key, "damaged in the cache, set aside: "+oneLine(err))
	s.breakObject(key, id)
	s.changed(key)
	return fmt.Errorf("%w: %w", errNotHere, err)
}

// yield waits while publishes are to be sent, for a while: a build that
// publishes all day still keeps what it uses.
func (s *Store) yield(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, resendYield)
	defer cancel()
	for s.queue.size() > 0 && sleep(ctx, 50*time.Millisecond, nil) {
	}
}
