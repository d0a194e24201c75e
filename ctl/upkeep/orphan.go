package upkeep

import (
	"context"
	"errors"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// orphans looks for objects of one folder whose companions are missing. A
// siginfo without archive is none: most tasks have no archive, and signatures
// outlive theirs.
func (v *verifier) orphans(ctx context.Context, objects []entry) error {
	there := make(map[remote.Key]bool, len(objects))
	for _, e := range objects {
		there[e.Key] = true
	}
	for _, e := range objects {
		archive := remote.Key(sstate.ArchivePath(string(e.Key)))
		var err error
		switch {
		case e.name.Side == sstate.SideSiginfo && !there[archive]:
			v.result.Lone++
		case e.name.IsArchive() && !there[archive+sstate.SideSiginfo]:
			err = v.orphan(ctx, e, FaultNoSig, archive+sstate.SideSiginfo)
		case e.name.Side == sstate.SideSig && !there[archive]:
			err = v.orphan(ctx, e, FaultNoArchive, archive)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// orphan asks again for what is missing: it may have come since the listing.
// An archive without siginfo is as good as any to a build and stays.
func (v *verifier) orphan(ctx context.Context, e entry, fault Fault, missing remote.Key) error {
	_, err := v.t.Stat(ctx, missing)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, remote.ErrNotExist):
		v.unchecked(missing, err)
		return nil
	}
	now, err := v.t.Stat(ctx, e.Key)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		return nil // gone too, by somebody who cleans, or by the repair just now
	case err != nil:
		v.unchecked(e.Key, err)
		return ctx.Err()
	}
	f := Finding{Key: e.Key, Fault: fault, Bytes: now.Size, Modified: now.ModTime.UTC()}
	if fault == FaultNoArchive {
		v.repair(ctx, &f)
	} else if v.o.Repair {
		f.Kept = "builds can use it"
	}
	return v.found(f)
}

// leftovers looks for what killed writers left behind: this program's
// temporaries and BitBake's. Those younger than a day may be under way. They
// have no fields that a filter could pick.
func (v *verifier) leftovers(ctx context.Context) error {
	if !v.o.Filter.picksAll() {
		return nil
	}
	temps, err := v.temporaries(ctx)
	if err != nil {
		v.unchecked("temporaries", err)
	}
	clock, err := v.t.clock(ctx)
	if err != nil {
		return err
	}
	for _, info := range temps {
		if clock.age(info.ModTime) < leftoverAge {
			v.result.Young++
			continue
		}
		if err := v.found(v.leftover(ctx, info, clock)); err != nil {
			return err
		}
	}
	return v.staleUploads(ctx, clock)
}

// temporaries gives those that were found on the way, if that was all, else it
// looks for them.
func (v *verifier) temporaries(ctx context.Context) (temps []remote.Info, err error) {
	if v.whole {
		return v.temps, nil
	}
	note := func(info remote.Info) error {
		if isLeftover(info.Key) {
			temps = append(temps, info)
		}
		return nil
	}
	swept, err := sweepEach(ctx, v.t, note)
	if !swept {
		err = v.t.leftovers(ctx, note)
	}
	return temps, err
}

// staleUploads looks for uploads in parts that nobody completes any more.
func (v *verifier) staleUploads(ctx context.Context, clock times) error {
	stale, err := v.t.staleUploads(ctx, clock.now.Add(-leftoverAge))
	if err != nil {
		v.unchecked("unfinished uploads", err)
		return ctx.Err()
	}
	for _, upload := range stale {
		f := Finding{Key: upload.key, Fault: FaultLeftover, Detail: "an upload in parts that was never completed"}
		if lister, ok := v.t.Remote.(remote.UploadLister); ok && v.o.Repair && !clock.host {
			f.note(lister.AbortUpload(ctx, upload.key, upload.id))
		}
		if err := v.found(f); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// note tells how a deletion ended.
func (f *Finding) note(err error) {
	if f.Deleted = err == nil; !f.Deleted {
		f.Kept = err.Error()
	}
}

func (v *verifier) leftover(ctx context.Context, info remote.Info, clock times) Finding {
	f := Finding{Key: info.Key, Fault: FaultLeftover, Bytes: info.Size, Modified: info.ModTime.UTC()}
	switch {
	case !v.o.Repair:
	case clock.host:
		f.Kept = ErrNoClock.Error()
	default:
		f.note(v.t.Delete(ctx, info.Key))
	}
	return f
}
