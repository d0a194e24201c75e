package fs

import (
	"context"
	"errors"
	"os"
	"syscall"

	"sstatefs/store"
)

// errno turns an error of the store into what the system call answers. The
// kinds of the remote come first: inside them may be an ENOENT that means a
// folder of the server, not the file asked for.
func (st *state) errno(op string, err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if no, ok := err.(syscall.Errno); ok { // most errors: a name that is not there
		return no
	}
	return st.classify(op, err)
}

// classify is errno for an error that says more than its number.
func (st *state) classify(op string, err error) syscall.Errno {
	var no syscall.Errno
	switch {
	case errors.Is(err, store.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, store.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, store.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrUnsupported):
		return syscall.EIO
	case errors.Is(err, context.Canceled):
		return syscall.EINTR
	case errors.Is(err, context.DeadlineExceeded):
		return syscall.EIO
	case errors.As(err, &no):
		return no
	case errors.Is(err, os.ErrNotExist):
		return syscall.ENOENT
	}
	st.logOnce(op, err)
	return syscall.EIO
}

// stale turns the ENOENT of a request on a node into ESTALE: its name was taken
// away after the kernel had looked it up. The kernel then looks again, and
// creates the file if that was asked for, instead of failing an open(O_CREAT).
func stale(no syscall.Errno) syscall.Errno {
	if no == syscall.ENOENT {
		return syscall.ESTALE
	}
	return no
}

// maxLogged bounds the errors that are remembered, and with them the log: they
// name objects.
const maxLogged = 1000

// logOnce logs an error that has no errno, the first time it is seen.
func (st *state) logOnce(op string, err error) {
	text := op + ": " + err.Error()
	if _, seen := st.logged.Load(text); seen || st.logs.Add(1) > maxLogged {
		return
	}
	if _, seen := st.logged.LoadOrStore(text, true); !seen {
		st.log.Error("unexpected error, answered with EIO", "op", op, "error", err)
	}
}
