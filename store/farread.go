package store

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"sstatefs/remote"
)

// farReader reads an object from the remote without keeping it. It is made for
// one reader that goes forward, whose object is checked on the way; any other
// pattern works, costs requests and is checked by length only.
type farReader struct {
	store *Store
	key   remote.Key

	mu    sync.Mutex
	body  io.ReadCloser
	at    int64
	info  remote.Info   // of the first request: the next must be of the same content
	moved chan struct{} // closed when at has moved; nil if nobody waits for it
}

// The kernel reads ahead with several requests at a time, and they come in any
// order. One that is early waits for those before it.
const (
	farAhead    = 2 << 20 // bytes: more than the kernel asks for at a time
	farPatience = 50 * time.Millisecond
)

// ReadAt reads at off, and asks the remote again if that is not where the last
// read ended well. Only the end of the object is io.EOF: the kernel takes that
// for the end of the file.
func (r *farReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaitTurn(off)
	if r.body == nil || r.at != off {
		if err := r.seek(off); err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(r.body, p)
	r.at += int64(n)
	r.tellMoved()
	switch err {
	case nil, io.EOF:
	case io.ErrUnexpectedEOF: // ReadFull's own
		err = io.EOF
	default:
		_ = r.body.Close()
		r.body = nil
		if errors.Is(err, remote.ErrCorrupt) {
			r.store.foundCorrupt(string(r.key), r.info, err)
		}
	}
	return n, err
}

// awaitTurn waits for the reads that come before off, for a while. Called with
// mu held, which it gives up meanwhile.
func (r *farReader) awaitTurn(off int64) {
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
		r.mu.Unlock()
		select {
		case <-moved:
		case <-late:
			over = true
		}
		r.mu.Lock()
		if over {
			return
		}
	}
}

// tellMoved frees who waits for its turn. Called with mu held.
func (r *farReader) tellMoved() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// seek opens the body at off. Called with mu held.
func (r *farReader) seek(off int64) error {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
	ctx := r.store.ctx // a reader has no time limit, a stall has
	body, info, err := r.store.guard.Get(ctx, r.key, off)
	if err != nil {
		return err
	}
	if r.info.Key == "" {
		r.info = info
	}
	if info.Size != r.info.Size || !info.ModTime.Equal(r.info.ModTime) {
		body.Close()
		return fmt.Errorf("%s: replaced while it was read: %w", r.key, remote.ErrCorrupt)
	}
	if off == 0 {
		if body, err = checkWhileRead(body, info); err != nil {
			return err
		}
	}
	r.body, r.at = body, off
	return nil
}

// Close ends the reading.
func (r *farReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}
