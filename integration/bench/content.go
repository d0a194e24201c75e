package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// A pool is what all contents are cut from: frames of zstd, since a mount
// decodes what no checksum of the server vouches for. The kernel, a program
// and a package decode to three times their size, and so do these.
type pool struct {
	frames []byte
	ends   []int  // of the frames, ascending, the first is 0
	first  []byte // a small frame, with which every content begins
}

// Sizes in bytes: of what is compressed to one frame, of the frames that
// differ, of all of them.
const (
	frameContent = 64 << 10
	poolSeed     = 8 << 20
	poolSize     = largestSize + 16<<20
)

func newPool() (*pool, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return nil, err
	}
	defer encoder.Close()
	r := rand.New(rand.NewChaCha8([32]byte{}))
	p := &pool{ends: []int{0}, first: encoder.EncodeAll(prose(r, 400), nil)}
	for len(p.frames) < poolSeed {
		p.frames = encoder.EncodeAll(prose(r, frameContent), p.frames)
		p.ends = append(p.ends, len(p.frames))
	}
	seed, ends := bytes.Clone(p.frames), slices.Clone(p.ends[1:])
	for len(p.frames) < poolSize {
		at := len(p.frames)
		p.frames = append(p.frames, seed...)
		for _, end := range ends {
			p.ends = append(p.ends, at+end)
		}
	}
	return p, nil
}

// prose is n bytes that compress to about a third: runs of what was there
// before, and noise.
func prose(r *rand.Rand, n int) []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, n+64), r.Uint64())
	for len(b) < n {
		for range 2 {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
		run := 8 + r.IntN(48)
		for at := r.IntN(len(b)); run > 0; run-- {
			b = append(b, b[at])
			at++
		}
	}
	return b[:n]
}

// skippableHeader begins a frame without content (RFC 8878, 3.1.2).
const skippableHeader = 8

// fill gives a file its content: a frame without content that is its own, as
// pzstd begins, frames from the pool, and one without content for the rest.
// A smaller one than these need is a little larger.
func (p *pool) fill(f *file, r *rand.Rand, size int) {
	least := len(f.head) + len(p.first) + skippableHeader
	own := bytes.Clone(f.head[skippableHeader:])
	copy(f.head[:], skippable(len(f.head)))
	copy(f.head[skippableHeader:], own)
	f.parts = [][]byte{p.first}
	room := max(size, least) - least
	for room >= len(p.frames) {
		f.parts = append(f.parts, p.frames)
		room -= len(p.frames)
	}
	from := r.IntN(len(p.ends))
	for from > 0 && p.ends[from]+room > len(p.frames) {
		from /= 2
	}
	to, found := slices.BinarySearch(p.ends, p.ends[from]+room)
	if !found {
		to--
	}
	body := p.frames[p.ends[from]:p.ends[to]]
	f.parts = append(f.parts, body, skippable(room-len(body)+skippableHeader))
}

// skippable is a frame without content of a size.
func skippable(size int) []byte {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, size), 0x184d2a50)
	b = binary.LittleEndian.AppendUint32(b, uint32(size-skippableHeader))
	return b[:size]
}
