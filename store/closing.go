package store

import (
	"context"
	"errors"
	"sync"
	"syscall"
)

// changes are those of names under way. They are refused once Close counts what
// is left: the kernel may go on to ask until the process ends, and what was
// answered then would be in no count, and perhaps in the next daemon's cache.
type changes struct {
	mu    sync.Mutex // guards shut, and against it the first of under
	shut  bool
	under sync.WaitGroup
}

// begin begins a change. The error is that of a mount whose daemon is gone, which
// it is about to be: an EIO would make of a signature a partial file.
func (c *changes) begin() (end func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return nil, syscall.ENOTCONN
	}
	c.under.Add(1)
	return c.under.Done, nil
}

// refuse ends the changes: those under way are waited for.
func (c *changes) refuse() {
	c.mu.Lock()
	c.shut = true
	c.mu.Unlock()
	c.under.Wait()
}

// sendLast sends what is queued while names may still change: a build may run.
// Then it refuses that, sends what has come meanwhile and counts what is left.
func (s *Store) sendLast(ctx context.Context) (Left, error) {
	known := s.queue.addedCount()
	_, err := s.Flush(ctx, nil)
	s.changes.refuse()
	if err == nil && s.queue.addedCount() != known {
		return s.Flush(ctx, nil)
	}
	return s.whatIsLeft(), err
}

// Hold keeps the cache locked and its folders open beyond Close, until release, for
// who may still be asked: a mount that was detached while in use.
func (s *Store) Hold() (release func()) {
	s.holders.Add(1)
	return sync.OnceFunc(func() { _ = s.unlock() })
}

// unlock gives the cache to the next, when Close and all who held it are done.
func (s *Store) unlock() error {
	if s.holders.Add(-1) >= 0 {
		return nil
	}
	return errors.Join(s.scratch.Close(), s.lockFile.Close())
}
