package webdav

import (
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"sstatefs/remote"
)

const (
	// batch is how many entries of a tree are handed over at a time.
	batch = 256
	// folderBatch is the same for one folder, of which those of a cache have fewer:
	// they are handed over when the answer is whole.
	folderBatch = 16_384
	// parentLimit is of how many folders it is remembered that all is known of
	// what is in them.
	parentLimit = 1 << 16
)

// A collector takes the entries of one answer and hands them on, batch by batch.
type collector struct {
	w       *walk
	task    task
	infos   []remote.Info
	folders []string            // to ask for next
	parents map[string]struct{} // folders of which all folders are among the entries
	own     seen                // folders
}

// take takes one entry. The folder itself is among them.
func (c *collector) take(e entry) error {
	top := c.task.path
	if e.path == top || e.path == "" || top != "" && !strings.HasPrefix(e.path, top+"/") || !isName(e.path) {
		return nil
	}
	if e.folder && !isHidden(e.path) {
		c.found(e.path)
		if !c.task.tree && c.own.isNew(e.path) {
			if len(c.folders) == widthLimit {
				return errEndless
			}
			c.folders = append(c.folders, e.path)
		}
	}
	if !c.w.want(e) {
		return nil
	}
	info, ok, err := c.complete(e)
	if !ok || err != nil {
		return err
	}
	c.infos = append(c.infos, info)
	if len(c.infos) < folderBatch && !(c.task.tree && len(c.infos) >= batch) {
		return nil
	}
	return c.hand()
}

// found notes a folder.
func (c *collector) found(path string) {
	c.w.d.folders.add(path)
	if c.parents == nil {
		c.parents = make(map[string]struct{})
	}
	if len(c.parents) < parentLimit {
		above, _ := remote.Key(path).Split()
		c.parents[above] = struct{}{}
	}
}

// finish is called when the answer is whole.
func (c *collector) finish() error {
	if c.task.path == "" {
		c.w.d.folders.listed("")
	}
	for folder := range c.parents {
		c.w.d.folders.listed(folder)
	}
	return c.hand()
}

// complete asks for what the entry does not tell.
func (c *collector) complete(e entry) (info remote.Info, ok bool, err error) {
	info = infoOf(e)
	if e.folder || info.Size >= 0 && !info.ModTime.IsZero() {
		return info, true, nil
	}
	v, err := c.w.d.head(c.w.ctx, c.w.op, info.Key)
	if errors.Is(err, remote.ErrNotExist) {
		return info, false, nil
	}
	return v.Info, err == nil, err
}

// hand passes on what was found and not passed on before: a server reads a
// folder while others change it, and may see a name twice.
func (c *collector) hand() error {
	fresh := c.infos[:0]
	for _, info := range c.infos {
		if c.task.seen.isNew(string(info.Key)) {
			fresh = append(fresh, info)
		}
	}
	c.infos = nil
	return c.w.hand(fresh)
}

// seen tells names that come again, by their hashes: a tree may have a million.
// Beyond seenLimit it learns no more of them, and what comes twice then is told
// twice: no cache has that many in one tree.
type seen struct {
	kept *atomic.Int64 // hashes of all that the walk has seen; nil where few come

	mu     sync.Mutex
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

// seenLimit is how many names are known of one listing at a time, 20 bytes each.
const seenLimit = 4 << 20

func (s *seen) isNew(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashes == nil {
		s.seed = maphash.MakeSeed()
		s.hashes = make(map[uint64]struct{})
	}
	hash := maphash.String(s.seed, path)
	if _, twice := s.hashes[hash]; twice {
		return false
	}
	if s.kept == nil || s.kept.Add(1) <= seenLimit {
		s.hashes[hash] = struct{}{}
	} else {
		s.kept.Add(-1)
	}
	return true
}

// forget gives the room to others.
func (s *seen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept.Add(-int64(len(s.hashes)))
	s.hashes = nil
}
