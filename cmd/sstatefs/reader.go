package main

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// whileRead is ctx until nobody reads out any more. A write to a pipe without a
// reader ends the program (SIGPIPE), but there may be nothing to write for
// hours. stop ends the watch and waits for it.
func whileRead(ctx context.Context, out io.Writer) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancel(ctx)
	f, ok := out.(*os.File)
	if !ok {
		return reading, cancel
	}
	quit, end, err := os.Pipe()
	if err != nil {
		return reading, cancel
	}
	var watching sync.WaitGroup
	watching.Go(func() {
		defer quit.Close()
		// Errors and hang-ups are told of what nothing is asked for: poll(2).
		fds := []unix.PollFd{{Fd: int32(f.Fd())}, {Fd: int32(quit.Fd())}}
		for err := error(unix.EINTR); errors.Is(err, unix.EINTR); {
			_, err = unix.Poll(fds, -1)
		}
		cancel()
	})
	return reading, func() {
		cancel()
		end.Close()
		watching.Wait()
	}
}
