package upkeep

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sstatefs/sstate"
)

// Stamps are what builds have used, read from their STAMPS_DIR: for each task
// a file ARCH/PN/PV-PR.do_TASK.sigdata.HASH or, for what was restored,
// .do_TASK_setscene.HASH, where HASH is the one in names of objects (BitBake
// siggen.py, stampfile and dump_sigtask; sstate-cache-management.py reads the
// same two).
type Stamps struct {
	used map[stamp]struct{}
}

// A stamp is a recipe and a hash. The recipe is empty where the stamp does not
// tell it.
type stamp struct{ pn, hash string }

// sharedStamps is the folder in place of ARCH/PN for recipes that share their
// sources, gcc for one. Its files tell no recipe.
const sharedStamps = "work-shared"

// ReadStamps reads the stamps of builds. A directory without any is an error:
// it is the wrong one, and all that the build uses would count as unused.
func ReadStamps(dirs ...string) (*Stamps, error) {
	s := &Stamps{used: make(map[stamp]struct{})}
	for _, dir := range dirs {
		found := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			switch {
			case errors.Is(err, fs.ErrNotExist) && path != dir:
				return nil // a build goes on meanwhile
			case err != nil:
				return err
			case d.IsDir():
				return nil
			}
			if s.add(path) {
				found++
			}
			return nil
		})
		if err == nil && found == 0 {
			_, err = os.Stat(dir)
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("stamps: %w", err)
		case found == 0:
			return nil, fmt.Errorf("stamps: no stamps of a build in %s (it is tmp/stamps of a build)", dir)
		}
	}
	return s, nil
}

// add takes one file. It is false when that is no stamp with a hash.
func (s *Stamps) add(path string) bool {
	hash, ok := stampHash(filepath.Base(path))
	if !ok {
		return false
	}
	pn := filepath.Base(filepath.Dir(path))
	if pn == sharedStamps {
		pn = ""
	}
	s.used[stamp{pn, hash}] = struct{}{}
	return true
}

// stampHash gives the hash of PV-PR.do_TASK.sigdata.HASH and of
// PV-PR.do_TASK_setscene.HASH[.EXTRA].
func stampHash(base string) (hash string, ok bool) {
	_, rest, ok := cutAfter(base, ".do_")
	if !ok {
		return "", false
	}
	task, rest, _ := strings.Cut(rest, ".")
	if !strings.HasSuffix(task, "_setscene") {
		if rest, ok = strings.CutPrefix(rest, "sigdata."); !ok {
			return "", false
		}
	}
	hash, _, _ = strings.Cut(rest, ".")
	return hash, isHash(hash)
}

// cutAfter splits s around its last sep: a version may hold anything.
func cutAfter(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func isHash(s string) bool {
	return (len(s) == 64 || len(s) == 32) && strings.Trim(s, "0123456789abcdef") == ""
}

// Used tells whether one of the builds used an object.
func (s *Stamps) Used(n sstate.Name) bool {
	if s == nil {
		return false
	}
	if _, ok := s.used[stamp{n.PN, n.Hash}]; ok {
		return true
	}
	_, ok := s.used[stamp{"", n.Hash}]
	return ok
}
