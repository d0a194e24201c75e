package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sstatefs/remote"
)

var _ remote.UploadLister = (*Bucket)(nil)

// Uploads calls fn for every upload in parts that was begun below the root and
// neither completed nor aborted: those under way, and those that killed writers
// left behind, whose parts cost room until AbortUpload.
func (b *Bucket) Uploads(ctx context.Context, fn func(key remote.Key, id string, started time.Time) error) error {
	in := &awss3.ListMultipartUploadsInput{Bucket: &b.s.bucket}
	if b.s.root != "" {
		in.Prefix = &b.s.root
	}
	markers := newTokens(b.mostPages)
	for {
		out, err := b.client.ListMultipartUploads(ctx, in)
		if err != nil && failureOf(err).code == "NoSuchUpload" {
			return nil // rclone's way to say that there are none
		}
		if err != nil {
			return b.fail(ctx, "uploads", "", err)
		}
		remote.Progress(ctx)
		for _, u := range out.Uploads {
			key, ok := strings.CutPrefix(aws.ToString(u.Key), b.s.root)
			if !ok || u.UploadId == nil {
				continue
			}
			if err := fn(remote.Key(key), *u.UploadId, aws.ToTime(u.Initiated)); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		marker := aws.ToString(out.NextKeyMarker) + "\x00" + aws.ToString(out.NextUploadIdMarker)
		if err := markers.add(marker); err != nil {
			return b.fail(ctx, "uploads", "", err)
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}

// AbortUpload removes an upload that Uploads gave. One that is gone is no
// error.
func (b *Bucket) AbortUpload(ctx context.Context, key remote.Key, id string) error {
	if err := b.changeable("abort upload", key); err != nil {
		return err
	}
	name := b.name(key)
	_, err := b.client.AbortMultipartUpload(ctx, &awss3.AbortMultipartUploadInput{
		Bucket: &b.s.bucket, Key: &name, UploadId: &id})
	if err != nil && (failureOf(err).code == "NoSuchUpload" || isMissing(err)) {
		return nil
	}
	return b.fail(ctx, "abort upload", key, err)
}
