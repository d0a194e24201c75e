package store

import (
	"bytes"
	"encoding/binary"
	"errors"

	"sstatefs/sstate"
)

// shardImage is a shard as it is saved. Numbers are varints, texts have their
// length before them, and what repeats stands in tables:
//
//	name
//	platforms, prefixes (platform, PN, PV:PR), suffixes
//	hashes
//	per hash: number of rows
//	per row: prefix, suffix
//	per row: size
//	per row: time, as difference to the one before
//	odd names: leaf, name, size, time
//	per leaf: 1 if it has a time, 2 if it was not listed yet; the times
type shardImage struct {
	name     string
	content  *content
	times    [256]int64
	unlisted [256]bool
}

func (s *shardImage) isEmpty() bool {
	return s.content.size() == 0 && s.times == [256]int64{} && s.unlisted == [256]bool{}
}

// encode appends the image.
func (s *shardImage) encode(b []byte) []byte {
	c := s.content
	b = appendText(b, s.name)
	t := newTables(c)
	b = t.append(b)
	b = binary.AppendUvarint(b, uint64(len(c.hashes)))
	for i := range c.hashes {
		b = append(b, c.hashes[i][:]...)
	}
	for i := range c.hashes {
		b = binary.AppendUvarint(b, uint64(c.ends[i]-c.begin(i)))
	}
	for i := range c.rows {
		b = binary.AppendUvarint(b, uint64(t.prefixes.of[c.rows[i].prefix]))
		b = binary.AppendUvarint(b, uint64(t.suffixes.of[c.rows[i].suffix]))
	}
	for i := range c.rows {
		b = binary.AppendUvarint(b, uint64(c.rows[i].stamp().size))
	}
	last := int64(0)
	for i := range c.rows {
		m := c.rows[i].stamp().mtime
		b = binary.AppendVarint(b, m-last)
		last = m
	}
	return s.appendLeaves(s.appendOdd(b))
}

func (s *shardImage) appendOdd(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s.content.odd)))
	for name, st := range s.content.odd {
		b = appendText(append(b, name.leaf), name.base)
		b = binary.AppendVarint(binary.AppendUvarint(b, uint64(st.size)), st.mtime)
	}
	return b
}

const (
	leafHasTime  = 1
	leafUnlisted = 2
)

func (s *shardImage) appendLeaves(b []byte) []byte {
	for i, t := range s.times {
		var flags byte
		if t != 0 {
			flags |= leafHasTime
		}
		if s.unlisted[i] {
			flags |= leafUnlisted
		}
		b = append(b, flags)
	}
	for _, t := range s.times {
		if t != 0 {
			b = binary.AppendVarint(b, t)
		}
	}
	return b
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// tables number what the rows of one shard refer to.
type tables struct {
	dict      *dictionary
	platforms numbering[string]
	prefixes  numbering[uint32]
	suffixes  numbering[uint16]
}

type numbering[T comparable] struct {
	of  map[T]int
	all []T
}

func (n *numbering[T]) add(v T) {
	if _, ok := n.of[v]; !ok {
		if n.of == nil {
			n.of = map[T]int{}
		}
		n.of[v] = len(n.all)
		n.all = append(n.all, v)
	}
}

func newTables(c *content) *tables {
	t := &tables{dict: c.dict}
	for i := range c.rows {
		t.prefixes.add(c.rows[i].prefix)
		t.suffixes.add(c.rows[i].suffix)
	}
	for _, p := range t.prefixes.all {
		_, _, platform := c.dict.fields(p)
		t.platforms.add(platform)
	}
	return t
}

func (t *tables) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(t.platforms.all)))
	for _, p := range t.platforms.all {
		b = appendText(b, p)
	}
	b = binary.AppendUvarint(b, uint64(len(t.prefixes.all)))
	for _, p := range t.prefixes.all {
		pn, version, platform := t.dict.fields(p)
		b = binary.AppendUvarint(b, uint64(t.platforms.of[platform]))
		b = appendText(appendText(b, pn), version)
	}
	b = binary.AppendUvarint(b, uint64(len(t.suffixes.all)))
	for _, s := range t.suffixes.all {
		b = appendText(b, t.dict.suffixes.text(s))
	}
	return b
}

var errBadImage = errors.New("not what was written")

// imageReader takes an image apart. After the first thing that cannot be it
// gives zeros, and bad is true.
type imageReader struct {
	rest []byte
	bad  bool
}

func (r *imageReader) fail() { r.rest, r.bad = nil, true }

func (r *imageReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *imageReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *imageReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *imageReader) text() string { return string(r.bytes(r.uvarint())) }

// count reads how many things of at least size bytes follow.
func (r *imageReader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

// decodeShard reads an image of a shard; its objects go to b.
func decodeShard(data []byte, name string, b *builder) (*shardImage, error) {
	r := &imageReader{rest: data}
	img := &shardImage{name: r.text()}
	if img.name != name {
		return nil, errBadImage
	}
	prefixes, suffixes := r.tables(b.dict)
	r.rows(b, prefixes, suffixes)
	first, short := hashStart(name)
	for i := range b.items {
		r.bad = r.bad || short || b.items[i].hash[0] != first
	}
	for range r.count(4) {
		leaf := r.bytes(1)
		base, size, mtime := r.text(), r.uvarint(), r.varint()
		if r.bad || !isBase(base) {
			return nil, errBadImage
		}
		b.addOdd(oddName{leaf[0], base}, stamp{int64(size), mtime})
	}
	r.leaves(img)
	if r.bad || len(r.rest) > 0 {
		return nil, errBadImage
	}
	return img, nil
}

// hashStart is the first byte of the hashes of a shard; none says that it has
// no hashes.
func hashStart(shard string) (first byte, none bool) {
	digits := baseName(shard)
	hi, lo := nibble(digits[0]), nibble(digits[1])
	return hi<<4 | lo&15, hi|lo > 15
}

func isBase(base string) bool {
	_, ok := sstate.ParseName(base)
	return ok
}

// tables reads the tables and gives the numbers of this run.
func (r *imageReader) tables(d *dictionary) (prefixes []uint32, suffixes []uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	platforms := make([]uint16, r.count(1))
	for i := range platforms {
		text := r.bytes(r.uvarint())
		id, ok := d.platforms.add(text)
		if !ok || bytes.IndexByte(text, ':') < 0 {
			r.fail()
		}
		platforms[i] = id
	}
	prefixes = make([]uint32, r.count(3))
	for i := range prefixes {
		platform, pn, version := r.uvarint(), r.text(), r.text()
		if platform >= uint64(len(platforms)) || len(pn) > 255 || len(version) > 255 {
			r.fail()
			return nil, nil
		}
		id, ok := d.prefix(platforms[platform], pn, version)
		if !ok {
			r.fail()
		}
		prefixes[i] = id
	}
	suffixes = make([]uint16, r.count(1))
	for i := range suffixes {
		text := r.bytes(r.uvarint())
		id, ok := d.suffixes.add(text)
		if !ok || len(text) < 2 {
			r.fail()
		}
		suffixes[i] = id
	}
	return prefixes, suffixes
}

// rows reads hashes and rows.
func (r *imageReader) rows(b *builder, prefixes []uint32, suffixes []uint16) {
	hashes := r.bytes(uint64(r.count(len(digest{}))) * uint64(len(digest{})))
	for ; len(hashes) > 0; hashes = hashes[len(digest{}):] {
		for range r.count(1) {
			b.items = append(b.items, item{hash: digest(hashes[:len(digest{})])})
		}
	}
	for i := range b.items {
		p, s := r.uvarint(), r.uvarint()
		if p >= uint64(len(prefixes)) || s >= uint64(len(suffixes)) {
			r.fail()
			return
		}
		b.items[i].prefix, b.items[i].suffix = prefixes[p], suffixes[s]
	}
	sizes := r.rest
	for range b.items {
		r.uvarint()
	}
	last := int64(0)
	for i := range b.items {
		size, n := binary.Uvarint(sizes)
		sizes = sizes[max(n, 0):]
		last += r.varint()
		b.items[i].set(stamp{int64(size), last})
	}
}

func (r *imageReader) leaves(img *shardImage) {
	flags := r.bytes(uint64(len(img.times)))
	for i, f := range flags {
		img.unlisted[i] = f&leafUnlisted != 0
		if f&leafHasTime != 0 {
			img.times[i] = r.varint()
		}
	}
}
