package ctl

import (
	"context"
	"fmt"
	"net/http"

	"sstatefs/store"
)

// fetchBatch is the most keys of one FetchRequest, and fetchBytes how long they
// are together, in bytes, so that they stay below bodyLimit in JSON: a key may
// have 4096.
const (
	fetchBatch = 200
	fetchBytes = bodyLimit * 7 / 8
)

// FetchRequest is the body of the verb fetch: objects that are to be brought
// into the cache.
type FetchRequest struct {
	Keys   []string `json:"keys"`
	Jobs   int      `json:"jobs"`         // at a time
	Warmed int64    `json:"warmed_bytes"` // what earlier requests brought or found
}

func (s *Server) fetch(w http.ResponseWriter, r *http.Request) {
	var o FetchRequest
	if !decode(w, r, &o) {
		return
	}
	if len(o.Keys) > fetchBatch {
		writeError(w, http.StatusBadRequest, &Error{
			Kind: KindRequest, Message: fmt.Sprintf("request: %d keys are more than %d", len(o.Keys), fetchBatch),
		})
		return
	}
	ctx, end := s.whileMounted(r.Context())
	defer end()
	stream(w, r.WithContext(ctx), func(ctx context.Context, progress func(Progress)) (any, error) {
		result, err := s.session.store.Warm(ctx, o.Keys, store.WarmOptions{Jobs: o.Jobs, Warmed: o.Warmed},
			func(now store.WarmResult) { progress(Progress{Fetch: &now}) })
		if err != nil && endedWith(ctx, errEnding) {
			err = errEnding
		}
		return result, err
	})
}

// Fetch has the mount bring objects into its cache until names is closed, the
// cache is full of them or the remote does not answer. Names that come while
// others are fetched wait and go together. progress hears of all so far.
func (c *Client) Fetch(
	ctx context.Context, names <-chan string, jobs int, progress func(store.WarmResult),
) (store.WarmResult, error) {
	var total store.WarmResult
	for !total.Full && !total.Offline {
		keys := nextBatch(ctx, names)
		if len(keys) == 0 {
			break
		}
		o := FetchRequest{Keys: keys, Jobs: jobs, Warmed: total.Bytes()}
		var last, result store.WarmResult
		err := c.stream(ctx, "fetch", o, func(p Progress) {
			if p.Fetch != nil {
				last = *p.Fetch
				now := total
				now.Add(last)
				progress(now)
			}
		}, &result)
		if err != nil {
			total.Add(last)
			return total, err
		}
		total.Add(result)
		progress(total)
	}
	if ctx.Err() != nil {
		return total, &Error{Kind: KindInterrupted, Message: "interrupted"}
	}
	return total, nil
}

// nextBatch waits for a name and takes those that are there with it. It is
// empty at the end.
func nextBatch(ctx context.Context, names <-chan string) []string {
	var keys []string
	size := 0
	add := func(name string) {
		keys = append(keys, name)
		size += len(name)
	}
	select {
	case name, ok := <-names:
		if !ok {
			return nil
		}
		add(name)
	case <-ctx.Done():
		return nil
	}
	for len(keys) < fetchBatch && size < fetchBytes {
		select {
		case name, ok := <-names:
			if !ok {
				return keys
			}
			add(name)
		default:
			return keys
		}
	}
	return keys
}
