package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// Limits of S3, https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	minPart  = 5 << 20 // bytes, of all parts but the last
	maxPart  = 5 << 30
	maxParts = 10_000
)

const (
	defaultPart   = 8 << 20  // bytes
	defaultSingle = 64 << 20 // bytes that go with one request
	partsAtOnce   = 4        // of one upload
	partMemory    = 128 << 20
	memoryTick    = time.Second // between two marks of progress while memory is waited for
)

// singleLimit is the size up to which an object goes with one request.
func (b *Bucket) singleLimit() int64 {
	if b.s.partSize > 0 {
		return b.s.partSize
	}
	return defaultSingle
}

// partSize is the size of an upload's parts, so that there are not too many.
func (b *Bucket) partSize(size int64) int64 {
	part := b.s.partSize
	if part == 0 {
		part = defaultPart
	}
	return max(part, (size+maxParts-1)/maxParts)
}

// memoryLimit bounds what the parts of all uploads hold.
func memoryLimit(s settings) int64 { return max(partMemory, 2*s.partSize) }

// An upload is an object that comes in parts. Nothing of it is visible before
// it is complete.
type upload struct {
	b    *Bucket
	name string
	id   *string

	mu    sync.Mutex
	parts []types.CompletedPart
}

// beginUpload begins one. like is what it is to look like, or nil.
func (b *Bucket) beginUpload(ctx context.Context, name string, like *awss3.CreateMultipartUploadInput) (*upload, error) {
	if like == nil {
		like = &awss3.CreateMultipartUploadInput{StorageClass: types.StorageClass(b.s.storageClass)}
	}
	like.Bucket, like.Key = &b.s.bucket, &name
	out, err := b.client.CreateMultipartUpload(ctx, like)
	if err != nil {
		return nil, err
	}
	if out.UploadId == nil {
		return nil, fmt.Errorf("the server gives an upload no name")
	}
	return &upload{b: b, name: name, id: out.UploadId}, nil
}

// send sends one part.
func (u *upload) send(ctx context.Context, number int32, content []byte) error {
	out, err := u.b.client.UploadPart(ctx, &awss3.UploadPartInput{
		Bucket: &u.b.s.bucket, Key: &u.name, UploadId: u.id, PartNumber: &number,
		Body: &marking{Reader: bytes.NewReader(content), ctx: ctx},
	}, withHash(sha256.Sum256(content)))
	if err != nil {
		return err
	}
	u.have(number, out.ETag)
	return nil
}

func (u *upload) have(number int32, tag *string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.parts = append(u.parts, types.CompletedPart{PartNumber: aws.Int32(number), ETag: tag})
}

// complete makes the object.
func (u *upload) complete(ctx context.Context, cond condition) error {
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	in := &awss3.CompleteMultipartUploadInput{Bucket: &u.b.s.bucket, Key: &u.name, UploadId: u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}}
	in.IfNoneMatch, in.IfMatch = cond.headers()
	_, err := u.b.client.CompleteMultipartUpload(ctx, in, noRetry)
	return err
}

// abort removes what was sent, also after ctx has ended. What cannot be
// removed is for the cleaner, see Uploads.
func (u *upload) abort(ctx context.Context) {
	ctx, cancel := tidy(ctx)
	defer cancel()
	_, _ = u.b.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &u.b.s.bucket, Key: &u.name, UploadId: u.id})
}

// marking marks progress whenever some of it is sent.
type marking struct {
	*bytes.Reader
	ctx context.Context // of the call that sends
}

func (m *marking) Read(p []byte) (int, error) {
	remote.Progress(m.ctx)
	return m.Reader.Read(p)
}

// WriteTo hides that of bytes.Reader, which would go past Read.
func (m *marking) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{m})
}

// large puts in parts.
func (p *putting) large(ctx context.Context, src remote.Source) error {
	if p.opt.Create { // spares the transfer
		if _, err := p.b.lookup(ctx, "put", p.key); err == nil {
			return &remote.Error{Op: "s3: put", Key: p.key, Kind: remote.ErrExist}
		}
	}
	u, err := p.b.beginUpload(ctx, p.name, nil)
	if err != nil {
		return p.fail(ctx, err)
	}
	if err = p.sendParts(ctx, u, src); err == nil {
		err = p.commit(ctx, p.f.complete, src.Size(), func(cond condition, _ types.StorageClass) error {
			return u.complete(ctx, cond)
		})
	}
	if err != nil {
		u.abort(ctx)
	}
	return p.fail(ctx, err)
}

// sendParts reads the source once, and hands on part by part.
func (p *putting) sendParts(ctx context.Context, u *upload, src remote.Source) error {
	in, err := openSource(src)
	if err != nil {
		return err
	}
	defer in.Close()
	size := src.Size()
	length := p.b.partSize(size)
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	number := int32(0)
	for at := int64(0); at < size && err == nil && sending.Err() == nil; at += length {
		number++
		err = p.sendPart(sending, group, u, part{number, min(length, size-at), at+length >= size}, in)
	}
	if e := group.Wait(); e != nil {
		return e // the first to fail: err may only be its consequence
	}
	return err
}

// A part is a section of a source.
type part struct {
	number int32
	length int64
	last   bool
}

// sendPart reads a part and sends it in the group, when there is memory.
func (p *putting) sendPart(ctx context.Context, group *errgroup.Group, u *upload, one part, in io.Reader) error {
	held := min(one.length, memoryLimit(p.b.s)) // more there never is
	if err := p.b.takeMemory(ctx, held); err != nil {
		return err
	}
	content := bytes.NewBuffer(make([]byte, 0, one.length))
	if err := readPart(ctx, content, in, one); err != nil {
		p.b.memory.Release(held)
		return err
	}
	group.Go(func() error {
		defer p.b.memory.Release(held)
		return u.send(ctx, one.number, content.Bytes())
	})
	return nil
}

// takeMemory waits for so many bytes, which other uploads may hold. That they
// are slow does not mean that this one stands still.
func (b *Bucket) takeMemory(ctx context.Context, bytes int64) error {
	if b.memory.TryAcquire(bytes) {
		return nil
	}
	got := make(chan error, 1)
	go func() { got <- b.memory.Acquire(ctx, bytes) }()
	ticker := time.NewTicker(memoryTick)
	defer ticker.Stop()
	for {
		select {
		case err := <-got: // it comes when ctx ends too
			return err
		case <-ticker.C:
			remote.Progress(ctx)
		}
	}
}

// readPart reads a part, and the end behind the last.
func readPart(ctx context.Context, content *bytes.Buffer, in io.Reader, one part) error {
	if one.last {
		return remote.Copy(ctx, content, in, one.length)
	}
	_, err := io.CopyN(content, &cancelled{in, ctx}, one.length)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("%w: source: %w", remote.ErrCorrupt, err)
}

// cancelled is a reader that ends with ctx.
type cancelled struct {
	in  io.Reader
	ctx context.Context
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	remote.Progress(c.ctx)
	return c.in.Read(p)
}
