package store

import (
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"time"

	"golang.org/x/sys/unix"
)

// What is kept of damaged objects, the latest first. broken/ is outside the
// quota: a bad disk must not fill itself with what it has spoilt.
const (
	mostBroken  = 100                 // files
	brokenShare = 0.1                 // of the quota, in bytes
	brokenAge   = 30 * 24 * time.Hour // since they were set aside
)

// breakLocal keeps a damaged file in broken/ for a person to look at and takes
// its name. Called with the key lock.
func (s *Store) breakLocal(key, path string) {
	var st unix.Statx_t
	if lstat(path, &st) == nil {
		to := s.layout.path("broken", key)
		os.Remove(to)
		if err := linkInto(path, to); err != nil {
			s.quiet.warn("damaged object not kept", "key", key, "error", err)
		}
	}
	s.unpin(key) // or the next mount makes an object of it
	s.dropLocal(key)
	s.tidyBroken()
}

// tidyBroken removes what is too much or too old in broken/.
func (s *Store) tidyBroken() {
	type file struct {
		path string
		size int64
		at   time.Time // of the link that is its name there
	}
	var all []file
	root := s.layout.path("broken")
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		var st unix.Statx_t
		if err == nil && d.Type().IsRegular() && lstat(path, &st) == nil {
			all = append(all, file{path, int64(st.Size), stamptime(st.Ctime)})
		}
		return nil // what went meanwhile is none of the rest
	})
	sort.Slice(all, func(i, j int) bool { return all[i].at.After(all[j].at) })
	left := int64(brokenShare * float64(s.opt.CacheSize))
	for i, f := range all {
		left -= f.size
		if i < mostBroken && left >= 0 && s.now().Sub(f.at) < brokenAge {
			continue
		}
		if os.Remove(f.path) == nil {
			pruneParents(f.path, root)
		}
	}
}
