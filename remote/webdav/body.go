package webdav

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"sstatefs/remote"
	"sstatefs/remote/transport"
)

// pieceLimit is the size from which the rest of an object comes in pieces over
// several connections, in bytes: below it one connection is at full speed for
// most of the time.
const pieceLimit = 32 << 20

// pieces reads an object in pieces. The first comes from the answer that told
// the size; what its connection would bring beyond that is given up.
func (d *DAV) pieces(ctx context.Context, v version, offset int64, first io.ReadCloser) io.ReadCloser {
	p := &pieceReader{first: first}
	p.ReadCloser = transport.NewPieces(ctx, v.Size, offset, func(ctx context.Context, at, length int64) (io.ReadCloser, error) {
		if at == offset && p.taken.CompareAndSwap(false, true) {
			return first, nil
		}
		content, now, err := d.read(ctx, v.Key, part{from: at, to: at + length, etag: v.etag})
		if err == nil && !now.same(v) {
			_ = content.Close()
			err = d.fail(ctx, "get", v.Key, errReplaced)
		}
		return content, err
	}, transport.PiecesOptions{Budget: d.memory})
	return p
}

// A pieceReader owns its first answer too.
type pieceReader struct {
	io.ReadCloser
	first io.ReadCloser
	taken atomic.Bool
}

func (p *pieceReader) Close() error {
	err := p.ReadCloser.Close()
	if p.taken.CompareAndSwap(false, true) {
		err = errors.Join(err, p.first.Close())
	}
	return err
}

// whole reads an object from offset, where first begins. What ends early is
// asked for again from there.
func (d *DAV) whole(ctx context.Context, v version, offset int64, first io.ReadCloser) io.ReadCloser {
	rest := func(ctx context.Context, at int64) (io.ReadCloser, error) {
		content, now, err := d.read(ctx, v.Key, part{from: at, etag: v.etag})
		if err != nil {
			return nil, err
		}
		if !now.same(v) {
			_ = content.Close()
			return nil, d.fail(ctx, "get", v.Key, errReplaced)
		}
		return d.inPieces(ctx, v, at, content), nil
	}
	content := transport.Resume(ctx, d.inPieces(ctx, v, offset, first), transport.Range{Offset: offset, Size: v.Size}, rest)
	return &body{ReadCloser: content, ctx: ctx, d: d, key: v.Key}
}

// inPieces is pieces for an object that is large enough, else first itself.
func (d *DAV) inPieces(ctx context.Context, v version, offset int64, first io.ReadCloser) io.ReadCloser {
	if v.ranges && v.Size-offset > pieceLimit {
		return d.pieces(ctx, v, offset, first)
	}
	return first
}

// A body classifies the errors of its reads.
type body struct {
	io.ReadCloser
	ctx context.Context // of Get, whose call the body belongs to
	d   *DAV
	key remote.Key
}

func (b *body) Read(p []byte) (int, error) {
	if b.ctx.Err() != nil { // net/http ends the connection a moment later
		return 0, remote.Ended(b.ctx, "webdav: get", b.key)
	}
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // what wraps it is a connection that broke
		err = b.d.fail(b.ctx, "get", b.key, err)
	}
	return n, err
}
