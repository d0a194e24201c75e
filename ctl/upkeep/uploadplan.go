package upkeep

import (
	"context"
	"maps"
	"slices"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// uploadPart is one object of the source.
type uploadPart struct {
	size  int64
	mtime int64 // nanoseconds since 1970
	here  bool
	there bool // the target has it
	empty bool // the target has it, and it holds nothing: it may be replaced
}

// lacking tells whether the target is to get it.
func (p *uploadPart) lacking() bool { return p.here && (!p.there || p.empty) }

// bundle is an archive of the source with its companions.
type bundle struct {
	key                   string // of the archive
	archive, siginfo, sig uploadPart
}

func (b *bundle) part(n sstate.Name) *uploadPart {
	switch n.Side {
	case sstate.SideSiginfo:
		return &b.siginfo
	case sstate.SideSig:
		return &b.sig
	}
	return &b.archive
}

// wantsSig tells whether the signature is to be sent, provided that it fits: one
// that is there without an archive belongs to bytes that are gone.
func (b *bundle) wantsSig() bool { return b.sig.lacking() || b.sig.here && b.archive.lacking() }

// plan lists both sides. The result is in the order of keys.
func (u *uploading) plan(ctx context.Context) ([]*bundle, error) {
	found := map[string]*bundle{}
	theirs := visit{filter: u.o.Filter, thrifty: true,
		object: func(info remote.Info, n sstate.Name) error { return u.found(found, info, n) },
		other:  func(remote.Info) { u.result.Ignored++ },
	}
	if _, err := visitAll(ctx, &Target{Remote: u.origin()}, theirs, u.report); err != nil {
		return nil, SourceError{err}
	}
	if len(found) == 0 {
		return nil, nil
	}
	ours := visit{filter: u.o.Filter, thrifty: true, object: func(info remote.Info, n sstate.Name) error {
		if b := found[sstate.ArchivePath(string(info.Key))]; b != nil {
			p := b.part(n)
			p.there, p.empty = true, info.Size == 0
		}
		return nil
	}}
	if _, err := visitAll(ctx, u.t, ours, u.report); err != nil {
		return nil, err
	}
	var plan []*bundle
	for _, key := range slices.Sorted(maps.Keys(found)) {
		if b := found[key]; u.count(b) {
			plan = append(plan, b)
		}
	}
	return plan, nil
}

// origin is the source as something that can be listed like a target.
func (u *uploading) origin() remote.Remote {
	if r, ok := u.from.(remote.Remote); ok {
		return r
	}
	return listOnly{from: u.from}
}

// listOnly is an Origin that is no remote.
type listOnly struct {
	remote.Remote // none: of it only List and Traits are called
	from          Origin
}

func (l listOnly) Traits() remote.Traits { return remote.Traits{} }

func (l listOnly) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return l.from.List(ctx, prefix, fn)
}

// found notes an object of the source. What is empty is never sent.
func (u *uploading) found(found map[string]*bundle, info remote.Info, n sstate.Name) error {
	u.result.Found.add(info.Size)
	if info.Size == 0 {
		return u.note(string(info.Key), 0, UploadBroken, sstate.ErrEmpty)
	}
	key := sstate.ArchivePath(string(info.Key))
	b := found[key]
	if b == nil {
		b = &bundle{key: key}
		found[key] = b
	}
	*b.part(n) = uploadPart{size: info.Size, mtime: info.ModTime.UnixNano(), here: true}
	return nil
}

// count adds a bundle up and tells whether there is anything to do.
func (u *uploading) count(b *bundle) bool {
	todo := false
	for _, p := range []*uploadPart{&b.siginfo, &b.archive, &b.sig} {
		switch {
		case !p.here:
		case p.lacking(), p == &b.sig && b.wantsSig():
			u.result.Lacks.add(p.size)
			todo = true
		default:
			u.result.Exists.add(p.size)
		}
	}
	return todo
}

// time is the time that an object is to have. One in the future, by a clock
// that was wrong, would keep it for ever: then it is now.
func (p *uploadPart) time(now time.Time) time.Time {
	t := time.Unix(0, p.mtime)
	if t.After(now) {
		return time.Time{}
	}
	return t
}
