package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
)

// isTerminal tells whether w is a terminal, where progress may be shown.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// clearLine goes back to the begin of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

// progress shows what is still to be sent, on a terminal; done removes it.
func (p *program) progress() (show func(ctl.Progress), done func()) {
	if !isTerminal(p.stderr) {
		return func(ctl.Progress) {}, func() {}
	}
	show = func(now ctl.Progress) {
		fmt.Fprintf(p.stderr, "%ssending: %s (%s) left", clearLine, objects(now.Queue.Objects), amount.Size(now.Queue.Bytes))
	}
	return show, func() { fmt.Fprint(p.stderr, clearLine) }
}
