package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"sstatefs/remote"
)

// farReader reads an object from the remote without keeping it. It is made for
// one reader that goes forward, whose object is checked on the way; any other
// pattern works, costs requests and is checked by length only.
type farReader struct {
	store *Store
	key   remote.Key
	turn  chan struct{} // holds one thing while somebody reads, and what follows is his

	body  io.ReadCloser
	end   context.CancelFunc // of the request of body
	at    int64
	info  remote.Info   // of the first request: the next must be of the same content
	moved chan struct{} // closed when at has moved; nil if nobody waits for it
}

func newFarReader(s *Store, key string) *farReader {
	return &farReader{store: s, key: remote.Key(key), turn: make(chan struct{}, 1)}
}

// The kernel reads ahead with several requests at a time, and they come in any
// order. One that is early waits for those before it.
const (
	farAhead    = 2 << 20 // bytes: more than the kernel asks for at a time
	farPatience = 50 * time.Millisecond
)

// readAt reads at off, and asks the remote again if that is not where the last
// read ended well. Only the end of the object is io.EOF: the kernel takes that
// for the end of the file. When ctx is done the wait for the remote ends, and
// the next read asks again.
func (r *farReader) readAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := r.take(ctx); err != nil {
		return 0, err
	}
	if err := r.awaitTurn(ctx, off); err != nil {
		return 0, err
	}
	defer func() { <-r.turn }()
	if r.body == nil || r.at != off {
		if err := r.seek(ctx, off); err != nil {
			return 0, err
		}
	}
	defer context.AfterFunc(ctx, r.end)()
	n, err := io.ReadFull(r.body, p)
	r.at += int64(n)
	r.tellMoved()
	switch err {
	case nil, io.EOF:
	case io.ErrUnexpectedEOF: // ReadFull's own
		err = io.EOF
	default:
		_ = r.drop()
		if errors.Is(err, remote.ErrCorrupt) {
			r.store.foundCorrupt(string(r.key), r.info, err)
		}
	}
	return n, err
}

// take takes the turn.
func (r *farReader) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaitTurn waits for the reads that come before off, for a while. Called with
// the turn, which it gives up meanwhile, and for good if ctx ends.
func (r *farReader) awaitTurn(ctx context.Context, off int64) error {
	var late <-chan time.Time
	for off > r.at && off-r.at <= farAhead {
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		if late == nil {
			timer := time.NewTimer(farPatience)
			defer timer.Stop()
			late = timer.C
		}
		moved, over := r.moved, false
		<-r.turn
		select {
		case <-moved:
		case <-late:
			over = true
		case <-ctx.Done():
		}
		if err := r.take(ctx); err != nil {
			return err
		}
		if over {
			return nil
		}
	}
	return nil
}

// tellMoved frees who waits for its turn. Called with the turn.
func (r *farReader) tellMoved() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// seek opens the body at off. Called with the turn. The request outlives the
// read that made it, unless ctx ends first.
func (r *farReader) seek(ctx context.Context, off int64) error {
	_ = r.drop()
	request, end := context.WithCancel(r.store.ctx) // a reader has no time limit, a stall has
	defer context.AfterFunc(ctx, end)()
	body, err := r.request(request, off)
	if err != nil {
		end()
		return err
	}
	r.body, r.end, r.at = body, end, off
	return nil
}

// request asks for the object from off on, and sees that it is the same as
// before.
func (r *farReader) request(ctx context.Context, off int64) (io.ReadCloser, error) {
	body, info, err := r.store.guard.Get(ctx, r.key, off)
	if err != nil {
		return nil, err
	}
	if r.info.Key == "" {
		r.info = info
	}
	if info.Size != r.info.Size || !info.ModTime.Equal(r.info.ModTime) {
		body.Close()
		return nil, fmt.Errorf("%s: replaced while it was read: %w", r.key, remote.ErrCorrupt)
	}
	if off > 0 {
		return body, nil
	}
	return checkWhileRead(body, info)
}

// drop closes the body, if there is one. Called with the turn.
func (r *farReader) drop() error {
	if r.body == nil {
		return nil
	}
	defer r.end()
	err := r.body.Close()
	r.body = nil
	return err
}

// Close ends the reading.
func (r *farReader) Close() error {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	return r.drop()
}
