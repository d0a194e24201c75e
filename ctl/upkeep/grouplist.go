package upkeep

import (
	"context"
	"errors"

	"sstatefs/remote"
)

// sweep calls fn for every folder of the target with all its files: objects,
// and the temporaries that lie beside them. Where whole says so that is all
// there is; else the temporaries of this program were not looked for.
//
// In memory is one folder, or one shard (a two hundred and fifty-sixth of all
// objects) where the remote has no Sweep.
func (t *Target) sweep(ctx context.Context, fn func(folder string, files []remote.Info) error) (whole bool, err error) {
	if t.Traits().NoList {
		return false, noList()
	}
	if s, ok := t.Remote.(remote.Sweeper); ok {
		told := false
		err := s.Sweep(ctx, func(folder string, files []remote.Info) error {
			told = true
			return fn(folder, files)
		})
		if told || !errors.Is(err, remote.ErrUnsupported) {
			return true, err
		}
	}
	return false, t.sweepShards(ctx, fn)
}

func noList() error {
	return &remote.Error{Op: "list", Kind: remote.ErrUnsupported, Err: errors.New("this remote cannot list what it holds")}
}

// sweepShards lists one first folder of hashes after the other.
func (t *Target) sweepShards(ctx context.Context, fn func(folder string, files []remote.Info) error) error {
	shards, err := partFolders(ctx, t)
	if err != nil {
		return err
	}
	for _, shard := range shards {
		byFolder := make(map[string][]remote.Info)
		err := t.List(ctx, shard, func(info remote.Info) error {
			folder, _ := info.Key.Split()
			byFolder[folder] = append(byFolder[folder], info)
			return nil
		})
		if err != nil {
			return err
		}
		for folder, files := range byFolder {
			if err := fn(folder, files); err != nil {
				return err
			}
		}
	}
	return nil
}
