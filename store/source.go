package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// errDamaged is content that is not what was accepted.
var errDamaged = errors.New("content is damaged")

// source reads a queued object for the remote and hashes it on the way. Before
// it admits the end it makes sure that nobody wrote meanwhile: a descriptor from
// before the publish may still be open somewhere.
type source struct {
	path string
	size int64
	want string // hex sha256 that the content must have, empty for any
	sum  string // hex sha256 of the last complete reading
}

// Size is the object's size in bytes.
func (s *source) Size() int64 { return s.size }

// Open starts a reading from the beginning.
func (s *source) Open() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	r := &sourceReader{source: s, f: f, hash: sha256.New()}
	if err := unix.Fstat(int(f.Fd()), &r.before); err != nil {
		f.Close()
		return nil, err
	}
	if r.before.Size != s.size {
		f.Close()
		return nil, fmt.Errorf("%s: size is %d, was %d: %w", s.path, r.before.Size, s.size, errDamaged)
	}
	return r, nil
}

type sourceReader struct {
	source *source
	f      *os.File
	hash   hash.Hash
	before unix.Stat_t
	read   int64
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	r.hash.Write(p[:n])
	r.read += int64(n)
	if err == io.EOF {
		if e := r.confirm(); e != nil {
			return n, e
		}
	}
	return n, err
}

// confirm compares what was read with what is there at the end.
func (r *sourceReader) confirm() error {
	sum := hex.EncodeToString(r.hash.Sum(nil))
	var after unix.Stat_t
	if err := unix.Fstat(int(r.f.Fd()), &after); err != nil {
		return err
	}
	if after.Size != r.source.size || r.read != r.source.size {
		return fmt.Errorf("%s: size is %d, was %d: %w", r.source.path, after.Size, r.source.size, errDamaged)
	}
	if after.Ctim != r.before.Ctim { // a touch moves it too: only the bytes tell
		again, err := fileSum(r.source.path)
		if err != nil {
			return err
		}
		if again != sum {
			return fmt.Errorf("%s: written to while it was sent: %w", r.source.path, remote.ErrUnavailable)
		}
	}
	if want := r.source.want; want != "" && sum != want {
		return fmt.Errorf("%s: %w: %w", r.source.path, errSum, errDamaged)
	}
	r.source.sum = sum
	return nil
}

func (r *sourceReader) Close() error { return r.f.Close() }

// sameContent compares an object of the remote with a local file, byte by byte.
func (s *Store) sameContent(ctx context.Context, key remote.Key, path string) (bool, error) {
	want, err := fileSum(path)
	if err != nil {
		return false, err
	}
	body, _, err := s.guard.Get(ctx, key, 0)
	if err != nil {
		return false, err
	}
	defer body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, body); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == want, nil
}
