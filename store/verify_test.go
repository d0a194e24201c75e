package store

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"sstatefs/remote"
)

// packed is a frame with a checksum, as the zstd command writes it.
func packed(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithEncoderCRC(true))
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Without a checksum of the server's, what comes mangled is told by its own: it
// is not kept, and read again once the mark is old.
func TestMangledIsNotKept(t *testing.T) {
	var later atomic.Int64
	r := newRig(t, func(o *Options, _ *remote.Traits) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	key := testKey(1, "package")
	good := packed(t, strings.Repeat("content ", 1000))
	bad := bytes.Clone(good)
	bad[len(bad)-2] ^= 1 // in the checksum
	r.mem.Set(remote.Key(key), bad)
	if got, err := r.read(key); !errors.Is(err, remote.ErrCorrupt) {
		t.Fatalf("read = %d bytes, %v, want %v", len(got), err, remote.ErrCorrupt)
	}
	r.wantMiss(key)
	later.Store(int64(mangledFor))
	if _, err := r.Stat(t.Context(), key); err != nil {
		t.Errorf("after %v: Stat = %v, want another try", mangledFor, err)
	}
	r.mem.Set(remote.Key(key), good)
	r.wantContent(key, string(good))
}

// What does not even begin like its name says is served as it is.
func TestForeignContentIsServed(t *testing.T) {
	r := newRig(t, nil)
	key := testKey(1, "package")
	r.mem.Set(remote.Key(key), []byte("no archive"))
	r.wantContent(key, "no archive")
}
