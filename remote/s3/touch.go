package s3

import (
	"context"
	"net/http"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sstatefs/remote"
)

// touchWait is how long a touch waits for a put of the same key, which gives
// the object a new time anyway.
const touchWait = 2 * time.Second

// Touch see remote.Remote. S3 sets no times: an object that is copied gets a
// new one.
func (b *Bucket) Touch(ctx context.Context, key remote.Key, _ time.Time) error {
	if err := begin(ctx, "touch", key); err != nil {
		return err
	}
	if key.IsTemporary() {
		return b.absent("touch", key)
	}
	if err := b.changeable("touch", key); err != nil {
		return err
	}
	f, err := b.touchFindings(ctx, "touch")
	if err == nil {
		err = b.changeable("touch", key)
	}
	if err != nil {
		return err
	}
	if f.copies == copyNone {
		return unsupported("touch", key, "the server moves no times by copying")
	}
	waiting, cancel := context.WithTimeout(ctx, touchWait)
	defer cancel()
	unlock, err := b.locks.Alone(waiting, key)
	if err != nil {
		if ctx.Err() == nil {
			return kindly("touch", key, remote.ErrUnavailable, "the object is being put")
		}
		return remote.Ended(ctx, "s3: touch", key)
	}
	defer unlock()
	return b.touch(ctx, key, f)
}

// touch copies an object that nobody else in this process changes.
func (b *Bucket) touch(ctx context.Context, key remote.Key, f facts) error {
	a, err := b.lookup(ctx, "touch", key)
	if err != nil {
		return err
	}
	if f.copies == copySelf {
		err = b.copySelf(ctx, a, f.copyIf)
	} else {
		err = b.copyThereAndBack(ctx, key, a, f)
	}
	switch {
	case err == nil || isUnmet(err): // replaced meanwhile is touched
		return nil
	case isMissing(err):
		return b.absent("touch", key)
	}
	return b.fail(ctx, "touch", key, err)
}

// copyThereAndBack copies to a temporary and back, for servers whose copy onto
// itself changes no time. Before the way back it makes sure that the object is
// still the one that went.
func (b *Bucket) copyThereAndBack(ctx context.Context, key remote.Key, a *attributes, f facts) error {
	folder, _ := key.Split()
	there := b.name(remote.Join(folder, remote.NewTemporary()))
	defer func() {
		ctx, cancel := tidy(ctx)
		defer cancel()
		b.deleteNames(ctx, []string{there})
	}()
	if err := b.copy(ctx, copying{from: a.name, to: there, tag: a.tag, like: a}); err != nil {
		return err
	}
	now, err := b.head(ctx, a.name)
	if err != nil {
		return err
	}
	if now.tag != a.tag || !now.time.Equal(a.time) {
		return nil // somebody else replaced or touched it
	}
	back := copying{from: there, to: a.name, like: a}
	if f.copyIf {
		back.onto = a.tag
	}
	return b.copy(ctx, back)
}

// expiry reads the Expires header, which need not be a time.
func expiry(h *awss3.HeadObjectOutput) *time.Time {
	if h.ExpiresString == nil {
		return nil
	}
	t, err := http.ParseTime(*h.ExpiresString)
	if err != nil {
		return nil
	}
	return &t
}
