package upkeep

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// reportEvery is how many objects of a listing lie between two reports: one
// costs more than to look at an object.
const reportEvery = 500

// Sum is a number of objects and their bytes.
type Sum struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (s *Sum) add(bytes int64) {
	s.Objects++
	s.Bytes += bytes
}

// NamedSum is a Sum of what has a name in common.
type NamedSum struct {
	Name string `json:"name"`
	Sum
}

// A visit is what becomes of the names of a listing.
type visit struct {
	filter Filter
	object func(remote.Info, sstate.Name) error // for each that the filter picks
	other  func(remote.Info)                    // for each that is no object; may be nil

	// thrifty asks for as few requests as the remote allows, one after the
	// other, instead of an answer soon.
	thrifty bool
}

// visitAll lists the target. whole tells that temporaries were among the names.
func visitAll(ctx context.Context, t *Target, v visit, report Report) (whole bool, err error) {
	progress := Progress{Stage: "listing"}
	each := func(info remote.Info) error {
		if progress.Done++; progress.Done%reportEvery == 0 {
			report(progress)
		}
		n, ok := sstate.ParsePath(string(info.Key))
		switch {
		case ok && v.filter.Picks(n):
			return v.object(info, n)
		case !ok && v.other != nil:
			v.other(info)
		}
		return nil
	}
	defer func() { report(progress) }()
	if v.thrifty || t.Traits().CheapStat {
		if swept, err := sweepEach(ctx, t, each); swept {
			return true, err
		}
	}
	return false, t.List(ctx, "", each)
}

// eachObject lists the target and calls fn for each object whose name the
// filter picks; other, if there is one, gets the names that are no objects.
func eachObject(
	ctx context.Context, t *Target, f Filter, report Report,
	fn func(remote.Info, sstate.Name) error, other func(remote.Info),
) error {
	_, err := visitAll(ctx, t, visit{filter: f, object: fn, other: other}, report)
	return err
}

// sweepEach calls fn for all files. swept is false when the remote has no way
// to tell them, and nothing was done.
func sweepEach(ctx context.Context, t *Target, fn func(remote.Info) error) (swept bool, err error) {
	sweeper, ok := t.Remote.(remote.Sweeper)
	if !ok {
		return false, nil
	}
	err = sweeper.Sweep(ctx, func(_ string, files []remote.Info) error {
		swept = true
		for _, info := range files {
			if err := fn(info); err != nil {
				return err
			}
		}
		return nil
	})
	return swept || !errors.Is(err, remote.ErrUnsupported), err
}

// The kinds of object, as JSON and people have them.
const (
	kindArchive = "archive"
	kindSiginfo = "siginfo"
	kindSig     = "sig"
)

// kindOf is the kind of an object.
func kindOf(n sstate.Name) string {
	switch n.Side {
	case sstate.SideSiginfo:
		return kindSiginfo
	case sstate.SideSig:
		return kindSig
	}
	return kindArchive
}

// times answers how old something is.
type times struct {
	now  time.Time
	host bool // by this host's clock: the remote's is not known
}

// clock learns the time by which ages are told. Who only looks is content with
// this host's.
func (t *Target) clock(ctx context.Context) (times, error) {
	now, err := t.Time(ctx)
	switch {
	case err == nil:
		return times{now: now}, nil
	case ctx.Err() != nil:
		return times{}, err
	}
	return times{now: t.Now(), host: true}, nil
}

// name is the word for whose clock it is.
func (t times) name() string {
	if t.host {
		return "host"
	}
	return "remote"
}

// age is never negative: a clock that is behind makes things new, not unborn.
func (t times) age(at time.Time) time.Duration { return max(0, t.now.Sub(at)) }

// sums are Sums by name. Names are copied: those of a listing are parts of
// keys, which must not stay.
type sums map[string]*Sum

func (m sums) add(name string, bytes int64) {
	s := m[name]
	if s == nil {
		s = new(Sum)
		m[strings.Clone(name)] = s
	}
	s.add(bytes)
}

// sorted gives the sums, most bytes first.
func (m sums) sorted() []NamedSum {
	all := make([]NamedSum, 0, len(m))
	for name, s := range m {
		all = append(all, NamedSum{name, *s})
	}
	slices.SortFunc(all, func(a, b NamedSum) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return all
}
