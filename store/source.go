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

// source reads a cached object for the remote and hashes it on the way, once as
// long as the file does not change. Before it admits the end it makes sure that
// nobody wrote meanwhile: a descriptor from before the publish may still be open
// somewhere.
type source struct {
	path string
	size int64
	want sum // that the content must have, empty for any
	sum  sum // of the last complete reading, of the kind of want: a sha256 for any

	hashed unix.Timespec // ctime of the file when sum was computed
}

// Size is the object's size in bytes.
func (s *source) Size() int64 { return s.size }

// Open starts a reading from the beginning.
func (s *source) Open() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	r := &sourceReader{source: s, f: f}
	if err := unix.Fstat(int(f.Fd()), &r.before); err != nil {
		f.Close()
		return nil, err
	}
	if r.before.Size != s.size {
		f.Close()
		return nil, fmt.Errorf("%s: size is %d, was %d: %w", s.path, r.before.Size, s.size, errDamaged)
	}
	if s.sum == "" || r.before.Ctim != s.hashed {
		r.hash = s.want.newHash()
	}
	return r, nil
}

var _ remote.Hasher = (*sourceReader)(nil)

type sourceReader struct {
	source *source
	f      *os.File
	hash   hash.Hash // nil when the source's sum is of this very file
	before unix.Stat_t
	read   int64
	ended  bool // and confirmed
}

func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if r.hash != nil {
		r.hash.Write(p[:n])
	}
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
	got := r.source.sum
	if r.hash != nil {
		got = sumOf(r.hash)
	}
	var after unix.Stat_t
	if err := unix.Fstat(int(r.f.Fd()), &after); err != nil {
		return err
	}
	if after.Size != r.source.size || r.read != r.source.size {
		return fmt.Errorf("%s: size is %d, was %d: %w", r.source.path, after.Size, r.source.size, errDamaged)
	}
	if after.Ctim != r.before.Ctim { // a touch moves it too: only the bytes tell
		again, err := fileSum(r.source.path, r.source.want.newHash())
		if err != nil {
			return err
		}
		if again != got {
			return fmt.Errorf("%s: written to while it was sent: %w", r.source.path, remote.ErrUnavailable)
		}
	}
	if want := r.source.want; want != "" && got != want {
		return fmt.Errorf("%s: %w: %w", r.source.path, errSum, errDamaged)
	}
	r.source.sum, r.source.hashed = got, after.Ctim
	r.ended = true
	return nil
}

// Hashes see remote.Hasher.
func (r *sourceReader) Hashes() bool { return r.hash != nil && !r.source.want.isShort() }

// Sum256 see remote.Summer.
func (r *sourceReader) Sum256() (sum [sha256.Size]byte, ok bool) {
	if !r.ended || r.source.want.isShort() {
		return sum, false
	}
	n, err := hex.Decode(sum[:], []byte(r.source.sum))
	return sum, err == nil && n == len(sum)
}

func (r *sourceReader) Close() error { return r.f.Close() }

// sameContent compares an object of the remote with a local file, byte by byte.
func (s *Store) sameContent(ctx context.Context, key remote.Key, path string) (bool, error) {
	want, err := fileSum(path, sha256.New())
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
	return sumOf(h) == want, nil
}
