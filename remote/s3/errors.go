package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sstatefs/remote"
)

// A failure is an answer that was no success, or none, in a few words. The
// SDK's own text fills lines.
type failure struct {
	status int    // of HTTP, 0 without an answer
	code   string // of S3, empty without a body
	text   string
	err    error
}

func (f *failure) Error() string { return f.text }
func (f *failure) Unwrap() error { return f.err }

// fail classifies an error of the SDK. It is the only place that does.
func (b *Bucket) fail(ctx context.Context, op string, key remote.Key, err error) error {
	var done *remote.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done):
		return err
	case ctx.Err() != nil:
		return remote.Ended(ctx, "s3: "+op, key)
	case errors.Is(err, remote.ErrCorrupt):
		return &remote.Error{Op: "s3: " + op, Key: key, Kind: remote.ErrCorrupt, Err: err}
	}
	f := failureOf(err)
	kind := kindOf(f)
	f.text = b.words(f)
	if isFull(f) {
		f.err = errors.Join(f.err, syscall.ENOSPC)
	}
	return &remote.Error{Op: "s3: " + op, Key: key, Kind: kind, Err: f}
}

// failureOf takes an error of the SDK apart.
func failureOf(err error) *failure {
	f := &failure{err: err, text: innermost(err)}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		f.status = answer.HTTPStatusCode()
		switch {
		case f.status == 0: // there was no answer
		case f.status < 300:
			f.text = "the server's answer makes no sense: " + innermost(answer.Err)
		default:
			f.text = fmt.Sprintf("the server answers %d without a reason", f.status)
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		f.code = api.ErrorCode()
		f.text = strings.TrimSpace(f.code + ": " + oneLine(api.ErrorMessage()))
	}
	return f
}

// innermost is the text at the bottom of a chain of errors: what the system
// said, without the layers that hand it on.
func innermost(err error) string {
	var layer *smithy.OperationError
	if errors.As(err, &layer) {
		err = layer.Err
	}
	var send *smithyhttp.RequestSendError
	if errors.As(err, &send) {
		err = send.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	return oneLine(err.Error())
}

// textLimit bounds what a server may say in an error, in bytes.
const textLimit = 200

func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > textLimit {
		text = text[:textLimit] + "..."
	}
	return text
}

// kinds of S3's error codes. Codes that say no more than the status are not
// in it.
var kinds = map[string]error{
	"NoSuchKey":                  remote.ErrNotExist,
	"NoSuchBucket":               remote.ErrUnavailable,
	"NoSuchUpload":               remote.ErrUnavailable, // aborted by somebody: begin again
	"PreconditionFailed":         remote.ErrExist,
	"ConditionalRequestConflict": remote.ErrUnavailable,
	"OperationAborted":           remote.ErrUnavailable,
	"RequestTimeout":             remote.ErrUnavailable, // 400
	"IncompleteBody":             remote.ErrUnavailable, // 400
	"SlowDown":                   remote.ErrUnavailable,
	"BadDigest":                  remote.ErrCorrupt, // the source gave other bytes the second time
	"InvalidDigest":              remote.ErrCorrupt,
	"XAmzContentSHA256Mismatch":  remote.ErrCorrupt,
	"ExpiredToken":               remote.ErrPermission, // 400
	"InvalidToken":               remote.ErrPermission, // 400
	"TokenRefreshRequired":       remote.ErrPermission, // 400
	"XAdminUserNotFound":         remote.ErrPermission, // versitygw's 404
	"NotImplemented":             remote.ErrUnsupported,
	"MethodNotAllowed":           remote.ErrUnsupported,
	"QuotaExceeded":              remote.ErrUnavailable,
	"InvalidBucketState":         remote.ErrUnavailable,
}

func kindOf(f *failure) error {
	if kind := kinds[f.code]; kind != nil {
		return kind
	}
	switch {
	case f.status == 0 && strings.Contains(f.err.Error(), "get identity"):
		return remote.ErrPermission // the credentials could not be renewed
	case f.status < 400: // no answer, no sense in it, or a redirect
		return remote.ErrUnavailable
	case f.status == http.StatusNotFound:
		return remote.ErrNotExist
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden:
		return remote.ErrPermission
	case f.status == http.StatusPreconditionFailed:
		return remote.ErrExist
	case f.status == http.StatusRequestedRangeNotSatisfiable:
		return remote.ErrCorrupt
	case f.status == http.StatusRequestTimeout, f.status == http.StatusTooManyRequests:
		return remote.ErrUnavailable
	case f.status >= 500 && f.status != http.StatusNotImplemented:
		return remote.ErrUnavailable
	}
	return remote.ErrUnsupported // what is asked cannot be done here
}

// words explains what a user can mend.
func (b *Bucket) words(f *failure) string {
	switch f.code {
	case "NoSuchBucket":
		return fmt.Sprintf("bucket %s does not exist at %s", b.s.bucket, b.place())
	case "InvalidAccessKeyId", "XAdminUserNotFound":
		return "the server does not know the access key"
	case "SignatureDoesNotMatch":
		return "the secret key does not fit the access key"
	case "ExpiredToken", "TokenRefreshRequired":
		return "the credentials have expired"
	case "RequestTimeTooSkewed":
		return fmt.Sprintf("the clocks differ too much (the server's is %v): set this machine's", &b.clock)
	case "InvalidObjectState":
		return "the object is archived and must be restored first"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Sprintf("bucket %s is in another region%s: give it as ?region=", b.s.bucket, regionOf(f.err))
	case "AccessDenied", "Forbidden", "AccountProblem", "AllAccessDisabled":
		return "access denied"
	case "ExistingObjectIsDirectory":
		return "the server cannot store under this name" // versitygw's for every failed link(2)
	case "NotFound":
		return remote.ErrNotExist.Error()
	}
	if f.status == http.StatusMovedPermanently {
		return fmt.Sprintf("bucket %s is in another region%s: give it as ?region=", b.s.bucket, regionOf(f.err))
	}
	return f.text
}

// regionOf is the region that an answer names for the bucket.
func regionOf(err error) string {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		if region := answer.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
			return " (" + region + ")"
		}
	}
	return ""
}

// isFull tells that waiting for a moment does not help.
func isFull(f *failure) bool {
	return f.code == "QuotaExceeded" || strings.HasSuffix(f.code, "StorageFull") || f.status == http.StatusInsufficientStorage
}

// The following judge raw errors of the SDK.

func isMissing(err error) bool   { return kindOf(failureOf(err)) == remote.ErrNotExist }
func isForbidden(err error) bool { return kindOf(failureOf(err)) == remote.ErrPermission }

// isDenied tells that the credentials are good and the rights are not.
func isDenied(err error) bool {
	code := failureOf(err).code
	return code == "AccessDenied" || code == "Forbidden"
}

// isUnmet tells that a condition of the request did not hold.
func isUnmet(err error) bool { return failureOf(err).status == http.StatusPreconditionFailed }

// isRefused tells that the request itself was understood and not wanted.
func isRefused(err error) bool {
	status := failureOf(err).status
	return status >= 400 && status < 500
}

// isConflict tells that another change was in the way, and may be gone next
// time.
func isConflict(err error) bool {
	switch failureOf(err).code {
	case "ConditionalRequestConflict", "OperationAborted", "ExistingObjectIsDirectory":
		return true
	}
	return false
}

func isUnavailable(err error) bool { return errors.Is(err, remote.ErrUnavailable) }

// unsupported refuses a call for what it asks.
func unsupported(op string, key remote.Key, why string) error {
	return &remote.Error{Op: "s3: " + op, Key: key, Kind: remote.ErrUnsupported, Err: errors.New(why)}
}

// kindly is an error of a kind with its reason.
func kindly(op string, key remote.Key, kind error, format string, args ...any) error {
	return &remote.Error{Op: "s3: " + op, Key: key, Kind: kind, Err: fmt.Errorf(format, args...)}
}

// begin checks what every call on one object needs.
func begin(ctx context.Context, op string, key remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "s3: "+op, key)
	}
	if !key.Valid() {
		return unsupported(op, key, "not a valid key")
	}
	return nil
}

// changeable refuses changes of a read-only remote.
func (b *Bucket) changeable(op string, key remote.Key) error {
	if b.Traits().ReadOnly {
		return unsupported(op, key, "remote is read-only")
	}
	return nil
}
