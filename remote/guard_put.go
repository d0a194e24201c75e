package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Put is the inner Put as long as bytes of the source are read.
//
// A Put with Create whose answer got lost finds its own object at the next
// try. ErrExist is therefore checked, after any Put of the key that ended
// without an answer: content equal to the source is success.
func (g *Guard) Put(ctx context.Context, key Key, src Source, opt PutOptions) error {
	op := operation{name: "put", key: key}
	repeated := g.unsure.has(key)
	tries := 0
	err := g.perform(ctx, op, func() error {
		tries++
		return g.putOnce(ctx, key, src, opt)
	})
	if opt.Create && errors.Is(err, ErrExist) && (repeated || tries > 1) {
		err = g.unlessOurs(ctx, key, src, err)
	}
	if tries > 0 {
		g.unsure.set(key, err != nil && (errors.Is(err, ErrUnavailable) || ctx.Err() != nil))
	}
	return err
}

func (g *Guard) putOnce(ctx context.Context, key Key, src Source, opt PutOptions) error {
	moved := newProgress()
	inner, cancel := context.WithCancel(withProgress(ctx, moved))
	defer cancel()
	_, err := run(ctx, g, call[struct{}]{op: "put", key: key, limit: g.o.StallTimeout, moved: moved, keys: []Key{key},
		do: func() (struct{}, error) {
			return struct{}{}, g.inner.Put(inner, key, countedSource{src, moved}, opt)
		}})
	return err
}

// unlessOurs gives nil when the remote holds exactly src, else exists.
func (g *Guard) unlessOurs(ctx context.Context, key Key, src Source, exists error) error {
	same, err := g.holds(ctx, key, src)
	switch {
	case err != nil && ctx.Err() != nil:
		return Ended(ctx, "remote: put", key)
	case err != nil:
		return &Error{Op: "remote: put", Key: key, Kind: ErrUnavailable,
			Err: fmt.Errorf("exists, and comparing it with ours failed: %v", err)}
	case same:
		return nil
	}
	return exists
}

// holds compares an object with a source.
func (g *Guard) holds(ctx context.Context, key Key, src Source) (bool, error) {
	info, err := g.Stat(ctx, key)
	if err != nil || info.Size != src.Size() {
		return false, err
	}
	theirs, _, err := g.Get(ctx, key, 0)
	if err != nil {
		return false, err
	}
	defer theirs.Close()
	ours, err := src.Open()
	if err != nil {
		return false, err
	}
	defer ours.Close()
	return equal(ours, theirs)
}

// equal reads both to the first difference.
func equal(a, b io.Reader) (bool, error) {
	const size = 64 << 10
	bufA, bufB := make([]byte, size), make([]byte, size)
	for {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if err := errors.Join(notEnd(errA), notEnd(errB)); err != nil {
			return false, err
		}
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			return false, nil
		}
		if errA != nil || errB != nil {
			return true, nil
		}
	}
}

// notEnd is err unless that is one of io.ReadFull's two ends.
func notEnd(err error) error {
	if isEnd(err) || err == io.ErrUnexpectedEOF { //nolint:errorlint // as isEnd
		return nil
	}
	return err
}

// unsureLimit bounds what unsure remembers. Beyond it a Put that did arrive
// may be taken for another host's, which costs no more than a signature.
const unsureLimit = 10000

// unsure remembers the keys whose last Put ended without an answer.
type unsure struct {
	mu   sync.Mutex
	keys map[Key]struct{}
}

func (u *unsure) has(key Key) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.keys[key]
	return ok
}

func (u *unsure) set(key Key, yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case !yes:
		delete(u.keys, key)
	case len(u.keys) < unsureLimit:
		if u.keys == nil {
			u.keys = make(map[Key]struct{})
		}
		u.keys[key] = struct{}{}
	}
}
