package s3

import (
	"bytes"
	"context"
	"io"

	"sstatefs/remote/transport"
)

// open begins the second reading.
func (c *content) open(ctx context.Context) (*transport.Exact, error) {
	if c.size <= inMemory {
		return transport.NewExact(ctx, io.NopCloser(bytes.NewReader(c.all)), c.size), nil
	}
	in, err := openSource(c.src)
	if err != nil {
		return nil, err
	}
	return transport.NewExact(ctx, in, c.size), nil
}
