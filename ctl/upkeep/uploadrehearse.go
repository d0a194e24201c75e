package upkeep

import (
	"context"
	"io"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// rehearse does what send does but for the sending. Unless archives are decoded
// it is quick enough for one at a time, in the order of keys.
func (u *uploading) rehearse(ctx context.Context, plan []*bundle) error {
	u.stage.Stage, u.stage.TotalBytes = "checking", 0
	jobs := 1
	if u.o.Verify {
		jobs = u.o.Jobs
	}
	u.result.Lacks = Sum{} // they are counted as each is found fit
	return u.send(ctx, plan, jobs)
}

// tryOut is try without a target.
func (u *uploading) tryOut(ctx context.Context, key string, n sstate.Name, p *uploadPart, _ remote.PutOptions) error {
	if _, local := u.from.(*Folder); !local && !u.o.Verify {
		return nil
	}
	src, err := u.load(ctx, key, n, p.size)
	if err != nil {
		return err
	}
	body, err := src.Open()
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.CopyN(io.Discard, body, min(p.size, headSize))
	if fault := src.fault(); fault != nil {
		return fault
	}
	return err
}

// Nothing is a target that does not exist yet, for a dry run: it holds nothing,
// and takes nothing.
type Nothing struct {
	remote.Remote // none: of a target only these are called
	Name          string
}

// Traits see remote.Remote.
func (n Nothing) Traits() remote.Traits { return remote.Traits{} }

// List see remote.Remote.
func (n Nothing) List(context.Context, string, func(remote.Info) error) error { return nil }

func (n Nothing) String() string { return n.Name }
