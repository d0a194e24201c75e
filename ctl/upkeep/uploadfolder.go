package upkeep

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// Folder is a local SSTATE_DIR as an Origin. Unlike a directory as a remote it
// follows the links of its files wherever they lead: BitBake makes such to the
// files of a mirror.
type Folder struct {
	root string
}

var _ Origin = (*Folder)(nil)

// OpenFolder opens a directory that exists.
func OpenFolder(path string) (*Folder, error) {
	root, err := filepath.EvalSymlinks(path)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(root)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: unix.ENOTDIR}
	}
	if err != nil {
		return nil, err
	}
	return &Folder{root: root}, nil
}

// Path is the folder itself, absolute.
func (f *Folder) Path() string { return f.root }

func (f *Folder) String() string { return f.root }

// List calls fn for each file, also for those that are no objects. Links that
// dangle or lead to folders are left out, and so are folders that may not be
// read.
func (f *Folder) List(ctx context.Context, prefix string, fn func(remote.Info) error) error {
	return filepath.WalkDir(filepath.Join(f.root, prefix), func(path string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return f.unreadable(path, err)
		}
		if d.IsDir() {
			return nil
		}
		key := strings.TrimPrefix(path, f.root+string(filepath.Separator))
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		return fn(remote.Info{Key: remote.Key(key), Size: info.Size(), ModTime: info.ModTime()})
	})
}

// unreadable decides what a folder means that cannot be read: nothing, if it
// has gone or is somebody's own, as those in which archives are signed.
func (f *Folder) unreadable(path string, err error) error {
	if path != f.root && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return nil
	}
	return err
}

// Get opens an object. Its body fails with an error of its own when somebody
// writes to the file meanwhile.
func (f *Folder) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, remote.Info{}, err
	}
	if _, ok := sstate.ParsePath(string(key)); !ok || offset != 0 {
		return nil, remote.Info{}, fmt.Errorf("%s at %d: %w", key, offset, remote.ErrUnsupported)
	}
	file, err := os.Open(filepath.Join(f.root, string(key)))
	if err != nil {
		return nil, remote.Info{}, err
	}
	b := &folderBody{file: file}
	b.sum.SetSeed(maphash.MakeSeed())
	if err := unix.Fstat(int(file.Fd()), &b.before); err != nil {
		file.Close()
		return nil, remote.Info{}, err
	}
	return b, remote.Info{Key: key, Size: b.before.Size}, nil
}

// folderBody reads a file and makes sure at its end that nobody wrote to it.
type folderBody struct {
	file   *os.File
	before unix.Stat_t
	sum    maphash.Hash
}

func (b *folderBody) Read(p []byte) (int, error) {
	n, err := b.file.Read(p)
	_, _ = b.sum.Write(p[:n]) // never fails
	if err == io.EOF {
		if e := b.confirm(); e != nil {
			return n, e
		}
	}
	return n, err
}

// confirm looks at the file again. Its change time moves with a touch too, so
// then the bytes tell.
func (b *folderBody) confirm() error {
	var after unix.Stat_t
	if err := unix.Fstat(int(b.file.Fd()), &after); err != nil {
		return err
	}
	if after.Size == b.before.Size && after.Ctim == b.before.Ctim {
		return nil
	}
	var again maphash.Hash
	again.SetSeed(b.sum.Seed())
	if _, err := io.Copy(&again, io.NewSectionReader(b.file, 0, after.Size)); err != nil {
		return err
	}
	if after.Size != b.before.Size || again.Sum64() != b.sum.Sum64() {
		return fmt.Errorf("%s: %w", b.file.Name(), errChanged)
	}
	return nil
}

func (b *folderBody) Close() error { return b.file.Close() }
