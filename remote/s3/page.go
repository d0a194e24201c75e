package s3

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An entry is one object of a listing.
type entry struct {
	name string // in the bucket
	size int64
	time time.Time
}

// A page is one answer of a listing.
type page struct {
	entries   []entry
	prefixes  []string // with a delimiter: what is between, with its slash
	truncated bool
	next      string // token of the next page
}

// A span is what one request for a page asks for.
type span struct {
	prefix    string
	after     string // names up to this one are not wanted
	delimiter string
	token     string
	limit     int32 // entries, 0 for the server's own
}

// pageLimit bounds the text of a page. The longest of a thousand entries has
// keys of 1,024 bytes, each escaped to six times that.
const pageLimit = 16 << 20

// page asks for one page. Its errors are the SDK's, and errXML. The names are asked for as
// they are and not URL-encoded: versitygw 1.8 sends them as they are in both
// cases, and nothing in its answer tells.
func (b *Bucket) page(ctx context.Context, s span) (*page, error) {
	in := &awss3.ListObjectsV2Input{Bucket: &b.s.bucket}
	if s.prefix != "" {
		in.Prefix = &s.prefix
	}
	if s.after != "" {
		in.StartAfter = &s.after
	}
	if s.delimiter != "" {
		in.Delimiter = &s.delimiter
	}
	if s.token != "" {
		in.ContinuationToken = &s.token
	}
	if s.limit > 0 {
		in.MaxKeys = aws.Int32(s.limit)
	}
	var p *page
	_, err := b.client.ListObjectsV2(ctx, in, func(o *awss3.Options) { o.APIOptions = append(o.APIOptions, takePage(&p)) })
	if err != nil {
		return nil, err
	}
	if p == nil { // the SDK takes a 204 or a 202 for success
		return nil, fmt.Errorf("%w: it has another status than 200", errXML)
	}
	b.sawBucket()
	return p, nil
}

// takePage reads the answer before the SDK does, whose XML decoder takes
// several times as long, and leaves it an empty one.
func takePage(p **page) func(*middleware.Stack) error {
	take := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
		middleware.DeserializeOutput, middleware.Metadata, error,
	) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, ok := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !ok || answer.StatusCode != 200 {
			return out, metadata, err
		}
		*p, err = parsePage(io.LimitReader(answer.Body, pageLimit))
		answer.Body.Close()
		answer.Body = io.NopCloser(strings.NewReader("<ListBucketResult/>"))
		return out, metadata, err
	}
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("sstatefs:page", take), middleware.After)
	}
}
