package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// tooLarge is a store whose cache keeps nothing, and an archive of its remote.
func tooLarge(t *testing.T) (r *rig, key string, content []byte) {
	t.Helper()
	r = newRig(t, func(o *Options, _ *remote.Traits) { o.CacheSize = 10 })
	key = testKey(1, "package")
	contents := newModelContents()
	content = contents.make(key, modelOp{id: 79, arg: 1}) // about a kilobyte of noise
	return r, key, content
}

// TestFarReadIsChecked: a wrong byte anywhere makes a reader fail before it has
// all that stat promised it.
func TestFarReadIsChecked(t *testing.T) {
	r, key, content := tooLarge(t)
	r.mem.Set(remote.Key(key), content)
	if got, err := r.read(key); err != nil || got != string(content) {
		t.Fatalf("read of a whole archive: %d bytes, %v", len(got), err)
	}
	for _, at := range []int{40, len(content) / 2, len(content) - 1} {
		wrong := bytes.Clone(content)
		wrong[at] ^= 4
		r.mem.Set(remote.Key(key), wrong)
		r.names.clearCorrupt(key)
		o, err := r.Open(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(content))
		n, err := o.ReadAt(got, 0)
		if n == len(got) || !errors.Is(err, remote.ErrCorrupt) {
			t.Errorf("byte %d wrong: read %d of %d, %v, want %v", at, n, len(got), err, remote.ErrCorrupt)
		}
		o.Close()
		r.wantMiss(key) // until somebody replaces it
	}
}

// TestFarReadInAnyOrder: the kernel's requests overtake each other, and still
// are one request to the remote.
func TestFarReadInAnyOrder(t *testing.T) {
	r, key, content := tooLarge(t)
	r.mem.Set(remote.Key(key), content)
	o, err := r.Open(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	before := r.mem.Calls("get")
	const step = 100
	got := make([]byte, len(content))
	var wg sync.WaitGroup
	for at := len(content) / step * step; at >= 0; at -= step {
		wg.Add(1)
		go func() {
			defer wg.Done()
			end := min(at+step, len(got))
			if n, err := o.ReadAt(got[at:end], int64(at)); n != end-at || err != nil && err != io.EOF {
				t.Errorf("read at %d: %d, %v", at, n, err)
			}
		}()
	}
	wg.Wait()
	if !bytes.Equal(got, content) {
		t.Error("read something else")
	}
	if n := r.mem.Calls("get") - before; n > 2 {
		t.Errorf("%d requests", n)
	}
}

// TestFarReadGivenUp: who lets a read that hangs go first goes when he likes.
func TestFarReadGivenUp(t *testing.T) {
	r, key, content := tooLarge(t)
	r.mem.Set(remote.Key(key), content)
	o, err := r.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	r.mem.Hang("get")
	ctx, cancel := context.WithTimeout(t.Context(), 4*farPatience)
	defer cancel()
	done := make(chan error, 2)
	go func() { _, err := o.Within(ctx).ReadAt(make([]byte, 10), 100); done <- err }()
	if !remotetest.Eventually(func() bool {
		o.far.turn <- struct{}{}
		defer func() { <-o.far.turn }()
		return o.far.moved != nil
	}) {
		t.Fatal("nobody waits for what comes before")
	}
	defer func() { r.mem.Release(); <-done }()
	go func() { _, err := o.ReadAt(make([]byte, 10), 0); done <- err }()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ReadAt = %v, want %v", err, context.DeadlineExceeded)
	}
}
