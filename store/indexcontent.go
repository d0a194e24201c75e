package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
	"time"
)

// content is what a shard holds, sorted and without pointers: about 40 bytes
// per object where each archive has its siginfo. Names that do not fit the form
// (no hash, dictionary full) are kept as they are.
type content struct {
	dict   *dictionary
	hashes []digest // ascending
	ends   []uint32 // where the rows of each hash end
	rows   []row    // of each hash by prefix and suffix
	odd    map[oddName]stamp
}

// oddName is a name that does not fit the form.
type oddName struct {
	leaf byte
	base string
}

// row is one object below its hash: 20 bytes.
type row struct {
	prefix    uint32
	suffix    uint16
	sizeHigh  uint16
	sizeLow   uint32
	mtimeHigh uint32
	mtimeLow  uint32
}

// stamp is what is known of an object.
type stamp struct {
	size  int64
	mtime int64 // nanoseconds since 1970
}

// item is a row with its hash, as a listing brings it.
type item struct {
	hash digest
	row
}

func newRow(prefix uint32, suffix uint16, st stamp) row {
	e := row{prefix: prefix, suffix: suffix}
	e.set(st)
	return e
}

func (e *row) set(st stamp) {
	size, mtime := uint64(min(max(st.size, 0), 1<<48-1)), uint64(st.mtime)
	e.sizeHigh, e.sizeLow = uint16(size>>32), uint32(size)
	e.mtimeHigh, e.mtimeLow = uint32(mtime>>32), uint32(mtime)
}

func (e *row) stamp() stamp {
	return stamp{int64(e.sizeHigh)<<32 | int64(e.sizeLow), int64(uint64(e.mtimeHigh)<<32 | uint64(e.mtimeLow))}
}

func (e *row) compare(o *row) int {
	return cmp.Compare(uint64(e.prefix)<<16|uint64(e.suffix), uint64(o.prefix)<<16|uint64(o.suffix))
}

func compareItems(a, b item) int {
	if c := a.hash.compare(&b.hash); c != 0 {
		return c
	}
	return a.row.compare(&b.row)
}

// compare orders hashes. Most differ in their first bytes.
func (h *digest) compare(o *digest) int {
	a, b := binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(o[:])
	if a != b {
		return cmp.Compare(a, b)
	}
	return bytes.Compare(h[8:], o[8:])
}

// newContent makes content of sorted items. A second one of the same name is
// left out.
func newContent(dict *dictionary, items []item, odd map[oddName]stamp) *content {
	c := &content{dict: dict, odd: odd}
	n := 0
	for i := range items {
		if i == 0 || items[i].hash != items[i-1].hash {
			n++
		}
	}
	if n == 0 {
		return c
	}
	c.hashes, c.ends, c.rows = make([]digest, 0, n), make([]uint32, 0, n), make([]row, 0, len(items))
	for i := range items {
		if i == 0 || items[i].hash != items[i-1].hash {
			c.hashes, c.ends = append(c.hashes, items[i].hash), append(c.ends, 0)
		} else if items[i].row.compare(&items[i-1].row) == 0 {
			continue
		}
		c.rows = append(c.rows, items[i].row)
		c.ends[len(c.ends)-1] = uint32(len(c.rows))
	}
	return c
}

func (c *content) size() int { return len(c.rows) + len(c.odd) }

// begin is where the rows of hash i begin.
func (c *content) begin(i int) uint32 {
	if i == 0 {
		return 0
	}
	return c.ends[i-1]
}

// search finds a hash, or where it would be. Hashes are evenly spread, which
// tells about where to look: the rest of the shard stays out of the CPU's cache.
func (c *content) search(h *digest) (int, bool) {
	const near = 64
	lo, hi := 0, len(c.hashes)
	if hi > 4*near {
		guess, _ := bits.Mul64(binary.BigEndian.Uint64(h[1:]), uint64(hi)) // the first byte is the shard's
		if from := int(guess) - near; from > 0 && c.hashes[from].compare(h) < 0 {
			lo = from
		}
		if to := int(guess) + near; to < hi && c.hashes[to].compare(h) >= 0 {
			hi = to
		}
	}
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if c.hashes[mid].compare(h) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo, lo < len(c.hashes) && c.hashes[lo] == *h
}

// leaf gives the hashes of a leaf folder: all have the same first byte.
func (c *content) leaf(i byte) (from, to int) {
	from = sort.Search(len(c.hashes), func(n int) bool { return c.hashes[n][1] >= i })
	to = from + sort.Search(len(c.hashes)-from, func(n int) bool { return c.hashes[from+n][1] > i })
	return from, to
}

// put sets a row. It reports whether that is new.
func (c *content) put(it item) bool {
	i, ok := c.search(&it.hash)
	if !ok {
		c.hashes = slices.Insert(c.hashes, i, it.hash)
		c.ends = slices.Insert(c.ends, i, c.begin(i))
	}
	at, ok := slices.BinarySearchFunc(c.rows[c.begin(i):c.ends[i]], it.row, func(a, b row) int { return a.compare(&b) })
	n := int(c.begin(i)) + at
	if ok {
		c.rows[n] = it.row
		return false
	}
	c.rows = slices.Insert(c.rows, n, it.row)
	for j := i; j < len(c.ends); j++ {
		c.ends[j]++
	}
	return true
}

// drop takes the row of a form away. It reports whether it was there.
func (c *content) drop(f *form) bool {
	i, ok := c.search(&f.hash)
	if !ok {
		return false
	}
	first, n := c.begin(i), c.begin(i)
	for n < c.ends[i] && !c.dict.is(c.rows[n].prefix, c.rows[n].suffix, f) {
		n++
	}
	if n == c.ends[i] {
		return false
	}
	c.rows = slices.Delete(c.rows, int(n), int(n)+1)
	for j := i; j < len(c.ends); j++ {
		c.ends[j]--
	}
	if c.ends[i] == first {
		c.hashes, c.ends = slices.Delete(c.hashes, i, i+1), slices.Delete(c.ends, i, i+1)
	}
	return true
}

// replaceLeaf gives one leaf folder the content that it has in fresh.
func (c *content) replaceLeaf(i byte, fresh *content) {
	from, to := c.leaf(i)
	newFrom, newTo := fresh.leaf(i)
	c.replaceOdd(i, fresh.odd)
	if from == to && newFrom == newTo {
		return
	}
	first, last := c.begin(from), c.begin(to)
	newFirst, newLast := fresh.begin(newFrom), fresh.begin(newTo)
	c.rows = slices.Replace(c.rows, int(first), int(last), fresh.rows[newFirst:newLast]...)
	c.hashes = slices.Replace(c.hashes, from, to, fresh.hashes[newFrom:newTo]...)
	c.ends = slices.Replace(c.ends, from, to, fresh.ends[newFrom:newTo]...)
	inner := from + newTo - newFrom
	for j := from; j < inner; j++ {
		c.ends[j] += first - newFirst
	}
	for j := inner; j < len(c.ends); j++ {
		c.ends[j] += (newLast - newFirst) - (last - first)
	}
}

// holds reports whether a leaf folder has objects.
func (c *content) holds(i byte) bool {
	if from, to := c.leaf(i); from < to {
		return true
	}
	for name := range c.odd {
		if name.leaf == i {
			return true
		}
	}
	return false
}

// names calls fn for the base name of each object in a leaf folder.
func (c *content) names(i byte, fn func(string)) {
	var buf []byte
	for from, to := c.leaf(i); from < to; from++ {
		for n := c.begin(from); n < c.ends[from]; n++ {
			buf = c.dict.appendBase(buf[:0], &c.hashes[from], c.rows[n].prefix, c.rows[n].suffix)
			fn(string(buf))
		}
	}
	for name := range c.odd {
		if name.leaf == i {
			fn(name.base)
		}
	}
}

// pack gives back memory that growing left unused.
func (c *content) pack() {
	if cap(c.rows) > len(c.rows)*9/8 || cap(c.hashes) > len(c.hashes)*9/8 {
		c.hashes, c.ends, c.rows = exact(c.hashes), exact(c.ends), exact(c.rows)
	}
}

// exact copies a slice without room to grow.
func exact[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return append(make([]T, 0, len(s)), s...)
}

// moveTo copies the content to another dictionary. What does not fit there is
// left out, and found by the next listing.
func (c *content) moveTo(dict *dictionary) *content {
	b := builder{dict: dict}
	var base []byte
	for i := range c.hashes {
		for n := c.begin(i); n < c.ends[i]; n++ {
			e := &c.rows[n]
			base = c.dict.appendBase(base[:0], &c.hashes[i], e.prefix, e.suffix)
			b.addBase(string(base), e.stamp())
		}
	}
	for name, st := range c.odd {
		b.addOdd(name, st)
	}
	return b.content()
}

func (st stamp) time() time.Time { return time.Unix(0, st.mtime) }
