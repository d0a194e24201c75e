package sstate

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"
)

// endless gives zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestDecodedBound: what decodes to more than any object is corrupt, whatever it
// is packed in, long before it is read to its end.
func TestDecodedBound(t *testing.T) {
	few := bounds{maxWindow, 4 << 20}
	b := newBomb(t, 1<<30)
	if err := checkArchive(b, ExtZstd, few); !errors.Is(err, ErrCorrupt) {
		t.Errorf("zstd: %v, want ErrCorrupt", err)
	}
	if left := 1<<30 - b.reads; left > 100 {
		t.Errorf("%d pieces of the bomb were read", left)
	}
	r, w := io.Pipe()
	go func() {
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err != nil {
			w.CloseWithError(err)
			return
		}
		if _, err := io.Copy(z, endless{}); err == nil { // zeros are the end mark of a tar: all of it is padding
			w.Close()
		}
	}()
	err := checkArchive(r, ExtGzip, few)
	r.Close()
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("gzip: %v, want ErrCorrupt", err)
	}
	whole := frame(t, makeTar(t))
	if err := checkArchive(bytes.NewReader(whole), ExtZstd, few); err != nil {
		t.Errorf("an archive within the bound: %v", err)
	}
}

// Bounds of one check of FuzzCheck.
const (
	checkMemory = 160 << 20 // bytes: a window of 128 MiB, and what a decoder needs beside it
	checkTime   = 20 * time.Second
	checkLimit  = 1 << 10 // bytes of input: as RLE blocks 32 MiB
)

// FuzzCheck: any bytes under any name are whole or have a verdict, for a bounded
// amount of memory and time.
func FuzzCheck(f *testing.F) {
	for _, s := range samples(f) {
		if len(s.content) <= checkLimit {
			f.Add(s.content, s.ext, "")
		}
	}
	siginfo := frame(f, []byte(`{"basehash":"b"}`))
	f.Add(siginfo, ExtZstd, SideSiginfo)
	f.Add(siginfo[:len(siginfo)-2], ExtZstd, SideSiginfo)
	f.Add([]byte("\x80\x02}."), ExtGzip, SideSiginfo)
	f.Add([]byte("sig"), ExtZstd, SideSig)
	f.Add([]byte("\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x08\x01\x00\x00"), ExtZstd, "") // one segment of 128 MiB
	rle := bytes.Repeat([]byte{2, 0, 0x10, 0}, checkLimit/8)                       // blocks of 128 KiB
	f.Add(append([]byte("\x28\xb5\x2f\xfd\x00\x38"), rle...), ExtZstd, SideSiginfo)
	f.Fuzz(func(t *testing.T, content []byte, ext, side string) {
		content = content[:min(len(content), checkLimit)]
		begun, before := time.Now(), allocated()
		for _, check := range []func(io.Reader, Name) error{Check, CheckTransfer} {
			err := check(bytes.NewReader(content), Name{Ext: ext, Side: side})
			if err != nil && !isVerdict(err) {
				t.Fatalf("no verdict: %v", err)
			}
			if len(content) == 0 && !errors.Is(err, ErrEmpty) {
				t.Fatalf("nothing is %v", err)
			}
		}
		if used := allocated() - before; used > 2*checkMemory {
			t.Errorf("%d bytes allocated", used)
		}
		if took := time.Since(begun); took > checkTime {
			t.Errorf("took %v", took)
		}
	})
}

// allocated is what was allocated since the start of the process, in bytes.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
