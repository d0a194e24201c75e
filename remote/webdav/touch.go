package webdav

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"sstatefs/remote"
)

// matchTries bounds how often a change that met another version of its object
// is tried again.
const matchTries = 5

// Touch see remote.Remote.
func (d *DAV) Touch(ctx context.Context, key remote.Key, t time.Time) error {
	if err := d.begin(ctx, "touch", key); err != nil {
		return err
	}
	if err := d.changeable("touch", key); err != nil {
		return err
	}
	k, err := d.explored(ctx, "touch")
	if err != nil {
		return err
	}
	if k.touchWay() != remote.TouchOnServer {
		return unsupported("touch", key, "this server moves no time without a transfer")
	}
	unlock, err := d.locks.Alone(ctx, key)
	if err != nil {
		return d.fail(ctx, "touch", key, err)
	}
	defer unlock()
	if k.touch == touchProperty {
		return d.touchProperty(ctx, key, t)
	}
	return d.touchCopy(ctx, key)
}

// touchProperty sets the time as a property. The name is looked at first: not
// every server refuses a property of nothing.
func (d *DAV) touchProperty(ctx context.Context, key remote.Key, t time.Time) error {
	if _, err := d.head(ctx, "touch", key); err != nil {
		return err
	}
	if t.IsZero() {
		t = d.client.clock.Now()
	}
	res, err := d.client.do(ctx, propertyRequest(string(key), t))
	if err != nil {
		return d.fail(ctx, "touch", key, err)
	}
	defer discard(res)
	if absent(res.StatusCode) {
		return d.missing(ctx, "touch", key)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, drainLimit))
	if err != nil || res.StatusCode != http.StatusMultiStatus || !strings.Contains(string(text), " 200 ") {
		return d.fail(ctx, "touch", key, errors.Join(err, d.refused(res.StatusCode, res.Header)))
	}
	return nil
}

// touchCopy copies the object to a temporary and moves that back, over the very
// version that was copied where the server heeds its etag.
func (d *DAV) touchCopy(ctx context.Context, key remote.Key) error {
	err := errMoved
	for n := 0; n < matchTries && errors.Is(err, errMoved); n++ {
		var v version
		if v, err = d.head(ctx, "touch", key); err != nil {
			return err
		}
		err = d.copyBack(ctx, v)
	}
	switch {
	case isAbsent(err):
		return d.missing(ctx, "touch", key)
	case err != nil:
		return d.fail(ctx, "touch", key, err)
	}
	return nil
}

// copyBack is one try of touchCopy. Where the server does not heed etags it looks
// once more after the COPY, which takes long for a large object: one that was
// replaced meanwhile has a new time, and is left alone.
func (d *DAV) copyBack(ctx context.Context, v version) error {
	temporary := temporaryFor(v.Key)
	err := d.copyAside(ctx, v.Key, temporary)
	now := v
	if err == nil && !d.heeded(v) {
		now, err = d.head(ctx, "touch", v.Key)
	}
	same := now.same(v)
	if err == nil && same {
		err = d.moveOver(ctx, temporary, v)
	}
	if err != nil || !same {
		d.tidy(ctx, temporary)
	}
	return err
}

// heeded tells that the server itself refuses to replace another version than v.
func (d *DAV) heeded(v version) bool { return d.knows().ifs && v.etag != "" }

// copyAside copies an object. One that vanishes meanwhile is 500 to Apache.
func (d *DAV) copyAside(ctx context.Context, key, temporary remote.Key) error {
	r, err := d.unlocked(ctx, d.moveRequest("COPY", string(key), string(temporary), map[string]string{"Overwrite": "F"}))
	if err != nil || r.code/100 == 2 {
		return err
	}
	refused := d.refused(r.code, r.header)
	if r.code == http.StatusInternalServerError {
		return fmt.Errorf("%w: COPY: %w", errMoved, refused)
	}
	return fmt.Errorf("COPY: %w", refused)
}

// errMoved marks a change that met another version than it was made for.
var errMoved = errors.New("the object changes all the time")

// moveOver replaces one version of an object. Where the server does not heed
// etags, a removal by another host just before the MOVE is undone by it. The
// answer 201 does not give that away: proxies say it of every MOVE, and Apache
// does where two touches of one object meet.
func (d *DAV) moveOver(ctx context.Context, temporary remote.Key, v version) error {
	header := map[string]string{"Overwrite": "T"}
	if d.heeded(v) {
		header = d.onlyIf(string(v.Key), v.etag)
	}
	err := d.move(ctx, temporary, v.Key, v.Size, header)
	var status *statusError
	if errors.As(err, &status) && status.code == http.StatusPreconditionFailed {
		return errMoved
	}
	return err
}

// refresh is Put with Refresh. The lock is held for the end alone, since a
// removal must not wait for a transfer.
func (d *DAV) refresh(ctx context.Context, key remote.Key, u *upload, opt remote.PutOptions) error {
	if _, err := d.sameSize(ctx, key, u); err != nil {
		return err
	}
	if opt.ModTime.IsZero() {
		opt.ModTime = d.client.clock.Now()
	}
	temporary := temporaryFor(key)
	err := d.putInto(ctx, temporary, u, d.putHeader(opt))
	if err == nil {
		err = d.replaceSame(ctx, temporary, key, u)
	}
	if err != nil {
		d.tidy(ctx, temporary)
	}
	if isAbsent(err) {
		return gone("put", key)
	}
	return err
}

// sameSize is ErrNotExist unless an object of the source's size is there.
func (d *DAV) sameSize(ctx context.Context, key remote.Key, u *upload) (version, error) {
	v, err := d.head(ctx, "put", key)
	if err == nil && v.Size != u.source.Size() {
		err = gone("put", key)
	}
	return v, err
}

func (d *DAV) replaceSame(ctx context.Context, temporary, key remote.Key, u *upload) error {
	unlock, err := d.locks.Alone(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	err = errMoved
	for n := 0; n < matchTries && errors.Is(err, errMoved); n++ {
		var v version
		if v, err = d.sameSize(ctx, key, u); err == nil {
			err = d.moveOver(ctx, temporary, v)
		}
	}
	return err
}
