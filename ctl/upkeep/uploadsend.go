package upkeep

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// bundle sends what is lacking of one, in the order in which it must appear.
func (u *uploading) bundle(ctx context.Context, b *bundle) error {
	if b.siginfo.lacking() {
		if _, err := u.object(ctx, b, sstate.SideSiginfo, u.making(b.key+sstate.SideSiginfo, b.siginfo.empty)); err != nil {
			return err
		}
	}
	archive := UploadExists
	switch {
	case b.archive.lacking():
		var err error
		if archive, err = u.object(ctx, b, "", u.making(b.key, b.archive.empty)); err != nil {
			return err
		}
	case !b.archive.here:
		archive = UploadWithheld
	}
	if !b.wantsSig() {
		return nil
	}
	return u.sig(ctx, b, archive)
}

// how tells, before each try of an object, whether it may replace something.
type how func(ctx context.Context) (remote.PutOptions, error)

// replacing is how what is there goes whatever it is.
func replacing(context.Context) (remote.PutOptions, error) { return remote.PutOptions{}, nil }

// making is how the target gets what it lacks. What was empty when it was listed
// is replaced, unless somebody else has done so.
func (u *uploading) making(key string, wasEmpty bool) how {
	return func(ctx context.Context) (remote.PutOptions, error) {
		if !wasEmpty {
			return remote.PutOptions{Create: true}, nil
		}
		now, err := u.t.Stat(ctx, remote.Key(key))
		if errors.Is(err, remote.ErrNotExist) {
			return remote.PutOptions{Create: true}, nil
		}
		return remote.PutOptions{Create: now.Size > 0}, err
	}
}

// sig sends a signature if the target's archive is the one that it signs: we
// have just made it, or it holds the same bytes, as after an upload that was
// interrupted between the two.
func (u *uploading) sig(ctx context.Context, b *bundle, archive UploadOutcome) error {
	switch archive {
	case UploadSent, UploadLacks:
		_, err := u.object(ctx, b, sstate.SideSig, replacing) // what is there signs what is gone
		return err
	case UploadExists:
		var same bool
		err := u.patiently(ctx, func() (err error) {
			same, err = u.sameArchive(ctx, b)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return u.note(b.key+sstate.SideSig, b.sig.size, UploadFailed, err)
		case same:
			_, err = u.object(ctx, b, sstate.SideSig, u.making(b.key+sstate.SideSig, b.sig.empty))
			return err
		}
	}
	return u.note(b.key+sstate.SideSig, b.sig.size, UploadWithheld, nil)
}

// sameArchive compares the archives of both sides. It reads them only if their
// sizes agree.
func (u *uploading) sameArchive(ctx context.Context, b *bundle) (bool, error) {
	theirs, info, err := u.t.Get(ctx, remote.Key(b.key), 0)
	if err != nil {
		return false, err
	}
	defer theirs.Close()
	if info.Size != b.archive.size {
		return false, nil
	}
	ours, _, err := u.from.Get(ctx, remote.Key(b.key), 0)
	if err != nil {
		return false, err
	}
	defer ours.Close()
	return sameBytes(ours, theirs)
}

// object sends one object and counts what becomes of it. Its error ends the
// upload.
func (u *uploading) object(ctx context.Context, b *bundle, side string, h how) (UploadOutcome, error) {
	key := b.key + side
	n, _ := sstate.ParsePath(key) // as it was listed
	p := b.part(n)
	try := u.try
	if u.o.DryRun {
		try = u.tryOut
	}
	err := u.patiently(ctx, func() error {
		opt, err := h(ctx)
		if err != nil {
			return err
		}
		opt.ModTime = p.time(u.t.Now())
		return try(ctx, key, n, p, opt)
	})
	if err != nil && ctx.Err() != nil {
		return "", ctx.Err()
	}
	outcome := outcomeOf(err)
	if u.o.DryRun && outcome == UploadSent {
		outcome = UploadLacks
	}
	if outcome != UploadFailed && outcome != UploadBroken {
		err = nil
	}
	return outcome, u.note(key, p.size, outcome, err)
}

// try sends an object once. An error of the origin is told before one of the
// target: it is its cause.
func (u *uploading) try(ctx context.Context, key string, n sstate.Name, p *uploadPart, opt remote.PutOptions) error {
	src, err := u.load(ctx, key, n, p.size)
	if err != nil {
		return err
	}
	counted := &parcel{inner: src, moved: u.moved}
	err = u.t.Put(ctx, remote.Key(key), counted, opt)
	if err != nil {
		counted.forget()
	}
	if fault := src.fault(); err != nil && fault != nil {
		return fault
	}
	return err
}

// outcomeOf sorts the end of a try.
func outcomeOf(err error) UploadOutcome {
	switch {
	case err == nil:
		return UploadSent
	case errors.Is(err, errBroken):
		return UploadBroken
	case errors.Is(err, errChanged), errors.Is(err, fs.ErrNotExist), errors.Is(err, remote.ErrNotExist):
		return UploadChanged
	case errors.Is(err, remote.ErrExist):
		return UploadExists
	}
	return UploadFailed
}

// Pauses between the tries of a remote that does not answer.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// patiently tries again as long as a remote does not answer and there is
// patience.
func (u *uploading) patiently(ctx context.Context, try func() error) error {
	end := time.Now().Add(u.o.Patience)
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := try()
		if !errors.Is(err, remote.ErrUnavailable) || time.Now().Add(pause).After(end) {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}

// parcel is a source whose bytes are counted once, however often it is read.
type parcel struct {
	inner   source
	moved   func(int64)
	counted int64
}

func (p *parcel) Size() int64 { return p.inner.Size() }

func (p *parcel) Open() (io.ReadCloser, error) {
	body, err := p.inner.Open()
	if err != nil {
		return nil, err
	}
	return &parcelBody{ReadCloser: body, parcel: p}, nil
}

// forget takes back what was counted of an object that did not arrive.
func (p *parcel) forget() {
	p.moved(-p.counted)
	p.counted = 0
}

type parcelBody struct {
	io.ReadCloser
	parcel *parcel
	at     int64
}

func (b *parcelBody) Read(buf []byte) (int, error) {
	n, err := b.ReadCloser.Read(buf)
	b.at += int64(n)
	if more := b.at - b.parcel.counted; more > 0 {
		b.parcel.counted += more
		b.parcel.moved(more)
	}
	return n, err
}
