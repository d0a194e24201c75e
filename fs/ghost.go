package fs

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"sstatefs/store"
)

// haunt gives the node an O_PATH descriptor of its file, before it loses a name.
func (n *fileNode) haunt(f *os.File) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ghost != nil {
		return false
	}
	n.ghost = f
	return true
}

// has reports whether a local file is the node's.
func (n *fileNode) has(id store.FileID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.id == id
}

// exorcise takes the descriptor back.
func (n *fileNode) exorcise() {
	n.inUse.Lock()
	defer n.inUse.Unlock()
	n.mu.Lock()
	f := n.ghost
	n.ghost = nil
	n.mu.Unlock()
	if f != nil {
		f.Close()
	}
}

// withFile calls fn with an open local file of the node, and reports whether
// there is one. The file stays open meanwhile: RELEASE comes at any time.
func (n *fileNode) withFile(fn func(f *os.File) error) (ok bool, err error) {
	n.inUse.RLock()
	defer n.inUse.RUnlock()
	n.mu.Lock()
	f := n.ghost
	for _, h := range n.handles {
		if h.file != nil {
			f = h.file
		}
	}
	n.mu.Unlock()
	if f == nil {
		return false, nil
	}
	return true, fn(f)
}

// reopen opens a scratch file by its name, or by an open handle if it has lost
// it.
func (n *fileNode) reopen(flags int) (f *os.File, err error) {
	if path, no := pathOf(&n.Inode); no == 0 {
		if f, err = n.openNamed(path, flags); err == nil {
			return f, nil
		}
	}
	if n.isComing() {
		return nil, syscall.ENOENT // what is there of it counts for its handles only
	}
	ok, missing := n.withFile(func(open *os.File) (err error) {
		f, err = n.st.store.Reopen(open, flags)
		return err
	})
	if errors.Is(missing, syscall.EPERM) {
		missing = syscall.ENOENT // an object that was replaced is not to be written to: the kernel looks again
	}
	if ok {
		return f, missing
	}
	if err == nil {
		err = syscall.ENOENT
	}
	return nil, err
}

// openNamed opens the file of a name, if that is still this node's: another may
// have been renamed over it a moment ago.
func (n *fileNode) openNamed(path string, flags int) (*os.File, error) {
	f, err := n.st.store.OpenFile(path, flags&^unix.O_TRUNC)
	if err != nil {
		return nil, err
	}
	e, err := n.st.store.StatFile(path, f)
	if err == nil && !n.has(e.ID) {
		err = syscall.ENOENT
	}
	if err == nil && flags&unix.O_TRUNC != 0 {
		err = n.st.store.Empty(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
