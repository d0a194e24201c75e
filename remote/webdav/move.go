package webdav

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"sstatefs/remote"
)

const (
	// lockTries and lockPause bound the wait for a name that is locked while
	// another request changes it, as rclone does: its MOVEs are short.
	lockTries = 100
	lockPause = 20 * time.Millisecond

	// tidyTries and tidyPause bound the wait for a broken PUT to show up.
	tidyTries = 3
	tidyPause = 50 * time.Millisecond
)

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// moveRequest makes a COPY or MOVE.
func (d *DAV) moveRequest(method, from, to string, header map[string]string) request {
	header = maps.Clone(header)
	header["Destination"] = d.client.place.Load().at(to).String()
	return request{method: method, path: from, header: header, once: true}
}

// onlyIf is the header of a MOVE that replaces only what has this etag
// (RFC 4918, section 10.4: a tagged list). Apache heeds it, nginx does not, and
// rclone refuses every MOVE that has it.
func (d *DAV) onlyIf(path, etag string) map[string]string {
	return map[string]string{"Overwrite": "T",
		"If": fmt.Sprintf("<%s> ([%s])", d.client.place.Load().at(path), etag)}
}

// errTemporaryGone is the end of a temporary that somebody else has removed.
var errTemporaryGone = errors.New("the temporary is gone")

// move gives a temporary a name and tells whether the name was new, where the
// server says so.
//
// When the answer is lost the temporary tells what became of it: its name is
// used once, so that it is gone means that it was moved.
func (d *DAV) move(ctx context.Context, temporary, key remote.Key, header map[string]string) (fresh bool, err error) {
	r, err := d.unlocked(ctx, d.moveRequest("MOVE", string(temporary), string(key), header))
	if err != nil && ctx.Err() == nil {
		_, there, lookErr := d.look(ctx, string(temporary))
		switch {
		case lookErr != nil:
			return false, err
		case !there:
			return false, nil
		}
		r, err = d.unlocked(ctx, d.moveRequest("MOVE", string(temporary), string(key), header))
	}
	switch {
	case err != nil:
		return false, err
	case r.code == http.StatusCreated:
		return true, nil
	case r.code == http.StatusNoContent || r.code == http.StatusOK:
		return false, nil
	case r.code == http.StatusPreconditionFailed:
		return false, d.refused(r.code, r.header)
	}
	if _, there, lookErr := d.look(ctx, string(temporary)); lookErr == nil && !there {
		return false, fmt.Errorf("%w: MOVE: %d", errTemporaryGone, r.code)
	}
	return false, fmt.Errorf("MOVE: %w", d.refused(r.code, r.header))
}

// unlocked sends r until no other request has locked what it changes.
func (d *DAV) unlocked(ctx context.Context, r request) (reply, error) {
	for n := 1; ; n++ {
		answer, err := d.client.call(ctx, r)
		if err != nil || answer.code != http.StatusLocked || n == lockTries {
			return answer, err
		}
		pause(ctx, lockPause)
	}
}
