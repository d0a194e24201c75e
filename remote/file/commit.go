package file

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"sstatefs/remote"
)

// replace gives the temporary its name, whatever has it now.
func (t *temporary) replace() error {
	err := again(func() error { return unix.Renameat(t.folder, t.name, t.folder, t.base) })
	if err == nil || t.arrived() {
		t.gone = true
		return nil
	}
	return err
}

// create gives the temporary its name unless an object has it: EEXIST.
func (d *Dir) create(t *temporary, root int, key remote.Key) error {
	const tries = 10
	var err error
	for range tries {
		err = d.claim(t)
		switch {
		case err == nil:
			return nil
		case t.arrived():
			return nil
		case !errors.Is(err, unix.EEXIST) || isThere(root, key):
			return err
		}
		// Something is there and is no object. A folder stays; a link that leads
		// nowhere or out of the root makes way, as it does for BitBake (ln -f).
		// Two hosts that replace the same link at the same moment may both
		// succeed, with whole content.
		st, e := lstatAt(t.folder, t.base)
		switch {
		case errors.Is(e, unix.ENOENT), e == nil && st.Mode&unix.S_IFMT == unix.S_IFREG:
			continue // it has gone, or come, just now
		case e != nil:
			return e
		case isLink(&st):
			return t.replace()
		}
		return unsupported("put", key, "something that is no file has this name on the remote: remove it there")
	}
	return err
}

// claim takes the name if it is free, by the best means that the file system
// has. After a link the temporary is still there, and whoever uses the object
// refreshes its time too: on a local disk a rename comes first, which leaves
// none behind when the writer dies. Over a network link is the surer one: there
// are servers that replace what they should not.
func (d *Dir) claim(t *temporary) error {
	ways := []func() error{t.link, t.rename}
	if seen := d.seen.Load(); seen != nil && isLocal(seen.fsType) {
		slices.Reverse(ways)
	}
	for _, way := range ways {
		if err := again(way); !lacks(err) && !errors.Is(err, unix.EMLINK) {
			return err
		}
	}
	d.change(func(tr *remote.Traits) { tr.AtomicCreate = false })
	if _, err := lstatAt(t.folder, t.base); err == nil {
		return unix.EEXIST
	}
	return t.replace()
}

func (t *temporary) link() error {
	return unix.Linkat(t.folder, t.name, t.folder, t.base, 0)
}

func (t *temporary) rename() error {
	err := unix.Renameat2(t.folder, t.name, t.folder, t.base, unix.RENAME_NOREPLACE)
	t.gone = err == nil
	return err
}

// lacks tells that the file system does not have such an operation. vfat and
// some FUSE file systems say EPERM for link, older kernels EINVAL for flags of
// renameat2 that a file system does not know.
func lacks(err error) bool {
	for _, errno := range []error{unix.EPERM, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// arrived tells whether the name is the temporary's file although the call
// that gave it said otherwise. NFS repeats a request whose answer got lost, and
// the second time the name is there, or the old one gone.
func (t *temporary) arrived() bool {
	st, err := lstatAt(t.folder, t.base)
	return err == nil && st.Dev == t.ino.Dev && st.Ino == t.ino.Ino
}
