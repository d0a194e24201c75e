package sstate

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// skippable is the frame that pzstd writes before each of its own: the size of
// what follows.
const skippable = "\x50\x2a\x4d\x18\x04\x00\x00\x00\x99\x00\x00\x00"

// makeTar returns a tar with some entries and both blocks of the end mark.
func makeTar(t testing.TB) []byte {
	t.Helper()
	noise := make([]byte, 700)
	for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
		noise[i] = byte(r.Uint32())
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range []tar.Header{
		{Name: "usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/noise", Size: int64(len(noise)), Mode: 0o644},
		{Name: "usr/link", Typeflag: tar.TypeSymlink, Linkname: "noise"},
		{Name: "usr/" + strings.Repeat("long", 100), Size: 512, Mode: 0o644},
		{Name: "usr/empty"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(noise[:h.Size]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// frame returns content as one zstd frame, with a checksum.
func frame(t testing.TB, content []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithZeroFrames(true))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(content, nil)
}

// member returns content as one gzip member.
func member(t testing.TB, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// sample is a whole archive and where its frames end.
type sample struct {
	name, ext string
	content   []byte
	ends      []int
}

// samples are whole archives, each in other pieces.
func samples(t testing.TB) []sample {
	t.Helper()
	whole := makeTar(t)
	pieces := [][]byte{whole[:1000], whole[1000:2048], whole[2048:4096], whole[4096:]}
	all := []sample{
		{name: "one frame", ext: ExtZstd, content: frame(t, whole)},
		{name: "one member", ext: ExtGzip, content: member(t, whole)},
		{name: "leading skippable", ext: ExtZstd, content: append([]byte(skippable), frame(t, whole)...)},
	}
	many := sample{name: "many frames", ext: ExtZstd}
	pzstd := sample{name: "as pzstd", ext: ExtZstd}
	members := sample{name: "many members", ext: ExtGzip}
	for _, p := range pieces {
		many.add([]byte{}, frame(t, p))
		pzstd.add([]byte(skippable), frame(t, p))
		members.add([]byte{}, member(t, p))
	}
	return append(all, many, pzstd, members)
}

// add appends two parts and notes the end of each but an empty one.
func (s *sample) add(parts ...[]byte) {
	for _, p := range parts {
		if len(p) > 0 {
			s.content = append(s.content, p...)
			s.ends = append(s.ends, len(s.content))
		}
	}
}

func decoded(t testing.TB, content []byte, ext string) []byte {
	t.Helper()
	r, err := decompress(bufio.NewReader(bytes.NewReader(content)), ext, usual())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
