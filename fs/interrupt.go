package fs

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// callContext is the context of one request. It ends only when the process that
// waits for the answer is being killed: the kernel reports every signal as an
// interrupt, and stat(2) or link(2) that fail with EINTR because a child ended
// break programs. It is done as well when the request was answered.
type callContext struct {
	context.Context
	caller *fuse.Context
	once   sync.Once
	inner  atomic.Pointer[cancelable]
}

type cancelable struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// killPoll is how often a process that was interrupted once is looked at: the
// kernel reports only the first signal of a request.
const killPoll = 200 * time.Millisecond

// call wraps the context of a request; end must be called before it is
// answered.
func call(ctx context.Context) *callContext {
	c := &callContext{Context: context.Background()}
	c.caller, _ = ctx.(*fuse.Context)
	return c
}

func (c *callContext) end() {
	c.once.Do(func() {}) // nobody asked for Done, and nobody will
	if in := c.inner.Load(); in != nil {
		in.cancel()
	}
}

// Done is closed when the caller is killed. Only whoever waits pays for it.
func (c *callContext) Done() <-chan struct{} {
	if c.caller == nil {
		return nil
	}
	c.once.Do(func() {
		in := &cancelable{}
		in.ctx, in.cancel = context.WithCancel(context.Background())
		c.inner.Store(in)
		go in.watch(c.caller.Cancel, c.caller.Pid)
	})
	if in := c.inner.Load(); in != nil {
		return in.ctx.Done()
	}
	return nil
}

// Err is context.Canceled after Done.
func (c *callContext) Err() error {
	if in := c.inner.Load(); in != nil {
		return in.ctx.Err()
	}
	return nil
}

// watch ends the context when the caller is killed; end ends it.
func (c *cancelable) watch(interrupt <-chan struct{}, pid uint32) {
	select {
	case <-c.ctx.Done():
		return
	case <-interrupt:
	}
	tick := time.NewTicker(killPoll)
	defer tick.Stop()
	for !dying(pid) {
		select {
		case <-c.ctx.Done():
			return
		case <-tick.C:
		}
	}
	c.cancel()
}

// dying reports whether a thread has a SIGKILL pending, which is what becomes
// of every signal that ends a process, or is gone.
func dying(tid uint32) bool {
	if tid == 0 {
		return false // in another pid namespace: its signals cannot be seen
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(int(tid)) + "/status")
	if err != nil {
		return true
	}
	const sigkill = 1 << (9 - 1)
	for _, field := range [][]byte{[]byte("\nSigPnd:\t"), []byte("\nShdPnd:\t")} {
		_, rest, ok := bytes.Cut(data, field)
		if !ok || len(rest) < 16 {
			continue
		}
		if mask, err := strconv.ParseUint(string(rest[:16]), 16, 64); err == nil && mask&sigkill != 0 {
			return true
		}
	}
	return false
}
