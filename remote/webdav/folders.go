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

// folders is what is known of the folders of the server, by their hashes. What
// it says is a guess that saves requests: a folder that another host has removed
// is made after all when a PUT misses it, and one that another host has made
// costs a MKCOL that changes nothing.
type folders struct {
	mu    sync.Mutex
	seed  maphash.Seed
	there map[uint64]struct{}
	whole map[uint64]struct{} // folders of which all folders are in there, as far down as those go
	root  time.Time           // when the root was seen last
}

func (f *folders) has(folder string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.holds(f.there, folder)
}

// holds is called with mu held.
func (f *folders) holds(set map[uint64]struct{}, folder string) bool {
	if set == nil {
		return false
	}
	_, ok := set[maphash.String(f.seed, folder)]
	return ok
}

func (f *folders) add(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.there == nil || len(f.there) >= folderLimit {
		f.seed = maphash.MakeSeed()
		f.there, f.whole = make(map[uint64]struct{}), make(map[uint64]struct{})
	}
	f.there[maphash.String(f.seed, folder)] = struct{}{}
}

// listed notes that all folders directly below folder were added. Of those that
// hold none it is not worth its memory: nobody puts anything below a leaf.
func (f *folders) listed(folder string) {
	f.add(folder)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.whole[maphash.String(f.seed, folder)] = struct{}{}
}

// lacks tells that a folder was not there when the folder above it was listed,
// or when that was made.
func (f *folders) lacks(folder string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if folder == "" || f.holds(f.there, folder) {
		return false
	}
	above, _ := remote.Key(folder).Split()
	for above != "" && !f.holds(f.there, above) {
		above, _ = remote.Key(above).Split()
	}
	return f.holds(f.whole, above)
}

func (f *folders) forget(folder string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.there != nil {
		delete(f.there, maphash.String(f.seed, folder))
		delete(f.whole, maphash.String(f.seed, folder))
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

// prepare is done before a PUT of size bytes into folder: it makes a folder that
// is likely to be missing, since the failed PUT would cost more than a MKCOL in
// vain. A small one into a folder of which nothing is known is just tried.
//
// Where the server makes what is missing (nginx), it would make the root too:
// that is looked at before.
func (d *DAV) prepare(ctx context.Context, folder string, size int64) error {
	if d.isToMake(folder, size) {
		return d.makeFolder(ctx, folder)
	}
	if k := d.knows(); k.asked && !k.paths {
		return nil
	}
	if d.folders.has(folder) && d.folders.rootIsFresh(time.Now()) {
		return nil
	}
	if err := d.rootThere(ctx, "put"); err != nil {
		return err
	}
	d.folders.sawRoot(time.Now())
	return nil
}

// isToMake tells whether a folder is made before a PUT of size bytes into it.
func (d *DAV) isToMake(folder string, size int64) bool {
	k := d.knows()
	if !k.asked || k.paths || d.folders.has(folder) {
		return false
	}
	return size > bodyLimit || d.folders.lacks(folder)
}

// makeFolder makes a folder and what is missing above it, but never the root.
// Of several who want the same one makes it.
func (d *DAV) makeFolder(ctx context.Context, folder string) error {
	if folder == "" {
		return d.rootThere(ctx, "put")
	}
	unlock, err := d.making.Alone(ctx, remote.Key(folder))
	if err != nil {
		return err
	}
	defer unlock()
	if d.folders.has(folder) {
		return nil
	}
	above, _ := remote.Key(folder).Split()
	if d.folders.lacks(above) {
		if err := d.makeFolder(ctx, above); err != nil {
			return err
		}
	}
	err = d.makeOne(ctx, folder)
	var status *statusError
	if !errors.As(err, &status) || status.code != http.StatusConflict && !absent(status.code) {
		return err
	}
	d.folders.forget(above)
	if err := d.makeFolder(ctx, above); err != nil {
		return err
	}
	return d.makeOne(ctx, folder)
}

// makeOne makes a folder whose parent is there. When two make it at once
// Apache tells the second 403, as it does for want of rights.
func (d *DAV) makeOne(ctx context.Context, folder string) error {
	r, err := d.unlocked(ctx, request{method: "MKCOL", path: folderPath(folder)})
	switch {
	case err != nil:
		return err
	case r.code == http.StatusCreated:
		d.folders.listed(folder) // it is empty
		return nil
	case isMade(r.code):
		d.folders.add(folder)
		return nil
	case r.code == http.StatusForbidden:
		if e, ok, err := d.look(ctx, folderPath(folder)); err == nil && ok && e.folder {
			d.folders.add(folder)
			return nil
		}
	}
	return d.refused(r.code, r.header)
}

// isMade reads the answer to MKCOL: 405 is the standard's word for a name that
// is taken, rclone says 201 again.
func isMade(code int) bool { return code/100 == 2 || code == http.StatusMethodNotAllowed }
