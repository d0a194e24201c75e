package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"sstatefs/remote/remotetest"
)

// Who goes away does not end a stream, nor does who gives up before it begins.
func TestStreamOutlivesItsReader(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	o, err := r.Open(t.Context(), r.key)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	r.river.let(open)
	if !remotetest.Eventually(func() bool { return localID(r.layout.object(r.key)) != (FileID{}) }) {
		t.Error("it is not kept")
	}
	r.wantContent(r.key, string(r.content))
	if n := r.mem.Calls("get"); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Who has closed it is not told that it breaks, and leaves nothing behind.
func TestStreamForgetsWhoCloses(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	o := r.opened()
	var told, toldClosed atomic.Int64
	o.WhenBroken(func() { told.Add(1) })
	for range 10 {
		p, err := r.Open(t.Context(), r.key)
		if err != nil {
			t.Fatal(err)
		}
		p.WhenBroken(func() { toldClosed.Add(1) })
		p.Close()
	}
	o.stream.mu.Lock()
	kept := len(o.stream.broken)
	o.stream.mu.Unlock()
	if kept != 1 {
		t.Errorf("%d are to be told, want 1", kept)
	}
	r.close()
	if told.Load() != 1 || toldClosed.Load() != 0 {
		t.Errorf("told %d times, and %d times who has closed it", told.Load(), toldClosed.Load())
	}
}

// Close of the store ends streams and whoever waits for them.
func TestStreamEndsWithStore(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	o := r.opened()
	wait := read(o, 2<<20, 1)
	r.close()
	if _, err := wait.result(t); !errors.Is(err, syscall.EIO) {
		t.Errorf("read = %v, want %v", err, syscall.EIO)
	}
}

// What is published or removed here meanwhile counts for who opens the name
// then; who reads the stream goes on.
func TestStreamOvertaken(t *testing.T) {
	for _, how := range []string{"published", "removed"} {
		t.Run(how, func(t *testing.T) {
			r := newStreamRig(t, true, nil)
			r.river.let(1 << 20)
			o := r.opened()
			ours := r.scratchFile(r.key, "ours")
			if how == "published" {
				if err := r.Rename(t.Context(), ours, r.key, 0); err != nil {
					t.Fatal(err)
				}
				r.wantContent(r.key, "ours")
			} else if err := r.Unlink(t.Context(), r.key); err != nil {
				t.Fatal(err)
			}
			r.river.let(open)
			if got, err := readObject(o); err != nil || !bytes.Equal(got, r.content) {
				t.Errorf("read on = %d bytes, %v", len(got), err)
			}
			if how == "published" {
				r.wantContent(r.key, "ours")
			} else {
				r.flush()
				r.wantMiss(r.key)
			}
		})
	}
}

// Who needs the file itself waits for all of it.
func TestStreamIsAwaited(t *testing.T) {
	r := newStreamRig(t, true, nil)
	r.river.let(1 << 20)
	o := r.opened()
	results := make(chan error, 2)
	go func() {
		_, err := r.Link(context.Background(), r.key, "name")
		results <- err
	}()
	go func() {
		_, err := r.Warm(context.Background(), []string{r.key}, WarmOptions{Jobs: 1}, nil)
		results <- err
	}()
	r.came(o, 1<<19)
	select {
	case err := <-results:
		t.Errorf("done before it has come: %v", err)
	default:
	}
	r.river.let(open)
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if got, err := os.ReadFile(r.layout.scratch("name")); err != nil || !bytes.Equal(got, r.content) {
		t.Errorf("the link has %d bytes, %v", len(got), err)
	}
}

// Readers that come, go and read anywhere while a stream flows read what is
// there.
func TestStreamOfMany(t *testing.T) {
	r := newStreamRig(t, false, nil)
	r.river.let(0)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			o, err := r.Open(context.Background(), r.key)
			if err != nil {
				t.Errorf("Open = %v", err)
				return
			}
			defer o.Close()
			for i := range 20 {
				at := int64((n*7919 + i*104729) % len(r.content))
				got := make([]byte, 50_000)
				m, err := o.ReadAt(got, at)
				if err != nil && err != io.EOF || !bytes.Equal(got[:m], r.content[at:at+int64(m)]) {
					t.Errorf("read at %d = %d bytes, %v", at, m, err)
				}
			}
		})
	}
	for n := range 31 {
		r.river.let(int64(n) * 100_000)
	}
	r.river.let(open)
	wg.Wait()
	if n := r.mem.Calls("get"); n != 1 {
		t.Errorf("%d requests", n)
	}
}
