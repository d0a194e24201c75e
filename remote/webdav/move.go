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

// errLost is the end of a MOVE without an answer that has left neither the
// temporary nor its object.
var errLost = errors.New("the answer to MOVE was lost, and the object is not there")

// move gives a temporary of size bytes a name.
//
// When the answer is lost the temporary tells what became of it: its name is
// used once, so that it is gone means that it was moved, if the object is there.
func (d *DAV) move(ctx context.Context, temporary, key remote.Key, size int64, header map[string]string) error {
	r, err := d.unlocked(ctx, d.moveRequest("MOVE", string(temporary), string(key), header))
	if err != nil && ctx.Err() == nil {
		_, there, lookErr := d.look(ctx, string(temporary))
		switch {
		case lookErr != nil:
			return err
		case !there:
			return d.arrived(ctx, key, size)
		}
		r, err = d.unlocked(ctx, d.moveRequest("MOVE", string(temporary), string(key), header))
	}
	switch {
	case err != nil:
		return err
	case moved(r.code):
		return nil
	case r.code == http.StatusPreconditionFailed:
		return d.refused(r.code, r.header)
	}
	if _, there, lookErr := d.look(ctx, string(temporary)); lookErr == nil && !there {
		return fmt.Errorf("%w: MOVE: %d", errTemporaryGone, r.code)
	}
	return fmt.Errorf("MOVE: %w", d.refused(r.code, r.header))
}

// moved tells that the answer to a MOVE is success. Others of the same hundred
// are not: 207 lists what went wrong.
func moved(code int) bool {
	return code == http.StatusCreated || code == http.StatusNoContent || code == http.StatusOK
}

// arrived looks for an object whose temporary is gone and whose MOVE was not
// answered. Of a folder that is not mounted on the server both are missing.
func (d *DAV) arrived(ctx context.Context, key remote.Key, size int64) error {
	v, err := d.head(ctx, "move", key)
	if errors.Is(err, remote.ErrNotExist) || err == nil && v.Size != size {
		return errLost
	}
	return err
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
