package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// canRedraw tells whether w is a terminal that can draw over what it shows. The
// shell of an editor and the console of a CI cannot, and say so by their TERM.
func canRedraw(w io.Writer) bool {
	return os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// screen is the size of a terminal in characters, 0 if unknown.
type screen struct{ rows, columns int }

func sizeOf(terminal *os.File) screen {
	size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return screen{}
	}
	return screen{int(size.Row), int(size.Col)}
}

// cut gives the first characters of a line; 0 are all.
func cut(line []byte, columns int) []byte {
	if columns <= 0 || utf8.RuneCount(line) <= columns {
		return line
	}
	end := 0
	for range columns {
		_, size := utf8.DecodeRune(line[end:])
		end += size
	}
	return line[:end]
}

// clearLine goes back to the begin of a terminal's line and empties it.
const clearLine = "\r\x1b[K"

// redraw is how often a progress line is drawn at most.
const redraw = 100 * time.Millisecond

// progressLine is the line of a terminal that tells how far work is.
type progressLine struct {
	terminal *os.File

	mu   sync.Mutex
	last time.Time // it was drawn; zero when it is empty
}

// newProgressLine is nil where nothing is to be drawn: with --json, and where
// stderr is no terminal.
func (p *program) newProgressLine() *progressLine {
	terminal, ok := p.stderr.(*os.File)
	if p.json || !ok || !canRedraw(terminal) {
		return nil
	}
	return &progressLine{terminal: terminal}
}

// draw shows the text for a width, which 0 leaves open. A line that wraps could
// not be taken away again, so one column stays free.
func (l *progressLine) draw(text func(columns int) string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.last) < redraw {
		return
	}
	l.last = time.Now()
	columns := max(0, sizeOf(l.terminal).columns-1)
	fmt.Fprintf(l.terminal, "%s%s", clearLine, cut([]byte(text(columns)), columns))
}

// clear empties the line.
func (l *progressLine) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() {
		fmt.Fprint(l.terminal, clearLine)
		l.last = time.Time{}
	}
}
