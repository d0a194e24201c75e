package s3

import (
	"context"
	"errors"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sstatefs/remote"
)

// attributes are what the head of an object says.
type attributes struct {
	name string // in the bucket
	size int64
	tag  string    // ETag
	time time.Time // Last-Modified
	date time.Time // when the server answered, zero if it did not say
	all  *awss3.HeadObjectOutput
}

// Stat see remote.Remote.
func (b *Bucket) Stat(ctx context.Context, key remote.Key) (remote.Info, error) {
	a, err := b.lookup(ctx, "stat", key)
	if err != nil {
		return remote.Info{}, err
	}
	return remote.Info{Key: key, Size: a.size, ModTime: a.time}, nil
}

// lookup finds an object.
func (b *Bucket) lookup(ctx context.Context, op string, key remote.Key) (*attributes, error) {
	if err := begin(ctx, op, key); err != nil {
		return nil, err
	}
	if key.IsTemporary() {
		return nil, b.absent(op, key)
	}
	a, err := b.head(ctx, b.name(key))
	if err == nil {
		b.sawBucket()
		return a, nil
	}
	return nil, b.lookupFailed(ctx, op, key, err)
}

// lookupFailed is fail for calls that ask for one object.
func (b *Bucket) lookupFailed(ctx context.Context, op string, key remote.Key, err error) error {
	f := failureOf(err)
	switch {
	case ctx.Err() != nil:
	case isDenied(err) && b.absent403.Load():
		return b.absent(op, key)
	case f.status == http.StatusNotFound && f.code != "NoSuchKey" && f.code != "NoSuchBucket":
		// The answer to a HEAD has no body that tells a missing object from a
		// missing bucket.
		if e := b.confirmBucket(ctx); e != nil {
			return b.fail(ctx, op, key, b.noBucket(e))
		}
		return b.absent(op, key)
	case f.status == http.StatusConflict, f.status == http.StatusBadRequest && f.code == "Bad Request":
		return b.absent(op, key) // such a name cannot be there
	}
	return b.fail(ctx, op, key, err)
}

func (b *Bucket) absent(op string, key remote.Key) error {
	return &remote.Error{Op: "s3: " + op, Key: key, Kind: remote.ErrNotExist}
}

// head asks for the head of an object. Its errors are the SDK's.
func (b *Bucket) head(ctx context.Context, name string) (*attributes, error) {
	out, err := b.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &b.s.bucket, Key: &name})
	if err != nil {
		return nil, err
	}
	if out.ContentLength == nil || out.LastModified == nil {
		return nil, errors.New("the server tells no size or no time")
	}
	a := &attributes{name: name, size: *out.ContentLength, time: *out.LastModified, date: dateOf(out.ResultMetadata), all: out}
	if out.ETag != nil {
		a.tag = *out.ETag
	}
	return a, nil
}

// server is what the server says it is.
func (a *attributes) server() string {
	if answer, ok := awsmiddleware.GetRawResponse(a.all.ResultMetadata).(*smithyhttp.Response); ok {
		return answer.Header.Get("Server")
	}
	return ""
}

// dateOf is when the server answered.
func dateOf(m middleware.Metadata) time.Time {
	if answer, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response); ok {
		if t, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
			return t
		}
	}
	return time.Time{}
}

// bucketTrust is how long a bucket is taken to be there after it was seen.
const bucketTrust = time.Second

func (b *Bucket) sawBucket() { b.lastSeen.Store(time.Now().UnixNano()) }

// confirmBucket makes sure that the bucket is there, as objects may not be for
// the reason that it is not: behind a gateway a bucket is a directory, which
// may not be mounted.
func (b *Bucket) confirmBucket(ctx context.Context) error {
	if time.Since(time.Unix(0, b.lastSeen.Load())) < bucketTrust {
		return nil
	}
	_, err := b.client.HeadBucket(ctx, &awss3.HeadBucketInput{Bucket: &b.s.bucket})
	if err != nil && !isForbidden(err) {
		return err
	}
	b.sawBucket()
	return nil
}

// noBucket gives a 404 of a bucket's head the code that its missing body would
// hold.
func (b *Bucket) noBucket(err error) error {
	if failureOf(err).status == http.StatusNotFound {
		return &smithy.GenericAPIError{Code: "NoSuchBucket", Message: err.Error()}
	}
	return err
}
