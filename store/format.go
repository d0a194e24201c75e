package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Versions of what is kept in a cache directory. What can be found out again
// (the index, what was learned, the record of misses) says its own and is
// dropped when that is unknown. What was acknowledged (the queue and the objects
// in it, what is pinned, whiteouts, scratch) has the version of CACHE/format,
// and is refused as a whole.
const (
	formatName = "sstatefs cache "

	// formatVersion changes when an older sstatefs would misread the directory,
	// or lose what it holds. What an earlier one wrote is read, and from then on it
	// is this version's. 2: a folder of the queue holds several entries.
	formatVersion = 2
)

// identity is what CACHE/format remembers.
type identity struct {
	remote string // canonical address
	root   string // remote.Traits.Identity
}

var errNoFormat = errors.New("no cache yet")

// readFormat reads CACHE/format. A directory that has none and nothing else to
// lose is errNoFormat; what is no cache of this version is refused.
func (l layout) readFormat() (identity, error) {
	f, err := os.Open(l.path("format"))
	if errors.Is(err, os.ErrNotExist) {
		return identity{}, l.checkUnmarked()
	}
	if err != nil {
		return identity{}, err
	}
	defer f.Close()
	const longest = 64 << 10 // bytes; two addresses and a word
	text, err := io.ReadAll(io.LimitReader(f, longest))
	if err != nil {
		return identity{}, fmt.Errorf("cache %s: %w: give another --cache-dir", l.dir, err)
	}
	return l.parseFormat(string(text))
}

func (l layout) parseFormat(text string) (id identity, err error) {
	first, rest, _ := strings.Cut(text, "\n")
	number, isOurs := strings.CutPrefix(first, formatName)
	version, err := strconv.ParseUint(number, 10, 32)
	switch {
	case isOurs && err == nil && version > formatVersion:
		return id, fmt.Errorf("cache %s has format %d, and this sstatefs knows %d: use the newer sstatefs that wrote it, or give another --cache-dir",
			l.dir, version, formatVersion)
	case !isOurs || err != nil || version < 1:
		return id, l.notACache(fmt.Sprintf("its file format begins with %.60q", first))
	}
	for line := range strings.Lines(rest) {
		switch k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); k {
		case "remote":
			id.remote = v
		case "identity":
			id.root = v
		}
	}
	if id.remote == "" {
		return id, l.notACache("its file format names no remote")
	}
	return id, nil
}

// notACache is the error for a directory that may hold what was acknowledged to
// somebody, but not in a way that this sstatefs can trust.
func (l layout) notACache(why string) error {
	return fmt.Errorf("cache %s: %s, so this is no cache of sstatefs, or a damaged one: give another --cache-dir", l.dir, why)
}

// checkUnmarked is errNoFormat for a directory without a format line that has
// nothing where a cache keeps what is not its own: what is in fetch/ would be
// removed, and what is in queue/ sent to whatever remote this is.
func (l layout) checkUnmarked() error {
	if outer := l.outer(); outer != "" {
		return fmt.Errorf("cache %s would be inside the cache %s, which may remove what it does not know: give another --cache-dir", l.dir, outer)
	}
	for _, part := range []string{"queue", "pinned", "removed", "scratch", "fetch"} {
		found := ""
		_ = filepath.WalkDir(l.path(part), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && !isProbe(d.Name()) {
				found = path
				return filepath.SkipAll
			}
			return nil
		})
		if found != "" {
			return l.notACache("it has no file format, and holds " + found)
		}
	}
	return errNoFormat
}

// outer is a cache that this directory is in, "" if there is none.
func (l layout) outer() string {
	for dir := filepath.Dir(l.dir); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		f, err := os.OpenFile(dir+"/format", os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe, perhaps
		if err != nil {
			continue
		}
		start := make([]byte, len(formatName))
		_, err = io.ReadFull(f, start)
		f.Close()
		if err == nil && string(start) == formatName {
			return dir
		}
	}
	return ""
}

func (l layout) writeFormat(id identity) error {
	text := fmt.Sprintf("%s%d\nremote %s\nidentity %s\n", formatName, formatVersion, id.remote, id.root)
	return writeFileAtomic(l.path("format"), []byte(text))
}

// checkFormat refuses a cache of another version, or of another remote.
func (s *Store) checkFormat() error {
	id, err := s.layout.readFormat()
	if errors.Is(err, errNoFormat) {
		return nil
	}
	if err != nil {
		return err
	}
	if id.remote != s.opt.Remote.String() {
		return fmt.Errorf("cache %s belongs to %s: give another --cache-dir for %s", s.opt.Dir, id.remote, s.opt.Remote)
	}
	return nil
}
