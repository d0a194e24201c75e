package store

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// usage counts the objects in the cache. The first count walks the cache while
// it is in use: objects in folders that were counted are counted as they come
// and go, the others when the walk gets there, or in the end if it does not know
// of their folder.
type usage struct {
	mu      sync.Mutex
	total   Count
	done    bool
	counted map[string]bool // folders; nil when done
	missed  map[string]bool // folders that changed and were not counted yet; nil when done
}

// change makes a change in the folder of key, which tells what came (or,
// negative, left). While the cache is counted the count of that folder is either
// from before or from after it.
func (u *usage) change(key string, make func() (objects, bytes int64)) {
	u.mu.Lock()
	if u.done {
		u.mu.Unlock()
		objects, bytes := make()
		u.mu.Lock()
		defer u.mu.Unlock()
		u.total.Objects += objects
		u.total.Bytes += bytes
		return
	}
	defer u.mu.Unlock()
	objects, bytes := make()
	dir := filepath.Dir(key)
	if u.counted[dir] {
		u.total.Objects += objects
		u.total.Bytes += bytes
		return
	}
	if u.missed == nil {
		u.missed = map[string]bool{}
	}
	u.missed[dir] = true
}

func (u *usage) get() Count {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.total
}

// scan counts what is below root.
func (u *usage) scan(ctx context.Context, root string) error {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil && d.IsDir() && path != root {
			u.scanFolder(path, strings.TrimPrefix(path, root+"/"))
		}
		return nil
	})
	if err != nil {
		return err
	}
	u.finish(root)
	return nil
}

// finish counts the folders that came behind the walk's back.
func (u *usage) finish(root string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for dir := range u.missed {
		u.countLocked(root+"/"+dir, dir)
	}
	u.done, u.counted, u.missed = true, nil, nil
}

func (u *usage) scanFolder(path, rel string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.countLocked(path, rel)
}

// countLocked counts the objects of one folder. Called with mu held.
func (u *usage) countLocked(path, rel string) {
	entries, _ := os.ReadDir(path) // none if it is gone
	for _, e := range entries {
		if i, err := e.Info(); err == nil && i.Mode().IsRegular() {
			u.total.Objects++
			u.total.Bytes += i.Size()
		}
	}
	if u.counted == nil {
		u.counted = map[string]bool{}
	}
	u.counted[rel] = true
	delete(u.missed, rel)
}
