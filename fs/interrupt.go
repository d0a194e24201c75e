package fs

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
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
	home   *sync.Pool // where it came from, nil if it is new
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
	} else if home := c.home; home != nil {
		*c = callContext{}
		home.Put(c)
	}
}

// call is the function of that name for requests that come by the thousand. What
// it returns must not be used after its end: it is used again, unless somebody
// asked for Done, as whoever waits or derives a context does.
func (st *state) call(ctx context.Context) *callContext {
	c, ok := st.calls.Get().(*callContext)
	if !ok {
		c = &callContext{}
	}
	c.Context, c.home = context.Background(), &st.calls
	c.caller, _ = ctx.(*fuse.Context)
	return c
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

// coreSignals end a process with a core file (signal(7)). Unlike others they
// do not become a SIGKILL, since the process is to be seen as it was.
func coreSignals() uint64 {
	return maskOf(unix.SIGQUIT, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT, unix.SIGBUS,
		unix.SIGFPE, unix.SIGSEGV, unix.SIGXCPU, unix.SIGXFSZ, unix.SIGSYS)
}

// maskOf is a set of signals as /proc shows it.
func maskOf(signals ...syscall.Signal) (mask uint64) {
	for _, s := range signals {
		mask |= 1 << (s - 1)
	}
	return mask
}

// dying reports whether a thread has a signal pending that ends it, or is gone.
// A signal that ends a process without a core file is shown as SIGKILL.
func dying(tid uint32) bool {
	if tid == 0 {
		return false // in another pid namespace: its signals cannot be seen
	}
	status, err := os.ReadFile(procFile(tid, "status"))
	if err != nil {
		return true
	}
	pending := signals(status, "SigPnd") | signals(status, "ShdPnd")
	kept := signals(status, "SigBlk") | signals(status, "SigIgn") | signals(status, "SigCgt")
	return pending&(maskOf(unix.SIGKILL)|coreSignals()&^kept) != 0
}

// signals is a mask of /proc/TID/status, none if it is not there.
func signals(status []byte, field string) uint64 {
	_, rest, _ := bytes.Cut(status, []byte("\n"+field+":\t"))
	digits, _, _ := bytes.Cut(rest, []byte("\n"))
	mask, _ := strconv.ParseUint(string(digits), 16, 64)
	return mask
}

// exiting reports whether the caller is past all signals: it closes its files
// because it was killed, or ended without closing them. Nothing can interrupt
// such a wait.
func exiting(ctx context.Context) bool {
	const pfExiting = 0x4
	flags, gone := callerStat(ctx, flagsAt)
	return gone || flags&pfExiting != 0
}

// killed reports whether a caller that is exiting was ended by a signal, as far
// as the kernel tells that.
func killed(ctx context.Context) bool {
	code, _ := callerStat(ctx, exitCodeAt)
	return code&0x7f != 0 // as of wait(2)
}

// Fields of proc_pid_stat(5), counted from the state, which comes behind the name
// in parentheses. The code is that of the end of a process that is ending.
const (
	flagsAt    = 6  // of the kernel
	exitCodeAt = 49 // 0 for the processes of others
)

// callerStat is one field of /proc/PID/stat, and whether the caller is gone.
func callerStat(ctx context.Context, field int) (value uint64, gone bool) {
	caller, ok := ctx.(*fuse.Context)
	if !ok || caller.Pid == 0 {
		return 0, false
	}
	stat, err := os.ReadFile(procFile(caller.Pid, "stat"))
	if err != nil {
		return 0, true
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) > field {
		value, _ = strconv.ParseUint(string(fields[field]), 10, 64)
	}
	return value, false
}

func procFile(tid uint32, name string) string {
	return "/proc/" + strconv.Itoa(int(tid)) + "/" + name
}
