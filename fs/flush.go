package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// The kernel sends a FLUSH for every descriptor of a handle that is closed, and
// the close waits for the answer: three to six times for each temporary of
// BitBake, twice for each archive that tar reads. With FOPEN_NOFLUSH (Linux 5.16)
// it does not. A FLUSH matters to two:
//
//   - drafts are published by it. Not by that of touch(1), which alone opens for
//     writing with O_NONBLOCK and without O_TRUNC: should somebody write through
//     such a handle, RELEASE publishes, a moment after the close;
//   - it drops the caller's fcntl locks. On objects and temporaries, which nobody
//     locks, they go with the last descriptor of the handle instead.

// closing is what the kernel is to do when a handle of scratch is closed.
func (n *fileNode) closing() uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.brief {
		return fuse.FOPEN_NOFLUSH
	}
	return 0
}
