package store

import (
	"context"
	"fmt"
	"io"
	"os"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// doubtSize asks once more when an answer's length is not the listed one: the
// object was replaced, or something on the way cuts answers and adapts their
// headers.
func (s *Store) doubtSize(ctx context.Context, info remote.Info) error {
	if s.index == nil {
		return nil
	}
	listed, found, _, _ := s.index.get(info.Key)
	if !found || listed.Size == info.Size {
		return nil
	}
	now, err := s.guard.Stat(ctx, info.Key)
	if err == nil && now.Size != info.Size {
		err = fmt.Errorf("%s: answered with %d bytes, has %d: %w", info.Key, info.Size, now.Size, remote.ErrUnavailable)
	}
	return err
}

// verify looks at a download once more. An empty archive is none. What no
// checksum of the server vouches for is decoded: BitBake's files carry
// checksums of their own.
func verify(body io.Reader, path, key string) error {
	n, ok := sstate.ParsePath(key)
	if !ok {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 4)
	k, _ := f.ReadAt(head, 0)
	v, ok := body.(remote.Verifier)
	switch {
	case k == 0 && n.IsArchive():
		return fmt.Errorf("%s: archive is empty: %w", key, remote.ErrCorrupt)
	case ok && v.Verified():
		return nil
	case !sstate.Recognised(head[:k], n):
		return nil // somebody's own kind of file, not ours to judge
	}
	if err := sstate.CheckTransfer(f, n); err != nil {
		return fmt.Errorf("%s: %w: %w", key, remote.ErrCorrupt, err)
	}
	return nil
}
