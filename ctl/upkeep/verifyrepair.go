package upkeep

import (
	"context"
	"errors"
	"fmt"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// repair deletes what a finding is about, if that is wanted and it is still
// what was looked at.
func (v *verifier) repair(ctx context.Context, f *Finding) {
	if !v.o.Repair {
		return
	}
	keys := []remote.Key{f.Key}
	if n, ok := sstate.ParsePath(string(f.Key)); ok && n.IsArchive() {
		keys = append(keys, f.Key+sstate.SideSig)
	}
	now, err := v.t.Stat(ctx, f.Key)
	switch {
	case errors.Is(err, remote.ErrNotExist):
		f.Deleted = true // by somebody else
		return
	case err == nil && (now.Size != f.Bytes || !now.ModTime.Equal(f.Modified)):
		f.Kept = "it was changed or used meanwhile"
		return
	}
	for _, key := range keys { // the archive first: a .sig belongs to what is there
		if err == nil {
			err = v.t.Delete(ctx, key)
		}
	}
	f.note(err)
}

// The part of all signatures whose hashes may fail to recompute before that
// says more of our rules than of them: a site that locks hashes
// (SIGGEN_LOCKEDSIGS) or has its own signature generator.
const (
	manyHashes   = 20 // fewer are no rule
	oneInAFewHas = 10
)

// settleHashes tells of the signatures whose hashes do not recompute, now that
// their number is known, and deletes them if they are to be repaired.
func (v *verifier) settleHashes(ctx context.Context) error {
	count := int64(len(v.hashes))
	systematic := count >= manyHashes && count*oneInAFewHas > v.result.Signatures
	for _, f := range v.hashes {
		switch {
		case v.o.Repair && systematic:
			f.Kept = fmt.Sprintf("%d of %d signatures are like this: their maker has other rules", count, v.result.Signatures)
		default:
			v.repair(ctx, &f)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := v.found(f); err != nil {
			return err
		}
	}
	return nil
}
