package remotetest

import (
	"context"
	"io"

	"sstatefs/remote"
)

// bodyStep is the most that one Read gives, in bytes.
const bodyStep = 64 << 10

// memoryBody reads an object as it was when it was opened.
type memoryBody struct {
	m   *Memory
	ctx context.Context // of Get
	key remote.Key
	all []byte // what is left
}

// Get see remote.Remote.
func (m *Memory) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	if err := m.enter(ctx, "get", key); err != nil {
		return nil, remote.Info{}, err
	}
	o, err := m.find("get", key)
	switch {
	case err != nil:
		return nil, remote.Info{}, err
	case offset < 0:
		return nil, remote.Info{}, fail("get", key, remote.ErrUnsupported)
	case offset > int64(len(o.content)):
		return nil, remote.Info{}, fail("get", key, remote.ErrCorrupt)
	}
	info := remote.Info{Key: key, Size: int64(len(o.content)), ModTime: o.time}
	return &memoryBody{m, ctx, key, m.spoil(o.content[offset:])}, info, nil
}

func (b *memoryBody) Read(p []byte) (int, error) {
	if err := b.m.enter(b.ctx, "read", b.key); err != nil {
		return 0, err
	}
	if len(b.all) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.all[:min(len(b.all), bodyStep)])
	b.all = b.all[n:]
	b.m.mu.Lock()
	b.m.out += int64(n)
	b.m.mu.Unlock()
	return n, nil
}

func (b *memoryBody) Close() error { return nil }
