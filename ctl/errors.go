package ctl

import (
	"context"
	"errors"

	"sstatefs/remote"
)

// Kind says what sort of failure an Error is. The values are stable.
type Kind string

// The kinds of failure.
const (
	KindFailed      Kind = "failed"      // anything else
	KindBusy        Kind = "busy"        // the mount is in use
	KindDenied      Kind = "denied"      // another user's
	KindInterrupted Kind = "interrupted" // the caller gave up
	KindRequest     Kind = "request"     // the request makes no sense
	KindUnsupported Kind = "unsupported" // this remote cannot do it
	KindNotMounted  Kind = "not_mounted" // nothing of ours is there
	KindDead        Kind = "dead"        // mounted, but its daemon is gone
	KindUnreachable Kind = "unreachable" // the daemon does not answer
	KindRemote      Kind = "remote"      // the remote does not answer
)

// Error is a failure worded for a person. It is part of the protocol: the JSON
// keys are stable.
type Error struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"`        // one line: what, where, why
	Hint    string `json:"hint,omitempty"` // the next command to type
}

func (e *Error) Error() string { return e.Message }

// IsKind tells whether err is or wraps an *Error of this kind.
func IsKind(err error, kind Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == kind
}

// asError words any error of the store or the mount for the wire.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	kind := KindFailed
	switch {
	case errors.Is(err, remote.ErrUnavailable):
		kind = KindRemote
	case errors.Is(err, remote.ErrUnsupported):
		kind = KindUnsupported
	case errors.Is(err, context.Canceled):
		kind = KindInterrupted
	}
	return &Error{Kind: kind, Message: err.Error()}
}

// KindOf is the Kind of err, KindFailed for an error of another type.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindFailed
}
