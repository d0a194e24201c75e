package s3

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// copyLimit is the size up to which CopyObject copies, and copyPart that of
// the parts beyond it, in bytes.
const (
	copyLimit = 5 << 30
	copyPart  = 1 << 30
)

// A copying is a copy on the server which takes everything along.
type copying struct {
	from, to string           // in the bucket
	tag      string           // that from must have, unless it is empty
	onto     string           // ETag that to must have, unless it is empty
	like     *attributes      // of from, needed for storage class and size
	all      *metadataToWrite // instead of those of from, nil to take these
}

// metadataToWrite are attributes that replace others.
type metadataToWrite struct{ *awss3.HeadObjectOutput }

// copy copies.
func (b *Bucket) copy(ctx context.Context, c copying) error {
	if c.like != nil && c.like.size > copyLimit {
		return b.copyLarge(ctx, c)
	}
	in := &awss3.CopyObjectInput{Bucket: &b.s.bucket, Key: &c.to, CopySource: b.source(c.from)}
	if c.tag != "" {
		in.CopySourceIfMatch = &c.tag
	}
	if c.onto != "" {
		in.IfMatch = &c.onto
	}
	if c.like != nil {
		in.StorageClass = c.like.all.StorageClass
		in.ServerSideEncryption, in.SSEKMSKeyId = c.like.all.ServerSideEncryption, c.like.all.SSEKMSKeyId
		in.BucketKeyEnabled = c.like.all.BucketKeyEnabled
		in.WebsiteRedirectLocation = c.like.all.WebsiteRedirectLocation
	}
	if c.all != nil {
		in.MetadataDirective = types.MetadataDirectiveReplace
		in.TaggingDirective = types.TaggingDirectiveCopy
		in.Metadata, in.ContentType = c.all.Metadata, c.all.ContentType
		in.CacheControl, in.ContentDisposition = c.all.CacheControl, c.all.ContentDisposition
		in.ContentEncoding, in.ContentLanguage = c.all.ContentEncoding, c.all.ContentLanguage
		in.Expires = expiry(c.all.HeadObjectOutput)
	}
	return persist(ctx, func() error {
		_, err := b.client.CopyObject(ctx, in)
		return err
	})
}

// copySelf copies an object onto itself. S3 allows that only to change its
// metadata, which are therefore sent again as they are.
func (b *Bucket) copySelf(ctx context.Context, a *attributes, guarded bool) error {
	c := copying{from: a.name, to: a.name, tag: a.tag, like: a, all: &metadataToWrite{a.all}}
	if guarded {
		c.onto = a.tag
	}
	return b.copy(ctx, c)
}

// source is how S3 wants to be told what to copy.
func (b *Bucket) source(name string) *string {
	return aws.String(escape(b.s.bucket + "/" + name))
}

// escape escapes all but what RFC 3986 leaves alone, and slashes. A plus left
// alone would be a space to some servers.
func escape(path string) string {
	const digits = "0123456789ABCDEF"
	var text strings.Builder
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			text.WriteByte(c)
		default:
			text.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return text.String()
}

// copyLarge copies in parts. What CopyObject would take along is read and
// written again.
func (b *Bucket) copyLarge(ctx context.Context, c copying) error {
	like, err := b.uploadLike(ctx, c.like)
	if err != nil {
		return err
	}
	u, err := b.beginUpload(ctx, c.to, like)
	if err != nil {
		return err
	}
	group, copying := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for number, at := int32(1), int64(0); at < c.like.size; number, at = number+1, at+copyPart {
		group.Go(func() error { return u.copyPart(copying, c, number, at) })
	}
	if err = group.Wait(); err == nil {
		err = u.complete(ctx, condition{tag: c.onto})
	}
	if err != nil {
		u.abort(ctx)
	}
	return err
}

func (u *upload) copyPart(ctx context.Context, c copying, number int32, at int64) error {
	last := min(at+copyPart, c.like.size) - 1
	out, err := u.b.client.UploadPartCopy(ctx, &awss3.UploadPartCopyInput{
		Bucket: &u.b.s.bucket, Key: &u.name, UploadId: u.id, PartNumber: &number, CopySource: u.b.source(c.from),
		CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", at, last)), CopySourceIfMatch: aws.String(c.like.tag),
	})
	if err != nil {
		return err
	}
	remote.Progress(ctx)
	u.have(number, out.CopyPartResult.ETag)
	return nil
}

// uploadLike describes an upload that is to look like an object.
func (b *Bucket) uploadLike(ctx context.Context, a *attributes) (*awss3.CreateMultipartUploadInput, error) {
	h := a.all
	in := &awss3.CreateMultipartUploadInput{
		Metadata: h.Metadata, ContentType: h.ContentType, CacheControl: h.CacheControl,
		ContentDisposition: h.ContentDisposition, ContentEncoding: h.ContentEncoding, ContentLanguage: h.ContentLanguage,
		Expires: expiry(h), StorageClass: h.StorageClass, WebsiteRedirectLocation: h.WebsiteRedirectLocation,
		ServerSideEncryption: h.ServerSideEncryption, SSEKMSKeyId: h.SSEKMSKeyId, BucketKeyEnabled: h.BucketKeyEnabled,
	}
	if aws.ToInt32(h.TagCount) == 0 {
		return in, nil
	}
	out, err := b.client.GetObjectTagging(ctx, &awss3.GetObjectTaggingInput{Bucket: &b.s.bucket, Key: &a.name})
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, tag := range out.TagSet {
		tags = append(tags, escape(aws.ToString(tag.Key))+"="+escape(aws.ToString(tag.Value)))
	}
	in.Tagging = aws.String(strings.Join(tags, "&"))
	return in, nil
}
