package s3

import (
	"context"
	"slices"
	"strings"

	"sstatefs/remote"
)

// A walker lists a range, one page after the other.
type walker struct {
	branch // of which the end comes nearer when it is split
	t      *tree

	pages  int
	names  []string // of the last page that had any
	last   string   // of all names
	sorted bool     // so far: not so in AWS's directory buckets
}

// take takes a page and hands on what is in the range.
func (w *walker) take(p *page) {
	w.pages++
	entries := w.fresh(p.entries)
	for _, e := range entries {
		w.sorted = w.sorted && e.name > w.last
		w.last = e.name
	}
	w.t.send(entries, w.branch)
}

// fresh leaves out names that the page before has, too. Names that merely come
// before its last one stay: there are servers that do not sort.
func (w *walker) fresh(entries []entry) []entry {
	before := make(map[string]struct{})
	if len(entries) > 0 && entries[0].name <= w.last {
		for _, name := range w.names {
			before[name] = struct{}{}
		}
	}
	if len(entries) > 0 {
		w.names = w.names[:0]
	}
	for _, e := range entries {
		w.names = append(w.names, e.name)
	}
	return slices.DeleteFunc(once(entries, w.last), func(e entry) bool {
		_, again := before[e.name]
		return again
	})
}

// isPast tells whether nothing of the range can come any more.
func (w *walker) isPast() bool { return w.sorted && w.end != "" && w.last >= w.end }

// maySplit tells whether it is time to look what is left. What is not sorted
// has no ranges.
func (w *walker) maySplit() bool {
	return w.sorted && w.pages >= w.row && len(w.names) > 0 && !w.isPast()
}

// split keeps the first part of what is left and gives the others.
func (w *walker) split(ctx context.Context) []branch {
	level, folders := w.ahead(ctx)
	n := w.ranges(level, len(folders))
	if n == 0 {
		w.row = 2 * w.pages
		return nil
	}
	row := pagesInRow
	if len(folders) <= fewFolders {
		row = 1
	}
	w.row = w.pages + row
	parts := make([]branch, n)
	end := w.end
	for i := n - 1; i >= 0; i-- {
		begin := folders[(i+1)*(len(folders)+1)/(n+1)-1]
		parts[i] = branch{after: begin, end: end, row: row}
		end = begin
	}
	w.end = end
	return parts
}

// ranges is how many of what is left others are to list, in so many folders of
// a level. The last page tells how much there is in one.
func (w *walker) ranges(level string, folders int) int {
	if folders <= fewFolders {
		return folders
	}
	names, seen, last := 0, 0, ""
	for _, name := range w.names {
		rest, ok := strings.CutPrefix(name, level)
		folder, _, deeper := strings.Cut(rest, "/")
		if !ok || !deeper {
			continue
		}
		if names++; folder != last {
			seen++
		}
		last = folder
	}
	if seen == 0 {
		return fewFolders
	}
	left := folders * names / seen // names
	pages := (left + len(w.names) - 1) / len(w.names)
	return max(0, min((pages+rangePages-1)/rangePages-1, folders, listers-1))
}

// ahead finds folders of the range that come after the last name, and what their
// names begin with: those beside it, or if there are none those in the folder
// where it is. They say where to split and nothing else: when the server does
// not tell, the range is listed in a row.
func (w *walker) ahead(ctx context.Context) (level string, folders []string) {
	level = w.t.prefix
	for {
		if inner := deeper(w.last, level); inner != "" && strings.HasPrefix(w.end, inner) {
			level = inner
			continue
		}
		p, err := w.t.b.page(ctx, span{prefix: level, after: w.last, delimiter: "/"})
		if err != nil {
			return level, nil
		}
		remote.Progress(ctx)
		folders, ok := w.bounds(p)
		inner := deeper(w.last, level)
		if !ok || len(folders) > 0 || inner == "" {
			return level, folders
		}
		level = inner
	}
}

// deeper is the folder below level in which a name is, or "".
func deeper(name, level string) string {
	rest, ok := strings.CutPrefix(name, level)
	folder, _, below := strings.Cut(rest, "/")
	if !ok || !below {
		return ""
	}
	return level + folder + "/"
}

// bounds picks from a page the folders in which ranges may begin. It is false if
// the server does not sort, or gives names from before those that are asked for:
// then each range would cost the whole listing.
func (w *walker) bounds(p *page) (folders []string, ok bool) {
	last := w.last
	for _, e := range p.entries {
		if e.name < last {
			return nil, false
		}
	}
	for _, name := range p.prefixes {
		switch {
		case strings.HasPrefix(w.last, name):
			continue
		case name <= last:
			return nil, false
		case w.end == "" || name < w.end:
			folders = append(folders, name)
		}
		last = name
	}
	return folders, true
}
