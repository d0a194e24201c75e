package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// piecesFrom is the number of bytes from which a body comes in several pieces
// at a time.
const piecesFrom = 32 << 20

// Get see remote.Remote. The whole object is asked for without a range, since
// servers give the checksum only then.
func (b *Bucket) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if offset != 0 {
		return b.getFrom(ctx, key, offset)
	}
	if err := begin(ctx, "get", key); err != nil {
		return nil, remote.Info{}, err
	}
	if key.IsTemporary() {
		return nil, remote.Info{}, b.absent("get", key)
	}
	name := b.name(key)
	out, err := b.client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &b.s.bucket, Key: &name}, withChecksum)
	if err != nil {
		return nil, remote.Info{}, b.lookupFailed(ctx, "get", key, err)
	}
	b.sawBucket()
	if out.ContentLength == nil || *out.ContentLength < 0 || out.LastModified == nil {
		out.Body.Close()
		return nil, remote.Info{}, kindly("get", key, remote.ErrCorrupt, "the server tells no size or no time")
	}
	info := remote.Info{Key: key, Size: *out.ContentLength, ModTime: *out.LastModified}
	r := ranges{b: b, name: name, tag: aws.ToString(out.ETag), size: info.Size}
	body := &body{ctx: ctx, b: b, key: key, in: r.resumed(ctx, 0, r.from(ctx, 0, out.Body)), left: info.Size}
	body.sum, body.want = checksumOf(out)
	if f := b.facts.Load(); body.sum == nil && f != nil && f.md5 {
		body.sum, body.want = tagOf(out)
	}
	return body, info, nil
}

// getFrom reads the rest of an object, whose size must be known first.
func (b *Bucket) getFrom(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if offset < 0 {
		return nil, remote.Info{}, unsupported("get", key, "negative offset")
	}
	a, err := b.lookup(ctx, "get", key)
	if err != nil {
		return nil, remote.Info{}, err
	}
	if offset > a.size {
		return nil, remote.Info{}, kindly("get", key, remote.ErrCorrupt, "%d bytes, read from %d", a.size, offset)
	}
	info := remote.Info{Key: key, Size: a.size, ModTime: a.time}
	r := ranges{b: b, name: a.name, tag: a.tag, size: a.size}
	in := io.NopCloser(strings.NewReader(""))
	if offset < a.size {
		if in, err = r.rest(ctx, offset); err != nil {
			return nil, remote.Info{}, b.lookupFailed(ctx, "get", key, err)
		}
		in = r.resumed(ctx, offset, in)
	}
	return &body{ctx: ctx, b: b, key: key, in: in, left: a.size - offset}, info, nil
}

// ranges are the parts of one object's content, all of the same ETag.
type ranges struct {
	b    *Bucket
	name string
	tag  string
	size int64
}

// isLarge tells whether what follows an offset comes in pieces. Without an
// ETag they could be of different contents.
func (r ranges) isLarge(offset int64) bool { return r.size-offset > piecesFrom && r.tag != "" }

// rest asks for the content from offset.
func (r ranges) rest(ctx context.Context, offset int64) (io.ReadCloser, error) {
	length := r.size - offset
	if r.isLarge(offset) {
		length = transport.PieceSize
	}
	first, err := r.get(ctx, offset, length)
	if err != nil {
		return nil, err
	}
	return r.from(ctx, offset, first), nil
}

// resumed asks again for what is cut of in, which begins at offset.
func (r ranges) resumed(ctx context.Context, offset int64, in io.ReadCloser) io.ReadCloser {
	rest := r.rest
	if r.tag == "" {
		rest = nil
	}
	return transport.Resume(ctx, in, transport.Range{Offset: offset, Size: r.size}, rest)
}

// from gives the content from offset. The body of a request that begins there
// is used for the first piece of a large one.
func (r ranges) from(ctx context.Context, offset int64, first io.ReadCloser) io.ReadCloser {
	if !r.isLarge(offset) {
		return first
	}
	get := func(ctx context.Context, at, length int64) (io.ReadCloser, error) {
		if at == offset {
			return first, nil
		}
		return r.get(ctx, at, length)
	}
	return joined{transport.NewPieces(ctx, r.size, offset, get, transport.PiecesOptions{Budget: r.b.pieces}), first}
}

// joined closes the first request too when no piece was read of it.
type joined struct {
	io.ReadCloser
	first io.Closer
}

func (j joined) Close() error {
	j.first.Close() // ends a read that waits
	return j.ReadCloser.Close()
}

// get asks for length bytes from at, and checks that it gets these: rclone
// answers 200 with the range asked for, others ignore the range.
func (r ranges) get(ctx context.Context, at, length int64) (io.ReadCloser, error) {
	in := &awss3.GetObjectInput{Bucket: &r.b.s.bucket, Key: &r.name,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", at, at+length-1))}
	if r.tag != "" {
		in.IfMatch = &r.tag
	}
	out, err := r.b.client.GetObject(ctx, in)
	if err != nil {
		if isUnmet(err) {
			return nil, fmt.Errorf("%w: replaced while it was read", remote.ErrCorrupt)
		}
		return nil, err
	}
	got, from := aws.ToInt64(out.ContentLength), aws.ToString(out.ContentRange)
	switch {
	case r.tag != "" && out.ETag != nil && *out.ETag != r.tag: // rclone knows no If-Match
		err = fmt.Errorf("%w: replaced while it was read", remote.ErrCorrupt)
	case out.ContentLength == nil || got != length:
		err = fmt.Errorf("%w: %d bytes instead of %d", remote.ErrCorrupt, got, length)
	case from != "" && !strings.HasPrefix(from, fmt.Sprintf("bytes %d-%d/", at, at+length-1)):
		err = fmt.Errorf("%w: %q instead of %d bytes from %d", remote.ErrCorrupt, from, length, at)
	}
	if err != nil {
		out.Body.Close()
		return nil, err
	}
	return out.Body, nil
}

// withChecksum asks for the checksum. The SDK's own way to ask makes the SDK
// verify it, which it cannot for a body that is read in pieces.
func withChecksum(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

// errBodyClosed is the error of a read after Close.
var errBodyClosed = errors.New("s3: get: body is closed")
