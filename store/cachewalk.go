package store

import (
	"context"
	"os"
	"path"
	"sort"

	"golang.org/x/sys/unix"
)

// walkObjects enters the folders of the cache, a folder before those in it and
// in the order of their names (see precedes). enter returns the names of the
// folders in it. What is remembered of a walk over a million objects is the way
// to one folder.
func walkObjects(ctx context.Context, folder string, enter func(folder string) (below []string)) {
	for _, name := range enter(folder) {
		if ctx.Err() != nil {
			return
		}
		walkObjects(ctx, path.Join(folder, name), enter)
	}
}

// walkBatch is how many names of a folder are read at a time.
const walkBatch = 256

// readObjects tells each regular file of a folder and returns the names of the
// folders in it, sorted. What cannot be read is left out: it may just have gone.
func (l layout) readObjects(folder string, each func(name string, st *unix.Stat_t)) (below []string) {
	d, err := os.Open(l.object(folder))
	if err != nil {
		return nil
	}
	defer d.Close()
	var st unix.Stat_t
	for {
		entries, err := d.ReadDir(walkBatch)
		for _, e := range entries {
			switch {
			case e.IsDir():
				below = append(below, e.Name())
			case e.Type().IsRegular() && unix.Fstatat(int(d.Fd()), e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW) == nil:
				each(e.Name(), &st)
			}
		}
		if err != nil { // its end, or what cannot be read
			sort.Strings(below)
			return below
		}
	}
}

// precedes reports whether a walk enters folder a before folder b.
func precedes(a, b string) bool {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/', b[i] == '/': // the shorter name is first, whatever follows in the other
			return a[i] == '/'
		default:
			return a[i] < b[i]
		}
	}
	return len(a) < len(b)
}
