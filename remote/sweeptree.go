package remote

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// A Tree is a remote of folders that are listed one by one, as SweepTree sees
// it. What went away meanwhile, or may not be read, is left out.
type Tree interface {
	// Children gives the files of one folder, and the names of the folders in
	// it.
	Children(ctx context.Context, folder string) (files []Info, folders []string, err error)

	// Below calls hand for the folders at and below one, from any goroutine:
	// with some of the files of a folder, and with none where it holds
	// nothing and that is to be told.
	Below(ctx context.Context, folder string, hand func(folder string, files []Info)) error
}

// SweepTree is the Sweep of a Tree, in the order of the folders. It lists the
// root and what is no first folder of hashes by Children, and such folders by
// Below, one after the other: each is a two hundred and fifty-sixth of all.
// err is that of the tree or of ctx, own that of fn.
func SweepTree(ctx context.Context, t Tree, fn func(folder string, files []Info) error) (err, own error) {
	s := treeSweep{tree: t, fn: fn}
	err = s.children(ctx, "", 0)
	return err, s.own
}

// extraDepth is how deep the folders above those of hashes are: EXTRAPATH has
// one component.
const extraDepth = 1

// isShard tells the first folder of a hash by its length: others are taken
// apart further, which costs requests and nothing else.
func isShard(name string) bool { return len(name) == 2 }

type treeSweep struct {
	tree Tree
	fn   func(folder string, files []Info) error
	own  error
}

// children sweeps a folder and all below it.
func (s *treeSweep) children(ctx context.Context, folder string, depth int) error {
	files, folders, err := s.tree.Children(ctx, folder)
	if err != nil {
		return err
	}
	if len(files) > 0 && !s.tell(folder, files) {
		return nil
	}
	slices.Sort(folders)
	for _, name := range slices.Compact(folders) {
		if err := ctx.Err(); err != nil {
			return err
		}
		below := string(Join(folder, name))
		if isShard(name) || depth >= extraDepth {
			err = s.below(ctx, below)
		} else {
			err = s.children(ctx, below, depth+1)
		}
		if err != nil || s.own != nil {
			return err
		}
	}
	return nil
}

// below sweeps what is listed together.
func (s *treeSweep) below(ctx context.Context, top string) error {
	var mu sync.Mutex
	found := make(map[string][]Info)
	err := s.tree.Below(ctx, top, func(folder string, files []Info) {
		mu.Lock()
		defer mu.Unlock()
		found[folder] = append(found[folder], files...)
		Progress(ctx)
	})
	if err != nil {
		return err
	}
	for _, folder := range slices.Sorted(maps.Keys(found)) {
		if !s.tell(folder, found[folder]) {
			return nil
		}
		delete(found, folder)
	}
	return nil
}

// tell calls fn and is false when that wants no more.
func (s *treeSweep) tell(folder string, files []Info) bool {
	s.own = s.fn(folder, files)
	return s.own == nil
}
