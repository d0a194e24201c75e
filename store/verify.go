package store

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// errOtherSize is a download that has another length than the remote says.
var errOtherSize = fmt.Errorf("it may just be replaced: %w", remote.ErrUnavailable)

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
		err = fmt.Errorf("%s: answered with %d bytes, has %d: %w", info.Key, info.Size, now.Size, errOtherSize)
	}
	return err
}

// A look is what a content seems to be by its first bytes.
type look int

const (
	foreign look = iota // somebody's own kind of file
	fitting             // what its name says
	empty
)

// lookAt looks at the beginning of what is called n. The error is the reader's.
func lookAt(r *bufio.Reader, n sstate.Name) (look, error) {
	head, err := r.Peek(4)
	switch {
	case err != nil && err != io.EOF: //nolint:errorlint // what wraps it is a connection that broke
		return foreign, err
	case len(head) == 0:
		return empty, nil
	case sstate.Recognised(head, n):
		return fitting, nil
	}
	return foreign, nil
}

// decodeBuffer is how much of a download is written at a time while it is
// decoded, in bytes. Most objects are smaller, and to clear so much costs more
// than to decode them.
const decodeBuffer = 256 << 10

// decodeBeside is the size from which an object is decoded while its next part
// comes and is written, in bytes. For a small one that is not worth a goroutine.
const decodeBeside = 4 << 20

// copyVerified copies a body to dst and looks at it on the way. An empty archive
// is none. What no checksum of the server vouches for is decoded: BitBake's
// files carry checksums of their own. What has another format than its name says
// is not ours to judge.
func copyVerified(dst io.Writer, body io.Reader, info remote.Info) error {
	head := bufio.NewReaderSize(body, 16) // the rest of the body goes past it
	if n, ok := sstate.ParsePath(string(info.Key)); ok {
		what, err := lookAt(head, n)
		v, is := body.(remote.Verifier)
		switch {
		case err != nil:
			return err
		case what == empty && n.IsArchive():
			return fmt.Errorf("%s: archive is empty: %w", info.Key, remote.ErrCorrupt)
		case what == fitting && !(is && v.Verifies()):
			return decodeInto(dst, head, info)
		}
	}
	_, err := head.WriteTo(dst)
	return err
}

// decodeInto copies an object to dst and reports whether it decodes.
func decodeInto(dst io.Writer, object io.Reader, info remote.Info) error {
	n, _ := sstate.ParsePath(string(info.Key))
	came := io.TeeReader(object, dst)
	if info.Size < decodeBeside {
		return damaged(sstate.CheckTransfer(bufio.NewReaderSize(came, int(min(info.Size+1, decodeBuffer))), n))
	}
	behind, ahead := io.Pipe()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		_, err := io.CopyBuffer(ahead, came, make([]byte, decodeBuffer))
		ahead.CloseWithError(err) // io.EOF if nil
	}()
	err := sstate.CheckTransfer(bufio.NewReaderSize(behind, decodeBuffer), n)
	_ = behind.Close() // no more is wanted of what is damaged
	<-copied
	return damaged(err)
}
