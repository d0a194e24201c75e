package store

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"strings"
	"sync"
)

// A dictionary keeps the parts of names that repeat, each once and without a
// pointer. What it gave a number to may be read without a lock, if the number
// came by way of one: nothing is ever moved or changed.
//
// A prefix is a record in an arena; its number is where it begins:
//
//	length of PN, length of PV:PR, platform (2 bytes), PN, PV:PR
type dictionary struct {
	seed maphash.Seed

	mu        sync.Mutex
	suffixes  words
	platforms words    // "TARGET:ARCH:VERSION"
	table     []uint32 // open addressing: number of a prefix + 1, 0 is free
	count     int
	used      uint32 // bytes of the arena
	chunks    [arenaMax / chunkSize]*[chunkSize]byte
}

const (
	chunkSize = 256 << 10
	arenaMax  = 512 << 20 // what does not fit is kept as it is, see content.odd
	headLen   = 4
)

func newDictionary() *dictionary {
	return &dictionary{seed: maphash.MakeSeed(), table: make([]uint32, 1024)}
}

// intern gives the numbers of a form's parts. ok is false when there is no
// room.
func (d *dictionary) intern(f *form) (prefix uint32, suffix uint16, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var buf [2 * 255]byte
	suffix, ok = d.suffixes.add(append(append(buf[:0], f.mark()), f.suffix[1:]...))
	if !ok {
		return 0, 0, false
	}
	platform, ok := d.platforms.add(append(append(append(buf[:0], f.target...), ':'), f.arch...))
	if !ok {
		return 0, 0, false
	}
	prefix, ok = d.prefix(platform, f.pn, f.version)
	return prefix, suffix, ok
}

// companion gives the number of the suffix of a companion to what has suffix s,
// whose text is a mark and ext, or that and another side.
func (d *dictionary) companion(s uint16, ext, side string) (uint16, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var buf [255]byte
	return d.suffixes.add(append(append(append(buf[:0], d.suffixes.text(s)[0]), ext...), side...))
}

// prefix gives the number of a prefix. Called with mu held.
func (d *dictionary) prefix(platform uint16, pn, version string) (uint32, bool) {
	var buf [2 * 255]byte
	rec := append(buf[:0], byte(len(pn)), byte(len(version)), byte(platform), byte(platform>>8))
	rec = append(append(rec, pn...), version...)
	return d.record(rec)
}

// mark is the first byte of a suffix in the dictionary: it tells the length of
// the hash.
func (f *form) mark() byte {
	if f.short {
		return '-'
	}
	return '_'
}

// record finds or makes a record. Called with mu held.
func (d *dictionary) record(rec []byte) (uint32, bool) {
	mask := uint64(len(d.table) - 1)
	i := maphash.Bytes(d.seed, rec) & mask
	for ; d.table[i] != 0; i = (i + 1) & mask {
		if at := d.table[i] - 1; bytes.HasPrefix(d.at(at), rec) {
			return at, true
		}
	}
	if d.used%chunkSize+uint32(len(rec)) > chunkSize {
		d.used += chunkSize - d.used%chunkSize
	}
	at := d.used
	if at+uint32(len(rec)) > arenaMax {
		return 0, false
	}
	if at%chunkSize == 0 {
		d.chunks[at/chunkSize] = new([chunkSize]byte)
	}
	copy(d.at(at), rec)
	d.used += uint32(len(rec))
	d.table[i] = at + 1
	if d.count++; d.count*3 > len(d.table)*2 {
		d.grow()
	}
	return at, true
}

// grow doubles the table. Called with mu held.
func (d *dictionary) grow() {
	old := d.table
	d.table = make([]uint32, 2*len(old))
	mask := uint64(len(d.table) - 1)
	for _, n := range old {
		if n == 0 {
			continue
		}
		i := maphash.Bytes(d.seed, d.whole(n-1)) & mask
		for d.table[i] != 0 {
			i = (i + 1) & mask
		}
		d.table[i] = n
	}
}

// at is the arena from a record to the end of its chunk.
func (d *dictionary) at(n uint32) []byte { return d.chunks[n/chunkSize][n%chunkSize:] }

// whole is a record.
func (d *dictionary) whole(n uint32) []byte {
	rec := d.at(n)
	return rec[:headLen+int(rec[0])+int(rec[1])]
}

// fields are the parts of a prefix.
func (d *dictionary) fields(prefix uint32) (pn, version []byte, platform string) {
	rec := d.whole(prefix)
	end := headLen + int(rec[0])
	return rec[headLen:end], rec[end:], d.platforms.text(binary.LittleEndian.Uint16(rec[2:]))
}

// size is how many prefixes there are.
func (d *dictionary) size() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// is reports whether two numbers stand for the parts of a form.
func (d *dictionary) is(prefix uint32, suffix uint16, f *form) bool {
	if s := d.suffixes.text(suffix); s[1:] != f.suffix[1:] || s[0] != f.mark() {
		return false
	}
	pn, version, p := d.fields(prefix)
	if string(pn) != f.pn || string(version) != f.version {
		return false
	}
	return len(p) == len(f.target)+1+len(f.arch) && p[:len(f.target)] == f.target && p[len(f.target)+1:] == f.arch
}

// spells reports whether a row with the hash of base has base for its name. The
// digits of the hash are base[begin:end].
func (d *dictionary) spells(e *row, base string, begin, end int) bool {
	s := d.suffixes.text(e.suffix)
	if s[1:] != base[end+1:] || (s[0] == '-') != (end-begin == len(digest{})) {
		return false
	}
	pn, version, platform := d.fields(e.prefix)
	rest := base[prefixLen:begin]
	if len(rest) != len(pn)+len(version)+len(platform)+3 || rest[:len(pn)] != string(pn) || rest[len(pn)] != ':' {
		return false
	}
	rest = rest[len(pn)+1:]
	colon := strings.IndexByte(platform, ':')
	if rest[:colon+1] != platform[:colon+1] {
		return false
	}
	rest = rest[colon+1:]
	return rest[:len(version)] == string(version) && rest[len(version):len(rest)-1] == platform[colon:]
}

// appendBase appends the base name of an object.
func (d *dictionary) appendBase(b []byte, h *digest, prefix uint32, suffix uint16) []byte {
	pn, version, platform := d.fields(prefix)
	colon := strings.IndexByte(platform, ':')
	b = append(append(b, "sstate:"...), pn...)
	b = append(append(append(b, ':'), platform[:colon]...), ':')
	b = append(append(append(b, version...), platform[colon:]...), ':')
	s, digits := d.suffixes.text(suffix), len(h)
	if s[0] == '-' {
		digits /= 2
	}
	b = appendHex(b, h[:digits])
	return append(append(b, '_'), s[1:]...)
}

// words are few texts, numbered in the order in which they came.
type words struct {
	ids   map[string]uint16
	pages [256]*[256]string
}

// add finds or makes a word. ok is false when there are too many.
func (w *words) add(text []byte) (uint16, bool) {
	if id, ok := w.ids[string(text)]; ok {
		return id, true
	}
	n := len(w.ids)
	if n == len(w.pages)*len(w.pages[0]) {
		return 0, false
	}
	if w.ids == nil {
		w.ids = map[string]uint16{}
	}
	if n%256 == 0 {
		w.pages[n/256] = new([256]string)
	}
	w.pages[n/256][n%256] = string(text)
	w.ids[w.pages[n/256][n%256]] = uint16(n)
	return uint16(n), true
}

func (w *words) text(id uint16) string { return w.pages[id/256][id%256] }
