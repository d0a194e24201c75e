package ctl

import (
	"context"
	"net/http"

	"sstatefs/store"
)

func (s *Server) trim(w http.ResponseWriter, r *http.Request) {
	var o TrimRequest
	if !decode(w, r, &o) {
		return
	}
	ctx, end := s.whileMounted(r.Context())
	defer end()
	stream(w, r.WithContext(ctx), func(ctx context.Context, progress func(Progress)) (any, error) {
		result, err := s.trimmed(ctx, o, progress)
		if err != nil && endedWith(ctx, errEnding) {
			err = errEnding
		}
		return result, err
	})
}

// trimmed verifies the cache, if that is asked for, and trims it.
func (s *Server) trimmed(ctx context.Context, o TrimRequest, progress func(Progress)) (store.TrimResult, error) {
	if !o.Verify {
		return s.session.store.Trim(ctx)
	}
	verified, err := s.session.store.Verify(ctx, func(now store.VerifyResult) { progress(Progress{Verify: &now}) })
	if err != nil {
		return store.TrimResult{}, err
	}
	result, err := s.session.store.Trim(ctx)
	result.Verified = &verified
	return result, err
}

// Trim has the mount shrink its cache to its bounds and waits for it.
func (c *Client) Trim(ctx context.Context) (store.TrimResult, error) {
	var result store.TrimResult
	err := c.stream(ctx, "trim", TrimRequest{}, nil, &result)
	return result, err
}

// TrimVerified has the mount read all that is in its cache, set aside what is
// damaged, and trim. progress hears of what was read so far; of an error's result
// it is all that is known.
func (c *Client) TrimVerified(
	ctx context.Context, progress func(store.VerifyResult),
) (store.TrimResult, error) {
	var result store.TrimResult
	err := c.stream(ctx, "trim", TrimRequest{Verify: true}, func(p Progress) {
		if p.Verify != nil {
			progress(*p.Verify)
		}
	}, &result)
	if err == nil && result.Verified == nil {
		err = &Error{
			Kind:    KindUnsupported,
			Message: c.info.Mountpoint + ": its daemon is of an older sstatefs: it trimmed, and verified nothing",
			Hint:    "unmount it and mount it again",
		}
	}
	return result, err
}
