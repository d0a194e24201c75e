package store

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// CACHE/usage says how much the cache holds, at least as long as nobody puts
// files there by hand: a mount keeps to its quota from the first moment, and
// counts a million objects behind. It is ahead of the truth by steps, and
// written before a download that goes beyond it, so that it holds after a
// kill -9 too. It is not synced: what a power cut takes from it are steps of the
// last seconds, and files that went with them.

// usageSteps is how many steps make the quota.
const usageSteps = 64

// recallUsage reads what the last daemon left. A cache without objects needs no
// file; one of an earlier version has none, and is not filled before it is
// counted.
func (s *Store) recallUsage() {
	var c Count
	text, err := os.ReadFile(s.layout.path("usage"))
	if err == nil {
		_, err = fmt.Sscanf(string(text), "%d %d\n", &c.Objects, &c.Bytes)
	}
	if err != nil || c.Bytes < 0 || c.Objects < 0 {
		if c = (Count{}); !s.isUnused() {
			return
		}
	}
	s.usage.before = &c
	s.free.noted = c.Bytes
}

// isUnused reports whether the cache has no folder of objects.
func (s *Store) isUnused() bool {
	d, err := os.Open(s.layout.path("objects"))
	if err != nil {
		return false
	}
	defer d.Close()
	_, err = d.Readdirnames(1)
	return errors.Is(err, io.EOF)
}

// foreseeUsage is noteUsage for what was published, trimmed or removed.
func (s *Store) foreseeUsage() {
	s.free.grants.Lock()
	defer s.free.grants.Unlock()
	s.noteUsage()
}

// noteUsage writes down how much the cache holds if that is more than was
// written, or far less. Called with free.grants.
func (s *Store) noteUsage() {
	coming := s.free.coming.Load() // first: what is placed meanwhile counts twice, not never
	c, certain := s.usage.atLeast()
	step := s.opt.CacheSize / usageSteps
	c.Bytes += coming
	if !certain || c.Bytes <= s.free.noted && c.Bytes+2*step >= s.free.noted {
		return
	}
	c.Bytes = max(c.Bytes, min(c.Bytes+step, s.opt.CacheSize))
	s.writeUsage(c)
}

// writeUsage leaves the file as it was if the disk does not take it: then the
// next mount may keep a little more than the quota until it has counted.
func (s *Store) writeUsage(c Count) {
	p := s.layout.path("usage")
	err := os.WriteFile(p+".new", fmt.Appendf(nil, "%d %d\n", c.Objects, c.Bytes), 0o644)
	if err == nil {
		err = os.Rename(p+".new", p)
	}
	if err != nil {
		s.quiet.warn("size of the cache not noted", "error", err)
		return
	}
	s.free.noted = c.Bytes
}

// lastUsage notes the size for the next mount. Nothing comes any more.
func (s *Store) lastUsage() {
	s.free.grants.Lock()
	defer s.free.grants.Unlock()
	if c, certain := s.usage.atLeast(); certain && c.Bytes != s.free.noted {
		s.writeUsage(c)
	}
}
