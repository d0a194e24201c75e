package upkeep

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// entry is one object of a part.
type entry struct {
	remote.Info
	name sstate.Name
}

// part is some of what the target holds: all of it if that is not much, else
// one first folder of hashes. An archive and its companions are always in one
// part, and of all parts only one is in memory.
type part struct {
	objects []entry       // sorted by key
	temps   []remote.Info // temporaries of anybody
	whole   bool          // there is no other part, and no other temporary
}

// fewNames is how many names one sweep may give to be a part. Where there are
// more each part is listed by itself: to work on one takes minutes to hours, too
// long to keep a sweep waiting.
const fewNames = 20_000

// eachPart calls fn with one part of the target after the other, in the order
// of their folders. Only objects that the filter picks are in them.
func eachPart(ctx context.Context, t *Target, f Filter, fn func(part) error) error {
	p, err := wholePart(ctx, t, f)
	if err == nil {
		return fn(p)
	}
	if !errors.Is(err, errMany) {
		return err
	}
	folders, err := partFolders(ctx, t)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		p, err := listPart(ctx, t, f, folder)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// errMany is a target with more than fewNames, or none that can be swept.
var errMany = errors.New("too many names for one part")

// wholePart lists the target at once.
func wholePart(ctx context.Context, t *Target, f Filter) (part, error) {
	p := part{whole: true}
	names := 0
	swept, err := sweepEach(ctx, t, func(info remote.Info) error {
		if names++; names > fewNames {
			return errMany
		}
		p.take(info, f)
		return nil
	})
	if !swept {
		return part{}, errMany
	}
	p.sort()
	return p, err
}

// take adds a name.
func (p *part) take(info remote.Info, f Filter) {
	n, ok := sstate.ParsePath(string(info.Key))
	switch {
	case ok && f.Picks(n):
		p.objects = append(p.objects, entry{info, n})
	case !ok && isLeftover(info.Key):
		p.temps = append(p.temps, info)
	}
}

func (p *part) sort() {
	slices.SortFunc(p.objects, func(a, b entry) int { return cmp.Compare(a.Key, b.Key) })
}

// partFolders gives the folders of the parts: hh and EXTRAPATH/hh. It is the
// root alone if the remote cannot tell its folders.
func partFolders(ctx context.Context, t *Target) ([]string, error) {
	lister, ok := t.Remote.(remote.FolderLister)
	if !ok {
		return []string{""}, nil
	}
	tops, err := folderNames(ctx, lister, "")
	if errors.Is(err, remote.ErrUnsupported) {
		return []string{""}, nil
	}
	if err != nil {
		return nil, err
	}
	var parts []string
	for _, top := range tops {
		if sstate.IsFolder(top) {
			parts = append(parts, top)
			continue
		}
		below, err := folderNames(ctx, lister, top)
		if errors.Is(err, remote.ErrPermission) || errors.Is(err, remote.ErrNotExist) {
			continue // lost+found; a listing of the whole leaves it out too
		}
		if err != nil {
			return nil, err
		}
		for _, name := range below {
			if folder := top + "/" + name; sstate.IsFolder(folder) {
				parts = append(parts, folder)
			}
		}
	}
	return parts, nil
}

func folderNames(ctx context.Context, lister remote.FolderLister, prefix string) ([]string, error) {
	var names []string
	err := lister.Folders(ctx, prefix, func(f remote.Folder) error {
		names = append(names, f.Name)
		return nil
	})
	slices.Sort(names)
	return names, err
}

// listPart lists the objects of one folder.
func listPart(ctx context.Context, t *Target, f Filter, folder string) (part, error) {
	var p part
	err := t.List(ctx, folder, func(info remote.Info) error {
		p.take(info, f)
		return nil
	})
	p.sort()
	p.temps = nil // a listing gives few of them
	return p, err
}

// ahead is how many results inOrder holds for each job, so that one that takes
// long does not stop the others at once.
const ahead = 4

// inOrder calls work for each item, jobs of them at a time, and done with each
// result in the order of the items. An error of done ends it.
func inOrder[T, R any](
	ctx context.Context, jobs int, items []T, work func(context.Context, T) R, done func(R) error,
) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	results := make(chan chan R, ahead*jobs)
	slots := make(chan struct{}, jobs)
	wg.Go(func() {
		defer close(results)
		for _, item := range items {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			result := make(chan R, 1)
			wg.Go(func() {
				result <- work(ctx, item)
				<-slots
			})
			select {
			case results <- result:
			case <-ctx.Done():
				return
			}
		}
	})
	for result := range results {
		if err := done(<-result); err != nil {
			return err
		}
	}
	return ctx.Err()
}
