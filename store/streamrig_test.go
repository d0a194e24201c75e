package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// A river is a remote whose bodies flow as far as they are let, and as they are
// told.
type river struct {
	*remotetest.Memory
	vouches bool // it keeps checksums, as S3 does

	mu    sync.Mutex
	moved chan struct{} // closed when what follows changes
	gate  int64         // bytes of a body that pass; its end passes beyond its size
	bad   []spoiling    // of the next bodies
}

// spoiling is what becomes of a body.
type spoiling struct {
	wrong int64 // a byte that is another, negative for none
	end   int64 // where it ends with err, negative for nowhere
	err   error
}

const open = 1 << 40 // a gate that lets all pass

func newRiver(m *remotetest.Memory) *river {
	return &river{Memory: m, gate: open, moved: make(chan struct{})}
}

// let lets bodies flow up to so many bytes.
func (r *river) let(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gate = n
	close(r.moved)
	r.moved = make(chan struct{})
}

// spoil says what becomes of the next bodies.
func (r *river) spoil(s ...spoiling) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bad = s
}

func (r *river) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	in, info, err := r.Memory.Get(ctx, key, offset)
	if err != nil {
		return nil, info, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &flowing{ReadCloser: in, ctx: ctx, r: r, key: key, bad: spoiling{wrong: -1, end: -1}, sum: sha256.New()}
	if len(r.bad) > 0 {
		b.bad, r.bad = r.bad[0], r.bad[1:]
	}
	b.want = sha256.Sum256(r.Snapshot()[key])
	return b, info, nil
}

// flowing is a body of a river.
type flowing struct {
	io.ReadCloser
	ctx context.Context // of Get
	r   *river
	key remote.Key
	at  int64
	bad spoiling
	sum interface {
		io.Writer
		Sum([]byte) []byte
	}
	want [sha256.Size]byte
}

func (b *flowing) Verifies() bool { return b.r.vouches }

func (b *flowing) Read(p []byte) (int, error) {
	n, err := b.pass(int64(len(p)))
	if err != nil {
		return 0, err
	}
	got, err := b.ReadCloser.Read(p[:n])
	if i := b.bad.wrong - b.at; i >= 0 && i < int64(got) {
		p[i] ^= 4
	}
	b.at += int64(got)
	b.sum.Write(p[:got])
	if err == io.EOF && b.r.vouches && [sha256.Size]byte(b.sum.Sum(nil)) != b.want {
		err = &remote.Error{Op: "river: get", Key: b.key, Kind: remote.ErrCorrupt, Err: fmt.Errorf("wrong checksum")}
	}
	return got, err
}

// pass waits until some of n bytes, or the end of the body, may pass.
func (b *flowing) pass(n int64) (int64, error) {
	for {
		b.r.mu.Lock()
		gate, moved := b.r.gate, b.r.moved
		b.r.mu.Unlock()
		switch {
		case gate > b.at && b.at == b.bad.end:
			return 0, b.bad.err
		case gate > b.at && b.at < b.bad.end:
			return min(n, gate-b.at, b.bad.end-b.at), nil
		case gate > b.at:
			return min(n, gate-b.at), nil
		}
		select {
		case <-moved:
		case <-b.ctx.Done():
			return 0, remote.Ended(b.ctx, "river: get", b.key)
		}
	}
}

// streamRig is a store with a river, and a large object in it.
type streamRig struct {
	*rig
	river   *river
	key     string
	content []byte
}

const streamed = 3 << 20 // bytes of the large object, about

// newStreamRig has a remote that keeps checksums, or none: then archives are
// decoded.
func newStreamRig(t *testing.T, vouches bool, set func(*Options)) *streamRig {
	t.Helper()
	r := &streamRig{key: testKey(1, "package")}
	r.rig = newRig(t, func(o *Options, tr *remote.Traits) {
		r.river = newRiver(o.Remote.(*remotetest.Memory))
		r.river.vouches = vouches
		o.Remote = r.river
		o.Guard.StallTimeout, o.Guard.OpTimeout = time.Minute, 30*time.Second
		tr.CheapStat = false
		if set != nil {
			set(o)
		}
	})
	r.content = r.put(1)
	r.listed()
	t.Cleanup(func() { r.river.let(open) }) // before the store is closed
	return r
}

// put gives the remote another content of the same size.
func (r *streamRig) put(seed uint64) []byte {
	r.t.Helper()
	noise := make([]byte, streamed)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = random.Read(noise)
	content := packed(r.t, string(noise))
	r.mem.Set(remote.Key(r.key), content)
	return content
}

// opened opens the object, which must be there to read before it has come.
func (r *streamRig) opened() *Object {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	o, err := r.Open(ctx, r.key)
	if err != nil {
		r.t.Fatalf("Open = %v", err)
	}
	r.t.Cleanup(func() { o.Close() })
	return o
}

// came waits until so many bytes have come.
func (r *streamRig) came(o *Object, n int64) {
	r.t.Helper()
	if !remotetest.Eventually(func() bool {
		o.stream.mu.Lock()
		defer o.stream.mu.Unlock()
		return o.stream.have >= n
	}) {
		r.t.Fatalf("%d bytes never came", n)
	}
}

// reading is a read that may have to wait.
type reading struct {
	p    []byte
	n    int
	err  error
	done chan struct{}
}

func read(o *Object, off, n int64) *reading {
	r := &reading{p: make([]byte, n), done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.n, r.err = o.ReadAt(r.p, off)
	}()
	return r
}

// result waits for the end of a read.
func (r *reading) result(t *testing.T) ([]byte, error) {
	t.Helper()
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		t.Fatal("a read hangs")
	}
	return r.p[:r.n], r.err
}

func (r *reading) waits() bool {
	select {
	case <-r.done:
		return false
	default:
		return true
	}
}
