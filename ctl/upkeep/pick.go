package upkeep

import (
	"context"
	"slices"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// PickOptions says what Pick gives.
type PickOptions struct {
	Filter     Filter
	Companions bool // siginfo and signatures too
}

// Picked is an object that was picked.
type Picked struct {
	Key  string
	Size int64
}

// Pick lists the archives that the filter picks, the one that was used last
// first: when not all fit, those are missed the most. Memory is needed for
// what is picked.
func Pick(ctx context.Context, t *Target, o PickOptions, report Report) ([]Picked, error) {
	var found []remote.Info
	note := func(info remote.Info, n sstate.Name) error {
		if n.IsArchive() || o.Companions {
			found = append(found, info)
		}
		return nil
	}
	if _, err := visitAll(ctx, t, visit{filter: o.Filter, object: note}, report); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b remote.Info) int { return b.ModTime.Compare(a.ModTime) })
	picked := make([]Picked, len(found))
	for i, info := range found {
		picked[i] = Picked{string(info.Key), info.Size}
	}
	return picked, nil
}
