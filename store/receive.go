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

// receive writes the body of an object to a new file, verifies it and returns
// its checksum. A body of another length than was told is ErrCorrupt.
func receive(path string, body io.Reader, info remote.Info) (got sum, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o664)
	if err != nil {
		return "", err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	in := &intake{file: f, hash: newShortHash()}
	if err := copyVerified(in, body, string(info.Key)); err != nil {
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
}

func (i *intake) Write(p []byte) (int, error) {
	n, err := i.file.Write(p)
	failpoint.Pass("fetch.writing")
	i.hash.Write(p[:n])
	i.size += int64(n)
	return n, err
}
