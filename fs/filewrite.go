package fs

import (
	"context"
	"sstatefs/store"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// draftFor gives the draft of an object that is being written to, a private
// copy. Making it may fetch the object; who waits for that can be interrupted.
func (n *fileNode) draftFor(ctx context.Context, empty bool) (*store.Draft, error) {
	for {
		n.mu.Lock()
		d, key, making := n.draft, n.key, n.drafting
		if d == nil && making == nil {
			n.drafting = make(chan struct{})
		}
		n.mu.Unlock()
		switch {
		case d != nil:
			return d, nil
		case making == nil:
			return n.makeDraft(ctx, key, empty)
		}
		select {
		case <-making:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// makeDraft makes the draft of the node, which is marked as drafting.
func (n *fileNode) makeDraft(ctx context.Context, key string, empty bool) (d *store.Draft, err error) {
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.draft = d
		close(n.drafting)
		n.drafting = nil
	}()
	if e, err := n.entry(ctx); err == nil && e.Nlink > 1 {
		return nil, syscall.EPERM // which of its names is written to cannot be told
	}
	return n.st.store.EditDraft(ctx, key, empty)
}

// openDraft opens an object for writing.
func (n *fileNode) openDraft(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h := n.newWriter()
	if flags&unix.O_TRUNC == 0 {
		if e, err := n.entry(ctx); err == nil && e.Object {
			n.st.store.Used(e)
		}
	} else {
		d, err := n.draftFor(ctx, true)
		if err == nil {
			err = d.Truncate(0)
		}
		if err != nil {
			_ = h.Release(ctx)
			return nil, 0, n.st.errno("open", err)
		}
	}
	if flags&(unix.O_TRUNC|unix.O_NONBLOCK) == unix.O_NONBLOCK {
		return h, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
	}
	return h, fuse.FOPEN_DIRECT_IO, 0
}

// newWriter counts a handle for writing.
func (n *fileNode) newWriter() *draftHandle {
	n.inUse.RLock()
	defer n.inUse.RUnlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.writers++
	n.join(nil)
	return &draftHandle{node: n}
}

// setObject changes what may be changed of an object: its times. Its size only
// in a draft. Owner and mode are accepted and stay, as for BitBake's chmod of
// what it has just published.
func (n *fileNode) setObject(ctx context.Context, key string, a store.Attr) (store.Entry, error) {
	n.mu.Lock()
	draft, created, writers := n.draft, n.created, n.writers
	n.mu.Unlock()
	if a.Size != nil {
		if writers == 0 {
			return store.Entry{}, syscall.EPERM
		}
		d, err := n.draftFor(ctx, *a.Size == 0)
		if err == nil {
			err = d.Truncate(*a.Size)
		}
		if err != nil {
			return store.Entry{}, err
		}
		if draft == nil && !created {
			return n.entry(ctx)
		}
	}
	if draft != nil && created {
		return draft.Stat()
	}
	if a.Times.Atime != nil || a.Times.Mtime != nil {
		if e, err := n.st.store.SetTimes(ctx, key, a.Times); err == nil {
			return e, nil
		}
		return n.timesLost(a.Times), nil
	}
	return n.entry(ctx)
}

// timesLost answers utimensat of an object that went away, or out of reach,
// after it was looked up: BitBake stops at once if touching what it has just
// seen fails.
func (n *fileNode) timesLost(t store.Times) store.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.last
	if t.Atime != nil {
		e.Atime = *t.Atime
	}
	if t.Mtime != nil {
		e.Mtime = *t.Mtime
	}
	return e
}
