package main

import (
	"errors"
	"fmt"
	"strings"

	"sstatefs/ctl"
	"sstatefs/remote"
	"sstatefs/store"

	"sstatefs/cmd/sstatefs/internal/amount"
)

// Exit codes. They are part of the interface; see doc.go.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPart        = 3
	exitUnreachable = 4
)

// failure is an error with its exit code and the next command to type.
type failure struct {
	code int
	err  error  // nil: everything is said already
	hint string // may be empty
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// exitCode is the code that an error ends the program with.
func exitCode(err error) int {
	var f *failure
	var e *ctl.Error
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &f):
		return f.code
	case errors.As(err, &e):
		return kindCode(e.Kind)
	case errors.Is(err, remote.ErrUnavailable):
		return exitUnreachable
	case errors.Is(err, remote.ErrUnsupported):
		return exitPart
	}
	return exitFailed
}

func kindCode(kind ctl.Kind) int {
	switch kind {
	case ctl.KindNotMounted, ctl.KindDead, ctl.KindUnreachable, ctl.KindDenied, ctl.KindRemote:
		return exitUnreachable
	case ctl.KindUnsupported:
		return exitPart
	}
	return exitFailed
}

// errorText gives the line and the hint of an error, without a prefix.
func errorText(err error) (message, hint string) {
	var f *failure
	var e *ctl.Error
	switch {
	case errors.As(err, &f):
		hint = f.hint
	case errors.As(err, &e):
		hint = e.Hint
	}
	return strings.ReplaceAll(err.Error(), "\n", "; "), hint
}

func (p *program) printError(err error) {
	message, hint := errorText(err)
	if message != "" {
		fmt.Fprintf(p.stderr, "sstatefs: %s\n", message)
	}
	if hint != "" {
		fmt.Fprintf(p.stderr, "hint: %s\n", hint)
	}
}

// leftError is the error of a command that ends while something is not sent,
// nil when nothing is left.
func leftError(what string, left store.Left, hint string) error {
	if left.Objects == 0 && left.Held == 0 {
		return nil
	}
	parts := make([]string, 0, 2)
	if left.Objects > 0 {
		parts = append(parts, fmt.Sprintf("%s (%s) not sent", objects(left.Objects), amount.Size(left.Bytes)))
	}
	if left.Held > 0 {
		parts = append(parts, fmt.Sprintf("%s refused by the remote", objects(left.Held)))
	}
	text := what + ": " + strings.Join(parts, ", ")
	if left.Reason != "" {
		text += ": " + left.Reason
	}
	return &failure{code: exitPart, err: errors.New(text), hint: hint}
}

// objects counts in words.
func objects(n int64) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}
