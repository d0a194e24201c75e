package store

import "sync"

// mostChecked bounds the memory for files that were checked after an unclean
// stop. Past it all are forgotten, and checked again when they are used.
const mostChecked = 200_000

// checked remembers files that survived an unclean stop.
type checked struct {
	mu  sync.Mutex
	ids map[FileID]struct{}
}

func (c *checked) has(id FileID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.ids[id]
	return ok
}

func (c *checked) add(id FileID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ids == nil || len(c.ids) >= mostChecked {
		c.ids = map[FileID]struct{}{}
	}
	c.ids[id] = struct{}{}
}

// clear is called when all is checked.
func (c *checked) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = nil
}
