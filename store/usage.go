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
// it is in use: objects in folders that the walk has passed are counted as
// they come and go, the others when the walk gets there.
type usage struct {
	mu     sync.Mutex
	total  Count
	done   bool
	cursor string // the last folder counted, in the order of the walk
}

// order makes paths compare in the order in which WalkDir visits them.
func order(dir string) string { return strings.ReplaceAll(dir, "/", "\x00") }

// add notes objects that came to (or, negative, left) the folder of key.
func (u *usage) add(key string, objects, bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.done || order(filepath.Dir(key)) <= u.cursor {
		u.total.Objects += objects
		u.total.Bytes += bytes
	}
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
	u.mu.Lock()
	u.done = true
	u.mu.Unlock()
	return nil
}

func (u *usage) scanFolder(path, rel string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	entries, err := os.ReadDir(path)
	if err == nil {
		for _, e := range entries {
			if i, err := e.Info(); err == nil && i.Mode().IsRegular() {
				u.total.Objects++
				u.total.Bytes += i.Size()
			}
		}
	}
	u.cursor = order(rel)
}
