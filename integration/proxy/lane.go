package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pieceSize bounds a piece on its way, in bytes; pieces of them are on a lane
// at most: 32 MiB, more than what a window of TCP lets through.
const (
	pieceSize = 64 << 10
	pieces    = 512
)

// A lane is one direction of a connection. Each piece is delayed, none leaves
// before a time.
type lane struct {
	to, from net.Conn
	delay    time.Duration
	first    time.Time
	limit    *rate.Limiter // may be nil
	buffers  *sync.Pool    // of *[pieceSize]byte
}

type piece struct {
	due     time.Time
	content *[pieceSize]byte
	size    int // 0 is the end
}

// Of a limit. A reader that comes late, because the machine is busy, makes up
// for as much as lateness; a link that was idle for so long lets as much pass
// at once, one percent of what takes two seconds. Nobody waits for less than
// nap, so that pieces go in clumps: a busy link wakes somebody 500 times a
// second and not for each piece.
const (
	lateness = 20 * time.Millisecond
	nap      = 2 * time.Millisecond
)

func limiter(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond == 0 {
		return nil
	}
	burst := float64(bytesPerSecond) * lateness.Seconds()
	return rate.NewLimiter(rate.Limit(bytesPerSecond), max(int(burst), pieceSize))
}

// carry takes bytes from one end to the other.
func (l lane) carry() {
	way := make(chan piece, pieces)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		l.take(way)
	})
	for p := range way {
		time.Sleep(time.Until(p.due))
		if p.size == 0 {
			break
		}
		_, err := l.to.Write(p.content[:p.size])
		l.buffers.Put(p.content)
		if err != nil {
			l.from.Close() // nobody hears the sender any more
			break
		}
	}
	if c, ok := l.to.(*net.TCPConn); ok {
		_ = c.CloseWrite() // it may be closed
	}
	for range way { // until the reader has ended
	}
	reader.Wait()
}

// take reads what is sent until its end, which takes its time too. A broken
// connection breaks the other one.
func (l lane) take(way chan<- piece) {
	for {
		content := l.buffers.Get().(*[pieceSize]byte)
		n, err := l.from.Read(content[:])
		due := l.pass(n)
		if n > 0 {
			way <- piece{due, content, n}
		}
		if errors.Is(err, io.EOF) {
			way <- piece{due, nil, 0}
		}
		if err != nil {
			return
		}
	}
}

// pass lets the link take n bytes, when it is free for them, and tells when
// they are at the other end.
func (l lane) pass(n int) (due time.Time) {
	if l.limit != nil {
		if wait := l.limit.ReserveN(time.Now(), n).Delay(); wait > nap {
			time.Sleep(wait)
		}
	}
	due = time.Now()
	if due.Before(l.first) {
		due = l.first
	}
	return due.Add(l.delay)
}
