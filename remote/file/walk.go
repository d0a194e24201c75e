package file

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// A walker reads folders.
type walker struct {
	d     *Dir
	root  int
	want  func(base string) bool
	ctx   context.Context // of the one listing that the walker is for
	group *errgroup.Group
	hand  func([]remote.Info) error

	// whole, where it is set, gets the files of each folder at once in place
	// of hand, and none for a folder that holds nothing at all.
	whole func(folder string, infos []remote.Info)
}

// walk reads one folder and those below it, and closes it.
func (w *walker) walk(dir *os.File, path string) error {
	defer dir.Close()
	var all []remote.Info
	names := 0
	err := eachBatch(w.ctx, dir, func(entries []os.DirEntry) error {
		infos, err := w.infos(dir, path, entries)
		if err != nil {
			return err
		}
		names += len(entries)
		if w.whole != nil {
			all = append(all, infos...)
		} else if err := w.hand(infos); err != nil {
			return err
		}
		return w.descend(dir, path, entries)
	})
	if err == nil && w.whole != nil && (len(all) > 0 || names == 0) {
		w.whole(path, all)
	}
	return err
}

// infos describes the files among entries that are wanted.
func (w *walker) infos(dir *os.File, path string, entries []os.DirEntry) (infos []remote.Info, err error) {
	for _, e := range entries {
		if e.IsDir() || !w.want(e.Name()) {
			continue
		}
		info, ok, err := w.info(dir, remote.Join(path, e.Name()), e)
		if err != nil {
			return nil, err
		}
		if ok {
			infos = append(infos, info)
		}
	}
	return infos, nil
}

// descend walks the folders among entries, in other goroutines as long as
// there may be more.
func (w *walker) descend(dir *os.File, path string, entries []os.DirEntry) error {
	for _, e := range entries {
		if !e.IsDir() || isHidden(e.Name()) {
			continue
		}
		fd, err := open(int(dir.Fd()), e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
		switch {
		case isMissing(err), errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
			continue // gone, or not for this user
		case err != nil:
			return err
		}
		sub := string(remote.Join(path, e.Name()))
		file := os.NewFile(uintptr(fd), w.d.path+"/"+sub)
		if w.group.TryGo(func() error { return w.walk(file, sub) }) {
			continue
		}
		if err := w.walk(file, sub); err != nil {
			return err
		}
	}
	return nil
}

// info describes a file. It is not ok when that is gone or no file.
func (w *walker) info(dir *os.File, key remote.Key, e os.DirEntry) (info remote.Info, ok bool, err error) {
	var st unix.Stat_t
	switch {
	case e.Type().IsRegular():
		st, err = lstatAt(int(dir.Fd()), e.Name())
	case e.Type()&os.ModeSymlink != 0:
		st, err = statLink(w.root, key)
	default:
		return info, false, nil
	}
	if isMissing(err) {
		return info, false, nil
	}
	return infoOf(key, &st), err == nil && isRegular(&st), err
}

// statLink describes what a link leads to.
func statLink(root int, key remote.Key) (st unix.Stat_t, err error) {
	fd, err := findBelow(root, key, unix.O_PATH)
	if err != nil {
		return st, err
	}
	defer closeFD(fd)
	return fstat(fd)
}

// entryReader is the part of an os.File that reads a folder.
type entryReader interface {
	ReadDir(n int) ([]os.DirEntry, error)
}

// eachBatch reads the entries of a folder. A name that is removed and made
// again meanwhile may come twice from the kernel (XFS puts it into any free
// place); here it comes once.
func eachBatch(ctx context.Context, dir entryReader, fn func([]os.DirEntry) error) error {
	seen := make(map[string]struct{})
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(batch)
		fresh := entries[:0]
		for _, e := range entries {
			if _, twice := seen[e.Name()]; !twice {
				seen[e.Name()] = struct{}{}
				fresh = append(fresh, e)
			}
		}
		if err := fn(fresh); err != nil {
			return err
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, unix.ENOENT): // read to the end, or removed
			return nil
		case err != nil:
			return err
		}
	}
}
