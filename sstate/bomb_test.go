package sstate

import (
	"archive/tar"
	"bytes"
	"errors"
	"runtime"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// bomb is the archive of one huge file: RLE blocks of zeros without end, until
// the reader has been asked often enough.
type bomb struct {
	head  []byte
	reads int
	cause error
}

func newBomb(t testing.TB, reads int) *bomb {
	t.Helper()
	var buf bytes.Buffer
	if err := tar.NewWriter(&buf).WriteHeader(&tar.Header{Name: "huge", Size: 1 << 50, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	// Magic, no content size, no checksum, window of 128 KiB; a raw block.
	head := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 7 << 3, tarBlock << 3 & 0xff, tarBlock >> 5, 0}
	return &bomb{head: append(head, buf.Bytes()...), reads: reads, cause: errors.New("time is up")}
}

func (b *bomb) Read(p []byte) (int, error) {
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	if b.reads--; b.reads < 0 {
		return 0, b.cause
	}
	const size = 128 << 10
	rle := []byte{2 | size<<3&0xff, size >> 5 & 0xff, size >> 13 & 0xff, 0}
	return copy(p, bytes.Repeat(rle, min(len(p)/len(rle), 64))), nil
}

func TestCheckArchiveBomb(t *testing.T) {
	b := newBomb(t, 20) // 160 MiB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := CheckArchive(b, ExtZstd)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, b.cause) || isVerdict(err) {
		t.Errorf("CheckArchive = %v, want %v", err, b.cause)
	}
	if b.reads != -1 {
		t.Errorf("%d reads after the error", -1-b.reads)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("%d bytes allocated", used)
	}
}

func TestCheckArchiveWindow(t *testing.T) {
	// A header alone must not cost what it asks for.
	for _, header := range []string{
		"\x00\xa8",                             // window of 2 GiB
		"\x00\xff",                             // 3.75 TiB, the largest there is
		"\xa0\x01\x00\x00\x08",                 // one segment of 128 MiB and a byte
		"\xe0\xff\xff\xff\xff\xff\xff\xff\x7f", // one segment of 8 EiB
	} {
		huge := []byte("\x28\xb5\x2f\xfd" + header + "\x01\x00\x00")
		if err := checkBytes(t, huge, ExtZstd); !errors.Is(err, zstd.ErrDecoderSizeExceeded) && !errors.Is(err, zstd.ErrWindowSizeExceeded) {
			t.Errorf("header %x: %v", header, err)
		}
	}
	// zstd -22 --ultra asks for exactly 128 MiB.
	largest := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 2 | 1 | 1024<<3&0xff, 1024 >> 5, 0}, 0)
	if err := checkBytes(t, largest, ExtZstd); err != nil {
		t.Errorf("window of 128 MiB: %v", err)
	}
}
