package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// sigSearch finds signatures of dependencies in sstate directories. A name has
// its folder from its hash, so that only that one is read, in each directory
// and in each EXTRAPATH of it.
type sigSearch struct {
	roots []string // folders that hold hh/hh, in the order of the search
	bad   []error  // files that are found and cannot be read
}

// newSigSearch returns nil when nothing is to be followed.
func newSigSearch(flags *diffsigsFlags, before, after string) (*sigSearch, error) {
	if flags.noRecurse {
		return nil, nil
	}
	dirs := flags.search
	if len(dirs) == 0 {
		dirs = slices.Concat(sstateDirs(before), sstateDirs(after))
	}
	s := &sigSearch{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fileError(dir, err)
		}
		s.addRoot(dir)
		for _, entry := range entries {
			if mayBeExtraPath(entry) {
				s.addRoot(filepath.Join(dir, entry.Name()))
			}
		}
	}
	if len(s.roots) == 0 {
		return nil, nil
	}
	return s, nil
}

func (s *sigSearch) addRoot(dir string) {
	if dir = filepath.Clean(dir); !slices.Contains(s.roots, dir) {
		s.roots = append(s.roots, dir)
	}
}

// mayBeExtraPath reports whether a folder of an sstate directory may hold
// folders of hashes, and is none itself.
func mayBeExtraPath(entry fs.DirEntry) bool {
	isFolder := entry.IsDir() || entry.Type()&fs.ModeSymlink != 0
	return isFolder && !sstate.IsFolder(entry.Name()) && sstate.IsFolder(entry.Name()+"/00")
}

// sstateDirs is the sstate directory that holds a file, none if the file is in
// no folder of its own hash. The folder above hh/hh may be an EXTRAPATH: then
// the one above it holds other hashes.
func sstateDirs(file string) []string {
	const depth = 3 // hh/hh/name
	file, err := filepath.Abs(file)
	if err != nil {
		return nil
	}
	dir := file
	for range depth {
		dir = filepath.Dir(dir)
	}
	below, err := filepath.Rel(dir, file)
	if err != nil {
		return nil
	}
	if _, ok := sstate.ParsePath(filepath.ToSlash(below)); !ok {
		return nil
	}
	dirs := []string{dir}
	if above := filepath.Dir(dir); holdsHashes(above) {
		dirs = append(dirs, above)
	}
	return dirs
}

// holdsHashes reports whether a folder holds a first level of hashes.
func holdsHashes(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.IsDir() && len(e.Name()) == len("hh") && sstate.IsFolder(e.Name())
	})
}

// Find implements siginfo.Finder. A file that cannot be read counts as missing
// and is remembered.
func (s *sigSearch) Find(ctx context.Context, key, hash string) (*siginfo.Signature, error) {
	dep, ok := siginfo.ParseDep(key)
	if !ok || len(hash) < len("hhhh") || !sstate.IsFolder(hash[:2]+"/"+hash[2:4]) {
		return nil, nil
	}
	for _, root := range s.roots {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		leaf := filepath.Join(root, hash[:2], hash[2:4])
		entries, err := os.ReadDir(leaf)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			s.bad = append(s.bad, fileError(leaf, err))
		}
		for _, entry := range entries {
			if !isSignatureOf(entry.Name(), dep, hash) {
				continue
			}
			found, err := readSignature(filepath.Join(leaf, entry.Name()))
			if err == nil {
				return found, nil
			}
			s.bad = append(s.bad, err)
		}
	}
	return nil, nil
}

// isSignatureOf reports whether a name is that of the siginfo of a task with a
// hash.
func isSignatureOf(base string, dep siginfo.Dep, hash string) bool {
	n, ok := sstate.ParseName(base)
	return ok && n.Side == sstate.SideSiginfo && n.Hash == hash && n.Task == dep.Task && slices.Contains(dep.StoredAs(), n.PN)
}

// failure tells of dependencies that were found and could not be read: the
// comparison is done without them.
func (s *sigSearch) failure() error {
	if s == nil || len(s.bad) == 0 {
		return nil
	}
	more := ""
	if n := len(s.bad) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more)", n)
	}
	return &failure{code: exitPart, err: fmt.Errorf("diffsigs: %w%s", s.bad[0], more)}
}
