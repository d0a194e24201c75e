package remote

import (
	"context"
	"errors"
	"fmt"
)

// The six kinds of error. Backends wrap one of them in an *Error.
var (
	ErrNotExist    = errors.New("no such object")
	ErrExist       = errors.New("object exists")
	ErrPermission  = errors.New("access denied")
	ErrUnavailable = errors.New("remote unavailable") // worth trying again
	ErrCorrupt     = errors.New("content is wrong")   // short, long or mangled
	ErrUnsupported = errors.New("not supported by this remote")
)

// Error is an operation on a remote that failed. It matches its Kind and its
// cause with errors.Is.
type Error struct {
	Op   string // "file: put"
	Key  Key    // empty when no single object is concerned
	Kind error  // one of the six, or nil when the caller's context ended
	Err  error  // the cause, or nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.Key != "" {
		s += " " + string(e.Key)
	}
	if e.Err != nil {
		return s + ": " + e.Err.Error()
	}
	return s + ": " + e.Kind.Error()
}

// Unwrap gives the kind and the cause to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	switch {
	case e.Err == nil:
		return []error{e.Kind}
	case e.Kind == nil:
		return []error{e.Err}
	}
	return []error{e.Kind, e.Err}
}

// Ended is the error of an operation that stopped because its context did. It
// is of none of the six kinds, since the remote has no part in it, and matches
// both the context's error and its cause. It is nil while ctx goes on.
func Ended(ctx context.Context, op string, key Key) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &Error{Op: op, Key: key, Err: err}
}
