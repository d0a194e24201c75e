package store

import (
	"fmt"
	"syscall"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// The kinds of error that come from the remote, for package fs, which knows
// only this one. Everything else is a syscall.Errno or wraps one.
var (
	ErrNotExist    = remote.ErrNotExist
	ErrExist       = remote.ErrExist
	ErrPermission  = remote.ErrPermission
	ErrUnavailable = remote.ErrUnavailable
	ErrCorrupt     = remote.ErrCorrupt
	ErrUnsupported = remote.ErrUnsupported
)

// errRefused is what replacing an object is under --unlink=refuse.
var errRefused = fmt.Errorf("published objects stay: %w", syscall.EPERM)

// IsObject reports whether path is the name of an object. What is published
// under it is another question.
func IsObject(path string) bool { return isObject(path) }

// IsTemporary reports whether a path is scratch that somebody writes and then
// publishes or removes: nobody locks it.
func IsTemporary(path string) bool { return sstate.IsTemporary(path) }
