package transport

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// PieceSize and PieceParallel are the defaults of PiecesOptions. A piece is
// long enough that a round trip more does not count.
const (
	PieceSize     = 8 << 20
	PieceParallel = 4
)

// PiecesOptions tunes NewPieces. The zero value of a field is its default.
type PiecesOptions struct {
	Size     int64   // bytes of a piece (PieceSize)
	Parallel int     // pieces on their way at a time (PieceParallel)
	Budget   *Budget // memory that is shared with other readers (without bound)
}

// A PieceFunc asks for length bytes from offset. More than these are not read
// of its body. It is called from several goroutines.
type PieceFunc func(ctx context.Context, offset, length int64) (io.ReadCloser, error)

// NewPieces reads a content of size bytes from offset to its end in pieces,
// several at a time. It holds one piece more in memory than are on their way,
// or as many as the budget has left; without any it asks for one piece after
// the other and holds none. Bytes are given as they come, and an error of a
// piece after the bytes before it. A piece that ends early is
// io.ErrUnexpectedEOF. The reader ends with ctx; its Close ends all requests
// and waits for them.
func NewPieces(ctx context.Context, size, offset int64, get PieceFunc, o PiecesOptions) io.ReadCloser {
	if o.Size <= 0 {
		o.Size = PieceSize
	}
	if o.Parallel <= 0 {
		o.Parallel = PieceParallel
	}
	p := &pieces{get: get, o: o, end: size, queue: make(chan piece, o.Parallel+1), freed: make(chan struct{}, 1)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.running.Go(func() { p.feed(offset, make(chan struct{}, o.Parallel)) })
	return p
}

// pieces is a reader of many requests.
type pieces struct {
	ctx    context.Context // of the reader's whole life
	cancel context.CancelFunc
	get    PieceFunc
	o      PiecesOptions
	end    int64

	queue   chan piece    // in order; closed after the last
	held    atomic.Int64  // pieces that have memory
	freed   chan struct{} // a token when held has become less
	running sync.WaitGroup

	now piece // what Read is at, nil before it takes the next
	at  int   // bytes of it that were given
	err error
}

// feed begins the pieces one by one, as many at a time as slots has room for.
func (p *pieces) feed(offset int64, slots chan struct{}) {
	defer close(p.queue)
	for at := offset; at < p.end; at += p.o.Size {
		select {
		case slots <- struct{}{}:
		case <-p.ctx.Done():
			return
		}
		length := min(p.o.Size, p.end-at)
		buf, ok := p.memory()
		switch {
		case !ok:
			return
		case buf == nil:
			<-slots
			if !p.pass(at, length) {
				return
			}
			continue
		}
		one := newStored(p, buf[:length])
		p.running.Go(func() {
			one.fill(p.ctx, p.get, at)
			<-slots
		})
		p.queue <- one // there is room for all that are held
	}
}

// memory gives memory for a piece. It waits for the reader's own pieces, never
// for those of others: nil is for a reader that has none and gets none. It is
// false when the reader has ended.
func (p *pieces) memory() (buf []byte, ok bool) {
	for {
		if p.held.Load() <= int64(p.o.Parallel) {
			buf = p.o.Budget.take(p.o.Size)
		}
		switch {
		case buf != nil:
			p.held.Add(1)
			return buf, true
		case p.held.Load() == 0:
			return nil, true
		}
		select {
		case <-p.freed:
		case <-p.ctx.Done():
			return nil, false
		}
	}
}

// pass hands on a piece without memory and waits until it was read: there may
// be memory for the next. It is false when the reader has ended.
func (p *pieces) pass(at, length int64) bool {
	one := &passing{p: p, at: at, length: length, ended: make(chan struct{})}
	p.queue <- one // nothing else is in it
	select {
	case <-one.ended:
		return true
	case <-p.ctx.Done():
		return false
	}
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(b) == 0 || p.err != nil {
		return 0, p.err
	}
	for {
		if p.now == nil && !p.next() {
			return 0, p.err
		}
		n, err := p.now.read(b, p.at)
		p.at += n
		if err == nil {
			return n, nil
		}
		if err != io.EOF { //nolint:errorlint // read's own
			p.err = err
			p.cancel() // the others are of no use
			return n, err
		}
		p.now.done()
		p.now = nil
	}
}

// next takes the next piece. It is false at the end, whose error is in err.
func (p *pieces) next() bool {
	one, ok := <-p.queue
	switch {
	case ok:
		p.now, p.at = one, 0
		return true
	case p.ctx.Err() != nil:
		p.err = context.Cause(p.ctx)
	default:
		p.err = io.EOF
	}
	return false
}

var errClosed = errors.New("pieces: reader is closed")

// Close ends all requests and waits for them. It is for the goroutine that
// reads.
func (p *pieces) Close() error {
	p.cancel()
	p.running.Wait()
	if p.now != nil {
		p.now.done()
	}
	for one := range p.queue {
		one.done()
	}
	p.err, p.now = errClosed, nil
	return nil
}
