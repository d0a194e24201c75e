package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sstatefs/integration/servers"
)

// A tree is a cache of many files. Making it takes longer than most cases do,
// so that one server after the other serves the same, and with -keep the next
// run too.
type tree struct {
	dir  string // where it is while no server has it
	fill func(ctx context.Context, dir string) error
}

// newTree names a tree of a run, or the one that an earlier run kept.
func newTree(o options, dir, name string, fill func(context.Context, string) error) tree {
	if o.keep != "" {
		dir = o.keep
	}
	return tree{dir: filepath.Join(dir, name), fill: fill}
}

// lend gives a tree to a server, until the site is closed.
func (t tree) lend(ctx context.Context, s *site, srv *servers.Server) error {
	if err := t.make(ctx); err != nil {
		return err
	}
	if err := os.Remove(srv.Data); err != nil {
		return err
	}
	if err := os.Rename(t.dir, srv.Data); err != nil {
		return fmt.Errorf("a folder of -keep must be on the disk of -dir: %w", err)
	}
	s.Cleanup(func() {
		if err := os.Rename(srv.Data, t.dir); err != nil {
			s.Errorf("%w", err)
		}
	})
	return nil
}

// make makes the tree if it is not there. It gets its name when it is whole.
func (t tree) make(ctx context.Context) error {
	if _, err := os.Stat(t.dir); err == nil {
		return nil
	}
	unfinished := t.dir + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := os.MkdirAll(unfinished, 0o777); err != nil {
		return err
	}
	if err := t.fill(ctx, unfinished); err != nil {
		return err
	}
	return os.Rename(unfinished, t.dir)
}

// fill makes files straight in the folder that a server serves. They have a
// length and no blocks on the disk.
func fill(ctx context.Context, data string, keys []string) error {
	return parallel(ctx, 4, len(keys), func(i int) error {
		f, err := create(filepath.Join(data, keys[i]))
		if err != nil {
			return err
		}
		size := int64(2000 + i%8000)
		if !strings.HasSuffix(keys[i], ".siginfo") {
			size = int64(20_000 + i*37%1_000_000)
		}
		return errors.Join(f.Truncate(size), f.Close())
	})
}

// create makes a file, and its folders where they are missing. Everybody may
// write there: the server may be another user.
func create(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o666)
}

// write makes the files of objects there, with their content.
func write(ctx context.Context, data string, objects []object) error {
	return parallel(ctx, 2, 2*len(objects), func(i int) error {
		f := objects[i/2].archive
		if i%2 == 1 {
			f = objects[i/2].siginfo
		}
		w, err := create(filepath.Join(data, f.key))
		if err != nil {
			return err
		}
		return f.write(w)
	})
}

// remove removes what was published, and its folders where nothing else is in
// them: the tree stays what it was.
func remove(data string, objects []object) {
	for _, o := range objects {
		for _, f := range []file{o.archive, o.siginfo} {
			_ = os.Remove(filepath.Join(data, f.key))
			_ = os.Remove(filepath.Dir(filepath.Join(data, f.key)))
		}
	}
}
