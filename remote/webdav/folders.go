package webdav

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"sync"
	"time"

	"sstatefs/remote"
)

const (
	// folderLimit bounds the folders that are remembered: all that two levels
	// of hex pairs give, in four trees. It is 5 MB at most.
	folderLimit = 1 << 18
	// bodyLimit is the size from which a folder that is not known to be there
	// is made before a PUT and not after its failure, in bytes: Apache reads a
	// body to its end before it refuses it.
	bodyLimit = 64 << 10
)

// rootLimit is how long a root that was seen is believed to be there by a PUT
// into a known folder of a server that would make it again.
const rootLimit = 5 * time.Second

// folders are the folders that are known to be there, by their hashes: one that
// is taken for another is made after all when its first PUT is refused.
type folders struct {
	mu    sync.Mutex
	seed  maphash.Seed
	there map[uint64]struct{}
	root  time.Time // when the root was seen last
}

func (f *folders) has(folder string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.there == nil {
		return false
	}
	_, ok := f.there[maphash.String(f.seed, folder)]
	return ok
}

func (f *folders) add(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.there == nil || len(f.there) >= folderLimit {
		f.seed, f.there = maphash.MakeSeed(), make(map[uint64]struct{})
	}
	f.there[maphash.String(f.seed, folder)] = struct{}{}
}

func (f *folders) forget(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.there != nil {
		delete(f.there, maphash.String(f.seed, folder))
	}
}

func (f *folders) rootIsFresh(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now.Sub(f.root) < rootLimit
}

func (f *folders) sawRoot(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.root = now
}

// prepare is done before a PUT of size bytes into folder. It sees to it that the
// PUT does not make the root: nginx makes every folder that is missing. Others
// refuse the PUT, and a small one is just tried.
func (d *DAV) prepare(ctx context.Context, folder string, size int64) error {
	k := d.knows()
	switch there := d.folders.has(folder); {
	case k.asked && !k.paths && !there && size > bodyLimit:
		return d.makeFolder(ctx, folder)
	case k.asked && !k.paths, there && d.folders.rootIsFresh(time.Now()):
		return nil
	}
	if err := d.rootThere(ctx, "put"); err != nil {
		return err
	}
	d.folders.sawRoot(time.Now())
	return nil
}

// makeFolder makes a folder and what is missing above it, but never the root.
func (d *DAV) makeFolder(ctx context.Context, folder string) error {
	if folder == "" {
		return d.rootThere(ctx, "put")
	}
	err := d.makeOne(ctx, folder)
	var status *statusError
	if !errors.As(err, &status) || status.code != http.StatusConflict && !absent(status.code) {
		return err
	}
	above, _ := remote.Key(folder).Split()
	if err := d.makeFolder(ctx, above); err != nil {
		return err
	}
	return d.makeOne(ctx, folder)
}

// makeOne makes a folder whose parent is there. When two make it at once
// Apache tells the second 403, as it does for want of rights.
func (d *DAV) makeOne(ctx context.Context, folder string) error {
	r, err := d.unlocked(ctx, request{method: "MKCOL", path: folderPath(folder)})
	if err != nil || isMade(r.code) {
		return err
	}
	if r.code == http.StatusForbidden {
		if e, ok, err := d.look(ctx, folderPath(folder)); err == nil && ok && e.folder {
			return nil
		}
	}
	return d.refused(r.code, r.header)
}

// isMade reads the answer to MKCOL: 405 is the standard's word for a name that
// is taken, rclone says 201 again.
func isMade(code int) bool { return code/100 == 2 || code == http.StatusMethodNotAllowed }
