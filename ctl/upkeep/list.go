package upkeep

import (
	"context"
	"slices"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// ListOrder says what is listed first.
type ListOrder string

// The orders.
const (
	ListUsed ListOrder = "used" // least recently used first
	ListSize ListOrder = "size" // largest first
	ListName ListOrder = "name" // by base name, so that a recipe's are together
)

// ListOptions says what List lists, and how.
type ListOptions struct {
	Filter  Filter
	Sort    ListOrder
	Reverse bool
	Limit   int // most objects, 0 for all
}

// ListedObject is one object. The JSON keys are stable.
type ListedObject struct {
	Key        string    `json:"key"`
	Kind       string    `json:"kind"` // archive, siginfo or sig
	PN         string    `json:"pn"`
	Arch       string    `json:"arch"`
	Task       string    `json:"task"`
	Hash       string    `json:"hash"`
	Size       int64     `json:"bytes"`
	ModTime    time.Time `json:"modified"` // of its last use, as far as the remote knows
	AgeSeconds float64   `json:"age_seconds"`
}

// ListResult tells what List found.
type ListResult struct {
	Clock string // whose time the ages are of: "remote" or "host"
	Found Sum    // all that the filter picks
}

// List lists the remote, sorts, and calls fn for each object. Until it has
// listed all it keeps 56 bytes for each object, and the version of each recipe
// and each task once; while the table grows it is there twice, so that a
// million objects take 240 MB at the most. With a Limit it keeps that many
// objects only. An error of fn ends it and is returned as it is.
func List(ctx context.Context, t *Target, o ListOptions, report Report, fn func(ListedObject) error) (ListResult, error) {
	clock, err := t.clock(ctx)
	if err != nil {
		return ListResult{}, err
	}
	result := ListResult{Clock: clock.name()}
	table := newListing(o)
	keep := func(info remote.Info, n sstate.Name) error {
		result.Found.add(info.Size)
		table.keep(table.compact(info, n), o.Limit)
		return nil
	}
	_, err = visitAll(ctx, t, visit{filter: o.Filter, object: keep}, report)
	if err != nil {
		return result, err
	}
	slices.SortFunc(table.rows, table.compare)
	for i := range table.rows {
		if err := ctx.Err(); err != nil {
			return result, err
		}
		if err := fn(table.object(&table.rows[i], clock)); err != nil {
			return result, err
		}
	}
	return result, nil
}
