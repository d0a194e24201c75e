package remote_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A bodyRemote gives bodies of its own.
type bodyRemote struct {
	*remotetest.Memory
	get func() (io.ReadCloser, int64)
}

func (r bodyRemote) Get(_ context.Context, key remote.Key, _ int64) (io.ReadCloser, remote.Info, error) {
	body, size := r.get()
	return body, remote.Info{Key: key, Size: size}, nil
}

// A stuckBody hangs, whatever is done to it, and then writes into what it was
// given.
type stuckBody struct{ release, wrote chan struct{} }

func (b stuckBody) Read(p []byte) (int, error) {
	<-b.release
	clear(p)
	close(b.wrote)
	return len(p), nil
}

func (stuckBody) Close() error { return nil }

// The buffer of a read that was left behind serves no other body.
func TestStuckReadKeepsItsBuffer(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that what is given back is what is taken next
	virtual(t, remote.GuardOptions{}, func(f *fixture) {
		stuck := stuckBody{make(chan struct{}), make(chan struct{})}
		content := remotetest.Pattern(100_000, 1)
		bodies := []io.ReadCloser{stuck, io.NopCloser(bytes.NewReader(content))}
		g := remote.NewGuard(bodyRemote{f.m, func() (io.ReadCloser, int64) {
			body := bodies[0]
			bodies = bodies[1:]
			return body, int64(len(content))
		}}, remote.GuardOptions{})
		first, _, err := g.Get(f.Context(), key, 0)
		f.want(err, nil)
		_, err = first.Read(make([]byte, 10))
		f.want(err, remote.ErrUnavailable)
		f.want(first.Close(), nil)
		time.Sleep(time.Minute) // a probe closes the breaker

		second, _, err := g.Get(f.Context(), key, 0)
		f.want(err, nil)
		got := make([]byte, len(content))
		_, err = io.ReadFull(second, got[:10])
		f.want(err, nil)
		close(stuck.release)
		<-stuck.wrote
		_, err = io.ReadFull(second, got[10:])
		f.want(err, nil)
		if !bytes.Equal(got, content) {
			f.Errorf("the read of one body wrote into another")
		}
		f.want(second.Close(), nil)
		f.want(g.Close(f.Context()), nil)
	})
}

// A vouchedBody has a checksum of the server's.
type vouchedBody struct {
	io.Reader
	sum [sha256.Size]byte
}

func (vouchedBody) Close() error                        { return nil }
func (vouchedBody) Verifies() bool                      { return true }
func (b vouchedBody) Sum256() ([sha256.Size]byte, bool) { return b.sum, true }

// A checksum passes through, once all of its content has been read.
func TestSumOfABody(t *testing.T) {
	content := remotetest.Pattern(1<<20, 1)
	want := sha256.Sum256(content)
	g := remote.NewGuard(bodyRemote{remotetest.NewMemory(), func() (io.ReadCloser, int64) {
		return vouchedBody{bytes.NewReader(content), want}, int64(len(content))
	}}, remote.GuardOptions{})
	body, _, err := g.Get(t.Context(), key, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !body.(remote.Verifier).Verifies() {
		t.Errorf("Verifies = false before the first byte")
	}
	if _, err := io.ReadFull(body, make([]byte, len(content))); err != nil {
		t.Fatal(err)
	}
	if _, ok := body.(remote.Summer).Sum256(); ok {
		t.Errorf("there is a sum before the end was seen")
	}
	if n, err := io.Copy(io.Discard, body); n != 0 || err != nil {
		t.Errorf("rest = %d bytes, %v", n, err)
	}
	if got, ok := body.(remote.Summer).Sum256(); !ok || got != want {
		t.Errorf("Sum256 = %x, %t, want %x", got, ok, want)
	}
	if err := errors.Join(body.Close(), g.Close(t.Context())); err != nil {
		t.Error(err)
	}
}
