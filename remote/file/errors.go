package file

import (
	"context"
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// fail classifies a system error. It is the only place that does, but for
// those of the root.
func (d *Dir) fail(op string, key remote.Key, err error) error {
	var done *remote.Error
	if errors.As(err, &done) {
		return err
	}
	if path, ok := err.(*fs.PathError); ok {
		err = path.Err // the path is a descriptor's name, which says nothing
	}
	return &remote.Error{Op: "file: " + op, Key: key, Kind: kindOf(op, err), Err: err}
}

func kindOf(op string, err error) error {
	switch {
	case errors.Is(err, remote.ErrCorrupt):
		return remote.ErrCorrupt
	case errors.Is(err, unix.ENOENT):
		return remote.ErrNotExist
	case errors.Is(err, unix.EEXIST):
		return remote.ErrExist
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return remote.ErrPermission
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EFBIG), errors.Is(err, unix.EOVERFLOW):
		return remote.ErrUnsupported
	case !isImpossible(err):
		return remote.ErrUnavailable // EIO, ESTALE, ENOSPC, EDQUOT, ENOTCONN, EMFILE and their like
	case op == "put":
		return remote.ErrUnsupported
	}
	return remote.ErrNotExist
}

// isImpossible tells that no object can be under such a name: the name itself
// or what stands in its way forbids it.
func isImpossible(err error) bool {
	for _, errno := range []error{
		unix.ENAMETOOLONG, unix.ENOTDIR, unix.EISDIR, unix.EINVAL,
		unix.ELOOP, unix.EXDEV, unix.ENXIO, unix.ENODEV, unix.EILSEQ, unix.ENOTEMPTY,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func isUnavailable(err error) bool { return errors.Is(err, remote.ErrUnavailable) }

// unsupported refuses a call for what it asks.
func unsupported(op string, key remote.Key, why string) error {
	return &remote.Error{Op: "file: " + op, Key: key, Kind: remote.ErrUnsupported, Err: errors.New(why)}
}

// begin checks what every call on one object needs.
func begin(ctx context.Context, op string, key remote.Key) error {
	if ctx.Err() != nil {
		return remote.Ended(ctx, "file: "+op, key)
	}
	if !key.Valid() {
		return unsupported(op, key, "not a valid key")
	}
	return nil
}

// changeable refuses changes of a read-only remote.
func (d *Dir) changeable(op string, key remote.Key) error {
	if d.Traits().ReadOnly {
		return unsupported(op, key, "remote is read-only")
	}
	return nil
}
