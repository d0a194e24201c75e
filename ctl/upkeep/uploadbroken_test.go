package upkeep_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/remote/remotetest"
)

// cutting is a source whose connection breaks in the middle of an object.
type cutting struct {
	*remotetest.Memory
	times int // that it does so
}

func (c *cutting) Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error) {
	body, info, err := c.Memory.Get(ctx, key, offset)
	if err != nil || c.times == 0 {
		return body, info, err
	}
	c.times--
	return &cutBody{body, info.Size / 2}, info, nil
}

type cutBody struct {
	io.ReadCloser
	left int64
}

// Read ends as a server that closes a new connection without an answer makes it.
func (c *cutBody) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, &remote.Error{Op: "get", Kind: remote.ErrUnavailable, Err: fmt.Errorf("resume: %w", io.EOF)}
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// TestUploadFromABrokenConnection: a source that breaks off is tried again, and is a
// failure if that does not help; nothing has changed there.
func TestUploadFromABrokenConnection(t *testing.T) {
	for _, test := range []struct {
		times        int
		patience     time.Duration
		sent, failed int64
	}{{1, 30 * time.Second, 1, 0}, {100, 0, 0, 1}} {
		from, target := &cutting{remotetest.NewMemory(), test.times}, remotetest.NewMemory()
		from.Set(artefact("zlib", "package", 1), tarball(t, 600<<10))
		r := upload(t, from, target, upkeep.UploadOptions{Patience: test.patience})
		if r.Sent.Objects != test.sent || r.Failed.Objects != test.failed || r.Changed.Objects != 0 {
			t.Errorf("broken %d times: Upload() = %+v, want %d sent and %d failed", test.times, r, test.sent, test.failed)
		}
	}
}

// TestUploadThatCannotCompare: a signature whose archive in the target cannot be read
// is not left behind in silence.
func TestUploadThatCannotCompare(t *testing.T) {
	for _, times := range []int{1, 100} {
		dir, target := newSstateDir(t), &cutting{remotetest.NewMemory(), times}
		a, content := artefact("zlib", "package", 1), tarball(t, 600<<10)
		dir.put(a, content)
		dir.put(a+".sig", []byte("sig"))
		target.Set(a, content)
		patience := time.Duration(0)
		if times == 1 {
			patience = 30 * time.Second
		}
		r := upload(t, dir.open(), target, upkeep.UploadOptions{Patience: patience})
		if sent := int64(2 - min(times, 2)); r.Sent.Objects != sent || r.Failed.Objects != 1-sent || r.Withheld.Objects != 0 {
			t.Errorf("broken %d times: Upload() = %+v, want the signature sent or failed", times, r)
		}
	}
}

// filling makes an object of an empty one when the first put fails.
type filling struct {
	*remotetest.Memory
	content []byte
}

func (f *filling) Put(ctx context.Context, key remote.Key, src remote.Source, opt remote.PutOptions) error {
	if f.content != nil {
		f.Set(key, f.content)
		f.content = nil
		return &remote.Error{Op: "put", Key: key, Kind: remote.ErrUnavailable}
	}
	return f.Memory.Put(ctx, key, src, opt)
}

// TestUploadReplacesNoWholeObject: what somebody publishes in the place of an empty
// file between two tries stays.
func TestUploadReplacesNoWholeObject(t *testing.T) {
	dir, target := newSstateDir(t), &filling{remotetest.NewMemory(), tarball(t, 11)}
	a, want := artefact("zlib", "package", 1), string(target.content)
	dir.put(a, tarball(t, 10))
	target.Set(a, nil)
	r := upload(t, dir.open(), target, upkeep.UploadOptions{Patience: 30 * time.Second})
	if got := string(target.Snapshot()[a]); got != want || r.Sent.Objects != 0 {
		t.Errorf("Upload() = %+v, the target has %d bytes, want the %d of another", r, len(got), len(want))
	}
}
