package webdav

import (
	"errors"
	"hash/maphash"
	"strings"
	"sync"

	"sstatefs/remote"
)

// batch is how many entries of a tree are handed over at a time.
const batch = 256

// A collector takes the entries of one answer. Those of one folder it keeps
// until the answer is whole, those of a tree it hands on.
type collector struct {
	w       *walk
	task    task
	infos   []remote.Info
	folders []string            // to ask for next
	parents map[string]struct{} // folders of which all folders are among the entries
	own     seen                // of an answer that belongs to no tree
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
	if !c.task.tree || len(c.infos) < batch {
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
	above, _ := remote.Key(path).Split()
	c.parents[above] = struct{}{}
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
	before := c.task.seen
	if before == nil {
		before = &c.own
	}
	fresh := c.infos[:0]
	for _, info := range c.infos {
		if before.isNew(string(info.Key)) {
			fresh = append(fresh, info)
		}
	}
	c.infos = nil
	return c.w.hand(fresh)
}

// seen tells names that come again, by their hashes: a tree may have a million.
type seen struct {
	mu     sync.Mutex
	seed   maphash.Seed
	hashes map[uint64]struct{}
}

func (s *seen) isNew(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashes == nil {
		s.seed = maphash.MakeSeed()
		s.hashes = make(map[uint64]struct{})
	}
	hash := maphash.String(s.seed, path)
	_, twice := s.hashes[hash]
	s.hashes[hash] = struct{}{}
	return !twice
}
