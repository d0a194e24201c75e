package s3

import (
	"context"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sstatefs/remote/transport"
)

// listen makes a clock hear of every answer of a client.
func listen(clock *transport.Clock) func(*middleware.Stack) error {
	hear := middleware.DeserializeMiddlewareFunc("sstatefs:clock",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			middleware.DeserializeOutput, middleware.Metadata, error,
		) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if answer, ok := out.RawResponse.(*smithyhttp.Response); ok && answer != nil {
				clock.Hear(answer.Header, time.Now())
			}
			return out, metadata, err
		})
	return func(stack *middleware.Stack) error { return stack.Deserialize.Add(hear, middleware.After) }
}

// Offset see remote.Clock.
func (b *Bucket) Offset() (time.Duration, bool) { return b.clock.Offset() }
