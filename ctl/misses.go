package ctl

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"sstatefs/store"
)

// MissRecorder is a Store that remembers what builds did not find.
type MissRecorder interface {
	// Misses gives those that were completed from t on, newest last.
	Misses(t time.Time) []store.Miss
}

// missesAnswer is the answer to the verb misses.
type missesAnswer struct {
	Misses []store.Miss `json:"misses"`
}

func (s *Server) misses(w http.ResponseWriter, r *http.Request) {
	var since time.Time
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			writeError(w, http.StatusBadRequest, &Error{Kind: KindRequest, Message: fmt.Sprintf("request: since is %q", text)})
			return
		}
	}
	recorder, ok := s.session.store.(MissRecorder)
	if !ok {
		writeError(w, http.StatusNotImplemented, &Error{Kind: KindUnsupported, Message: "this mount keeps no record of misses"})
		return
	}
	writeJSON(w, missesAnswer{Misses: recorder.Misses(since)})
}

// Misses asks what builds looked up in the mount in vain and published
// afterwards, from since on, newest last. The zero time asks for all that is
// remembered.
func (c *Client) Misses(ctx context.Context, since time.Time) ([]store.Miss, error) {
	var answer missesAnswer
	verb := "misses"
	if !since.IsZero() {
		verb += "?since=" + url.QueryEscape(since.Format(time.RFC3339Nano))
	}
	err := c.call(ctx, verb, &answer)
	return answer.Misses, err
}
