package s3

import (
	"errors"
	"io"
	"net/http"

	"github.com/aws/smithy-go/middleware"
)

// errorLimit bounds the text of an error, in bytes. S3's have a few hundred,
// the pages of a proxy some thousands.
const errorLimit = 1 << 20

// errTooLong is an answer that goes on and on.
var errTooLong = errors.New("the answer is too long")

// limiting bounds all answers but the contents of objects: the SDK reads them
// into memory, or to their end before it closes them, however long they are.
type limiting struct{ http.RoundTripper }

func (l limiting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.RoundTripper.RoundTrip(r)
	if err != nil || isContent(r, answer.StatusCode) {
		return answer, err
	}
	limit := int64(errorLimit)
	if answer.StatusCode < http.StatusMultipleChoices {
		limit = pageLimit
	}
	answer.Body = &limitedBody{answer.Body, limit}
	return answer, nil
}

// isContent tells whether the answer to r is the content of an object, which
// is not kept in memory.
func isContent(r *http.Request, status int) bool {
	return middleware.GetOperationName(r.Context()) == "GetObject" &&
		(status == http.StatusOK || status == http.StatusPartialContent)
}

// A limitedBody fails where it reaches its limit.
type limitedBody struct {
	io.ReadCloser
	left int64 // bytes
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
