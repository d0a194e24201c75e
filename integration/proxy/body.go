package proxy

import (
	"errors"
	"io"
	"time"
)

var errBroken = errors.New("proxy: broken off")

// spoil is a body with a fault, if that is one of bodies.
func spoil(body io.Reader, f Fault, changed <-chan struct{}) io.Reader {
	switch f.kind {
	case stall, drop, reset:
		return &broken{body: body, left: f.amount, stalls: f.kind == stall, changed: changed}
	case mangle:
		return &mangled{body: body}
	case slow:
		return &throttled{body: body, rate: f.amount, changed: changed}
	}
	return body
}

// broken ends after some bytes, at once or when the fault changes.
type broken struct {
	body    io.Reader
	left    int64
	stalls  bool
	changed <-chan struct{}
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		n, err := b.body.Read(p[:min(1, len(p))])
		if n == 0 && err != nil {
			return 0, err // it was no longer than that
		}
		if b.stalls {
			<-b.changed
		}
		return 0, errBroken
	}
	n, err := b.body.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// mangleStep is how far the bytes that are changed are apart. The first one is
// half a step in, so that the head of a file looks right.
const mangleStep = 256

type mangled struct {
	body io.Reader
	at   int64
}

func (m *mangled) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	for i := range p[:n] {
		if (m.at+int64(i))%mangleStep == mangleStep/2 {
			p[i] ^= 0x55
		}
	}
	m.at += int64(n)
	return n, err
}

// throttled gives its bytes in ten pieces a second.
type throttled struct {
	body    io.Reader
	rate    int64 // bytes a second
	changed <-chan struct{}
}

func (b *throttled) Read(p []byte) (int, error) {
	const pause = 100 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.changed:
	}
	return b.body.Read(p[:min(int64(len(p)), max(1, b.rate*int64(pause)/int64(time.Second)))])
}
