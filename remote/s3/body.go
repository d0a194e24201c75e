package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"sstatefs/remote"
)

// A body reads an object and checks its length, and its checksum where there
// is one.
type body struct {
	ctx  context.Context // of Get, whose call the body belongs to
	b    *Bucket
	key  remote.Key
	in   io.ReadCloser
	left int64
	sum  hash.Hash // nil without a checksum
	want []byte
	err  error // what every further read gives
}

var (
	_ remote.Verifier = (*body)(nil)
	_ remote.Summer   = (*body)(nil)
)

func (r *body) Read(p []byte) (int, error) {
	if r.err == nil && r.ctx.Err() != nil {
		r.err = remote.Ended(r.ctx, "s3: get", r.key)
	}
	if r.err != nil {
		return 0, r.err
	}
	if r.left == 0 {
		r.err = r.end()
		return 0, r.err
	}
	n, err := r.in.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if r.sum != nil {
		r.sum.Write(p[:n])
	}
	switch {
	case r.left == 0: // what follows is the business of end
	case err != nil:
		r.err = r.b.fail(r.ctx, "get", r.key, err)
	}
	return n, r.err
}

// end is the error after the last byte, which is io.EOF when all is well.
func (r *body) end() error {
	if r.sum != nil && !bytes.Equal(r.sum.Sum(nil), r.want) {
		return kindly("get", r.key, remote.ErrCorrupt, "the content does not fit its checksum")
	}
	return io.EOF
}

// Verifies see remote.Verifier.
func (r *body) Verifies() bool { return r.sum != nil }

// Sum256 see remote.Summer. No other checksum has that length.
func (r *body) Sum256() (sum [sha256.Size]byte, ok bool) {
	ok = r.sum != nil && len(r.want) == len(sum) && errors.Is(r.err, io.EOF)
	if ok {
		copy(sum[:], r.want)
	}
	return sum, ok
}

func (r *body) Close() error {
	if r.err == nil || errors.Is(r.err, io.EOF) {
		r.err = errBodyClosed
	}
	return r.in.Close()
}
