package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// watchFlags are --watch and --interval.
type watchFlags struct {
	watch    bool
	interval ageValue
}

func (f *watchFlags) add(cmd *cobra.Command) {
	f.interval = ageValue{d: 2 * time.Second, min: time.Second}
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "show it again and again until interrupted; with --json one object a line")
	cmd.Flags().Var(&f.interval, "interval", "time between two looks of --watch")
}

// Sequences that every terminal of the last decades knows (ECMA-48, and xterm
// for the other screen).
const (
	otherScreen = "\x1b[?1049h\x1b[?25l" // a screen of its own, without a cursor
	firstScreen = "\x1b[?25h\x1b[?1049l" // what was there before, with its cursor
	home        = "\x1b[H"
	clearRight  = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// look is what show prints, once or, with --watch, until ctx is done or show
// fails. A terminal shows one picture that changes; elsewhere they follow each
// other.
func (p *program) look(ctx context.Context, f *watchFlags, show func(w io.Writer) error) error {
	if !f.watch {
		return show(p.stdout)
	}
	ctx, stop := whileRead(ctx, p.stdout)
	defer stop()
	terminal, _ := p.stdout.(*os.File)
	if p.json || !canRedraw(p.stdout) {
		terminal = nil
	}
	signals := make(chan os.Signal, 1)
	if terminal != nil {
		signal.Notify(signals, syscall.SIGWINCH, syscall.SIGTSTP)
		defer signal.Stop(signals)
		fmt.Fprint(terminal, otherScreen)
	}
	picture, err := p.watch(ctx, f.interval.d, watching{terminal, signals, show})
	if terminal != nil {
		fmt.Fprint(terminal, firstScreen)
		_, _ = terminal.Write(picture) // so that the last state stays
	}
	if ctx.Err() != nil {
		return nil // an interrupt is how it ends
	}
	return err
}

// watching is what is watched, and where.
type watching struct {
	terminal *os.File         // nil for what is none
	signals  <-chan os.Signal // it has another size, or is wanted for the shell
	show     func(w io.Writer) error
}

// watch looks every interval. It gives the last picture.
func (p *program) watch(ctx context.Context, interval time.Duration, w watching) ([]byte, error) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	var last []byte
	for n := 0; ; n++ {
		var picture bytes.Buffer
		if err := w.show(&picture); err != nil {
			return last, err
		}
		last = picture.Bytes()
		if err := p.draw(w.terminal, last, n); err != nil {
			return nil, err
		}
		for waiting := true; waiting; {
			select {
			case <-tick.C:
				waiting = false
			case signal := <-w.signals:
				if signal == syscall.SIGTSTP {
					w.pause()
				}
				if err := p.draw(w.terminal, last, n); err != nil {
					return nil, err
				}
			case <-ctx.Done():
				return last, nil
			}
		}
	}
}

// pause gives the terminal back until this process is continued (Ctrl-Z, fg).
// The signal is for this very thread: with one for the process another thread is
// stopped first, and this one may write on meanwhile.
func (w watching) pause() {
	fmt.Fprint(w.terminal, firstScreen)
	runtime.LockOSThread()
	_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	runtime.UnlockOSThread()
	fmt.Fprint(w.terminal, otherScreen)
}

// draw shows the n-th picture.
func (p *program) draw(terminal *os.File, picture []byte, n int) error {
	if terminal != nil {
		_, err := terminal.Write(fitted(picture, sizeOf(terminal)))
		return err
	}
	if n > 0 && !p.json {
		fmt.Fprintln(p.stdout)
	}
	_, err := p.stdout.Write(picture)
	return err
}

// fitted makes a picture overwrite what the screen shows: lines are cut to its
// size, for one that wraps or is below the last would make it scroll.
func fitted(picture []byte, size screen) []byte {
	out := []byte(home)
	lines := bytes.Split(bytes.TrimSuffix(picture, []byte("\n")), []byte("\n"))
	if size.rows > 0 && len(lines) > size.rows {
		lines = lines[:size.rows]
	}
	for i, line := range lines {
		if i > 0 {
			out = append(out, "\r\n"...)
		}
		out = append(out, cut(line, size.columns)...)
		out = append(out, clearRight...)
	}
	return append(out, clearBelow...)
}
