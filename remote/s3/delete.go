package s3

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"unicode/utf8"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

const (
	deleteBatch   = 1000 // names in one request, the limit of S3
	deleteBatches = 4    // requests at a time
	deleteSingles = 16   // requests at a time of servers that take no batches
)

// Delete see remote.Remote.
func (b *Bucket) Delete(ctx context.Context, keys ...remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "s3: delete", "")
	}
	for _, key := range keys {
		if err := begin(ctx, "delete", key); err != nil {
			return err
		}
	}
	if len(keys) == 0 {
		return nil
	}
	if err := b.changeable("delete", ""); err != nil { // all of them
		return err
	}
	var (
		mu    sync.Mutex
		errs  []error
		group errgroup.Group
	)
	group.SetLimit(deleteBatches)
	for len(keys) > 0 {
		batch := keys[:min(deleteBatch, len(keys))]
		keys = keys[len(batch):]
		group.Go(func() error {
			err := b.deleteKeys(ctx, batch)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			return nil
		})
	}
	_ = group.Wait()
	if ctx.Err() != nil {
		return remote.Ended(ctx, "s3: delete", "")
	}
	return errors.Join(errs...)
}

// deleteKeys deletes up to a batch of objects. No touch is at work on any of
// them meanwhile.
func (b *Bucket) deleteKeys(ctx context.Context, keys []remote.Key) error {
	locked := make(map[remote.Key]func(), len(keys))
	defer func() {
		for _, unlock := range locked {
			unlock()
		}
	}()
	var names []string
	for _, key := range keys {
		if locked[key] != nil {
			continue
		}
		unlock, err := b.locks.Share(ctx, key)
		if err != nil {
			return remote.Ended(ctx, "s3: delete", key)
		}
		locked[key] = unlock
		names = append(names, b.name(key))
	}
	var errs []error
	for name, err := range b.deleteNames(ctx, names) {
		errs = append(errs, b.fail(ctx, "delete", remote.Key(strings.TrimPrefix(name, b.s.root)), err))
	}
	remote.Progress(ctx)
	return errors.Join(errs...)
}

// deleteNames deletes up to a batch of names and gives those that could not be
// deleted. Its errors are the SDK's.
func (b *Bucket) deleteNames(ctx context.Context, names []string) map[string]error {
	var together, single []string
	for _, name := range names {
		if fitsXML(name) {
			together = append(together, name)
		} else {
			single = append(single, name)
		}
	}
	if len(together) == 1 {
		together, single = nil, append(single, together...)
	}
	failed := make(map[string]error)
	if len(together) > 0 {
		if err := b.deleteBatch(ctx, together, failed); lacksBatches(err) {
			single = append(single, together...)
		} else if err != nil {
			for _, name := range together {
				failed[name] = err
			}
		}
	}
	b.deleteSingly(ctx, single, failed)
	return failed
}

// fitsXML tells that XML 1.0 can hold a name.
func fitsXML(name string) bool {
	return utf8.ValidString(name) && strings.IndexFunc(name, func(r rune) bool {
		return r < ' ' || r == '\uFFFE' || r == '\uFFFF'
	}) < 0
}

// lacksBatches tells that a server has no DeleteObjects.
func lacksBatches(err error) bool {
	f := failureOf(errOrNone(err))
	return f.status == http.StatusNotImplemented || f.status == http.StatusMethodNotAllowed || f.code == "NotImplemented"
}

func errOrNone(err error) error {
	if err == nil {
		return errors.New("none")
	}
	return err
}

// deleteBatch deletes names with one request and notes those that failed. The
// older servers want the MD5 of the request, the SDK itself sends a CRC.
func (b *Bucket) deleteBatch(ctx context.Context, names []string, failed map[string]error) error {
	quiet := true
	in := &awss3.DeleteObjectsInput{Bucket: &b.s.bucket, Delete: &types.Delete{Quiet: &quiet}}
	for _, name := range names {
		in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: &name})
	}
	out, err := b.client.DeleteObjects(ctx, in, func(o *awss3.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.AddContentChecksumMiddleware)
	})
	if err != nil {
		return err
	}
	for _, e := range out.Errors {
		if e.Key == nil || e.Code == nil || *e.Code == "NoSuchKey" {
			continue
		}
		message := ""
		if e.Message != nil {
			message = *e.Message
		}
		failed[*e.Key] = &smithy.GenericAPIError{Code: *e.Code, Message: message}
	}
	return nil
}

// deleteSingly deletes names one by one, several at a time.
func (b *Bucket) deleteSingly(ctx context.Context, names []string, failed map[string]error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(deleteSingles)
	for _, name := range names {
		group.Go(func() error {
			_, err := b.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &b.s.bucket, Key: &name})
			remote.Progress(ctx)
			if err != nil && (failureOf(err).code == "NoSuchBucket" || !isMissing(err)) {
				mu.Lock()
				defer mu.Unlock()
				failed[name] = err
			}
			return nil
		})
	}
	_ = group.Wait()
}
