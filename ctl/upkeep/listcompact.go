package upkeep

import (
	"bytes"
	"cmp"
	"container/heap"
	"encoding/hex"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// listed is one object without pointers, 56 bytes: the numbers of what is
// before its hash and behind it, and the hash.
type listed struct {
	head, tail uint32
	hash       [32]byte
	size       int64
	mtime      int64 // nanoseconds since 1970
}

// head is what is before the hash, which all tasks of a recipe share.
type head struct {
	text  string // of the base name
	extra string // EXTRAPATH
}

// tail is what is behind the hash, which all recipes share.
type tail struct {
	text   string
	digits int // of the hash: 64, 32, or 0 where the head holds the whole name
}

// words numbers what many names have in common.
type words[T comparable] struct {
	numbers map[T]uint32
	all     []T
}

// number gives the number of a word. A new one is kept as own makes it: as a
// part of a key it would keep that.
func (w *words[T]) number(word T, own func(T) T) uint32 {
	n, ok := w.numbers[word]
	if !ok {
		if w.numbers == nil {
			w.numbers = map[T]uint32{}
		}
		word, n = own(word), uint32(len(w.all))
		w.numbers[word], w.all = n, append(w.all, word)
	}
	return n
}

// listing is what List keeps: a heap whose last object is on top as long as it
// is bounded.
type listing struct {
	rows    []listed
	heads   words[head]
	tails   words[tail]
	compare func(a, b listed) int
}

var _ heap.Interface = (*listing)(nil)

func newListing(o ListOptions) *listing {
	l := &listing{}
	l.compare = l.byName
	switch o.Sort {
	case ListUsed:
		l.compare = func(a, b listed) int { return cmp.Or(cmp.Compare(a.mtime, b.mtime), l.byName(a, b)) }
	case ListSize:
		l.compare = func(a, b listed) int { return cmp.Or(cmp.Compare(b.size, a.size), l.byName(a, b)) }
	}
	if o.Reverse {
		forward := l.compare
		l.compare = func(a, b listed) int { return forward(b, a) }
	}
	return l
}

// byName orders by base name, then by folder.
func (l *listing) byName(a, b listed) int {
	x, y := &l.heads.all[a.head], &l.heads.all[b.head]
	if a.head != b.head {
		if c := cmp.Compare(x.text, y.text); c != 0 {
			return c
		}
	}
	if c := bytes.Compare(a.hash[:], b.hash[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(l.tails.all[a.tail].text, l.tails.all[b.tail].text), cmp.Compare(x.extra, y.extra))
}

// keep notes an object; beyond limit, 0 for none, the last one goes.
func (l *listing) keep(row listed, limit int) {
	switch {
	case limit <= 0:
		l.rows = append(l.rows, row)
	case len(l.rows) < limit:
		heap.Push(l, row)
	case l.compare(row, l.rows[0]) < 0:
		l.rows[0] = row
		heap.Fix(l, 0)
	}
}

// Len, Less, Swap, Push and Pop see heap.Interface.
func (l *listing) Len() int           { return len(l.rows) }
func (l *listing) Less(i, j int) bool { return l.compare(l.rows[i], l.rows[j]) > 0 }
func (l *listing) Swap(i, j int)      { l.rows[i], l.rows[j] = l.rows[j], l.rows[i] }

func (l *listing) Push(row any) {
	if r, ok := row.(listed); ok {
		l.rows = append(l.rows, r)
	}
}

func (l *listing) Pop() any {
	last := l.rows[len(l.rows)-1]
	l.rows = l.rows[:len(l.rows)-1]
	return last
}

// compact takes the name of an object apart.
func (l *listing) compact(info remote.Info, n sstate.Name) listed {
	_, base := info.Key.Split()
	row := listed{size: info.Size, mtime: info.ModTime.UnixNano()}
	h, t := head{base, n.ExtraPath}, tail{}
	behind := "_" + n.Task + n.Ext + n.Side
	if before, ok := strings.CutSuffix(base, n.Hash+behind); ok && len(n.Hash) <= 2*len(row.hash) {
		if _, err := hex.Decode(row.hash[:], []byte(n.Hash)); err == nil {
			h.text, t = before, tail{base[len(base)-len(behind):], len(n.Hash)}
		}
	}
	row.head = l.heads.number(h, func(h head) head { return head{strings.Clone(h.text), strings.Clone(h.extra)} })
	row.tail = l.tails.number(t, func(t tail) tail { return tail{strings.Clone(t.text), t.digits} })
	return row
}

// object puts it together again.
func (l *listing) object(row *listed, clock times) ListedObject {
	h, t := l.heads.all[row.head], l.tails.all[row.tail]
	base := h.text + hex.EncodeToString(row.hash[:])[:t.digits] + t.text
	n, _ := sstate.ParseName(base) // it was parsed when it was listed
	n.ExtraPath = h.extra
	at := time.Unix(0, row.mtime).UTC()
	return ListedObject{
		Key: n.Path(), Kind: kindOf(n), PN: n.PN, Arch: n.Arch, Task: n.Task, Hash: n.Hash,
		Size: row.size, ModTime: at, AgeSeconds: clock.age(at).Seconds(),
	}
}
