package store

import (
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"

	"sstatefs/remote"
	"sstatefs/remote/failpoint"
)

// receive writes the body of an object to a new file, which it closes, verifies
// it and returns its checksum. A body of another length than was told is
// ErrCorrupt. What the file refuses is errNotKept: a decoder that is fed from
// the same body may have taken it for anything.
func receive(f *os.File, body io.Reader, info remote.Info) (got sum, err error) {
	in := &intake{file: f, hash: newShortHash()}
	err = copyVerified(in, body, string(info.Key))
	if e := f.Close(); in.refused == nil {
		in.refused = e
	}
	switch {
	case in.refused != nil:
		return "", fmt.Errorf("%w: %w", errNotKept, in.refused)
	case err != nil:
		return "", err
	}
	if in.size != info.Size {
		return "", fmt.Errorf("%d bytes instead of %d: %w", in.size, info.Size, remote.ErrCorrupt)
	}
	if s, ok := body.(remote.Summer); ok {
		if full, ok := s.Sum256(); ok {
			return sum(hex.EncodeToString(full[:])), nil
		}
	}
	return sumOf(in.hash), nil
}

// An intake is a file that is hashed and counted while it is written.
type intake struct {
	file *os.File
	hash hash.Hash
	size int64

	refused error // what the file said
}

func (i *intake) Write(p []byte) (int, error) {
	n, err := i.file.Write(p)
	failpoint.Pass("fetch.writing")
	i.hash.Write(p[:n])
	i.size += int64(n)
	if err != nil {
		i.refused = err
	}
	return n, err
}
