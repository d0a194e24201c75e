package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// names holds the small sets of names with a special meaning. Each but corrupt
// mirrors a folder of the cache and is filled from it at start.
type names struct {
	mu      *sync.RWMutex
	removed map[string]bool    // whiteouts
	pinned  map[string]bool    // published under --read-only
	odd     map[string]bool    // scratch under an object's name: links, folders, devices
	corrupt map[string]mangled // what was found so on the remote in this run
}

// mangled is an object that could not be had whole.
type mangled struct {
	info remote.Info
	seen time.Time
}

// mangledFor is how long that is believed: it may have been the way and not the
// object.
const mangledFor = 10 * time.Minute

func newNames() names {
	return names{
		mu: &sync.RWMutex{}, removed: map[string]bool{}, pinned: map[string]bool{},
		odd: map[string]bool{}, corrupt: map[string]mangled{},
	}
}

func (n names) has(set map[string]bool, key string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(set) > 0 && set[key]
}

func (n names) put(set map[string]bool, key string, in bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if in {
		set[key] = true
	} else {
		delete(set, key)
	}
}

func (n names) isRemoved(key string) bool      { return n.has(n.removed, key) }
func (n names) isPinned(key string) bool       { return n.has(n.pinned, key) }
func (n names) isOdd(path string) bool         { return n.has(n.odd, path) }
func (n names) setRemoved(key string, in bool) { n.put(n.removed, key, in) }
func (n names) setPinned(key string, in bool)  { n.put(n.pinned, key, in) }
func (n names) setOdd(path string, in bool)    { n.put(n.odd, path, in) }

// setCorrupt marks what the remote has under a key as mangled.
func (n names) setCorrupt(what remote.Info, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.corrupt[string(what.Key)] = mangled{what, now}
}

// clearCorrupt forgets what was found mangled under a key.
func (n names) clearCorrupt(key string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.corrupt, key)
}

// isCorrupt reports whether this is what was found mangled lately. Somebody may
// have put it right since. The listings of some servers have milliseconds, and
// their answers to a GET have seconds.
func (n names) isCorrupt(info remote.Info, now func() time.Time) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if len(n.corrupt) == 0 {
		return false
	}
	was, ok := n.corrupt[string(info.Key)]
	return ok && now().Sub(was.seen) < mangledFor &&
		was.info.Size == info.Size && was.info.ModTime.Unix() == info.ModTime.Unix()
}

// hideNothing reports whether what the remote has is visible here without
// exception.
func (n names) hideNothing() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.removed) == 0 && len(n.corrupt) == 0
}

// wasCorrupt reports whether anything was found mangled under a key.
func (n names) wasCorrupt(key string) bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	_, ok := n.corrupt[key]
	return ok
}

// moveOdd follows the rename of scratch.
func (n names) moveOdd(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for k := range n.odd {
		if !strings.HasPrefix(k, from+"/") && k != from {
			continue
		}
		delete(n.odd, k)
		if moved := to + k[len(from):]; isObject(moved) {
			n.odd[moved] = true
		}
	}
}

func isObject(path string) bool {
	_, ok := sstate.ParsePath(path)
	return ok
}

// loadSet fills a set from the files below a folder of the cache.
func loadSet(root string, set map[string]bool, want func(rel string) bool) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == root {
			return nil
		}
		rel := strings.TrimPrefix(path, root+"/")
		if !want(rel) {
			return nil
		}
		set[rel] = true
		return nil
	})
}

// whiteout records on disk that a key was removed here.
func (s *Store) whiteout(key string) error {
	p := s.layout.removed(key)
	err := withFolders(p, func() error {
		f, err := os.OpenFile(p, os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	})
	if err == nil {
		s.names.setRemoved(key, true)
	}
	return err
}

// unwhiteout takes the record back.
func (s *Store) unwhiteout(key string) {
	if s.names.isRemoved(key) {
		s.eraseWhiteout(key)
		s.names.setRemoved(key, false)
	}
}

// eraseWhiteout takes the record back on disk. A publish does so before it is
// sent: a record that outlives the entry of the queue would hide for ever.
func (s *Store) eraseWhiteout(key string) {
	if !s.names.isRemoved(key) {
		return
	}
	p := s.layout.removed(key)
	if os.Remove(p) == nil {
		pruneParents(p, s.layout.path("removed"))
		s.syncNames(p, s.layout.dir) // of what is only here no entry of the queue takes it back again
	}
}
