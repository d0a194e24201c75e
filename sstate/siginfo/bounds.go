package siginfo

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
)

// Bounds of what is made of a signature that was read. A comparison needs less
// than 512 MiB of memory, whatever two files hold; one of a build needs a few.
const (
	// maxShown bounds the values of one change that are spelled out, in bytes of
	// both. The longest of a build are the dependencies of an image: 2 MB.
	maxShown = 8 << 20

	// maxPieces bounds the lines, words or elements of both: each costs some 250
	// bytes while it is compared.
	maxPieces = 1 << 18

	// maxPrinted bounds all messages of one comparison, in bytes.
	maxPrinted = 32 << 20

	// maxChanges bounds what the changes of all dependencies that are followed
	// hold, in bytes.
	maxChanges = 64 << 20

	// maxHashed bounds what enters a hash, in bytes: a file names a value once,
	// and can say that it enters many times.
	maxHashed = 4 * maxContent

	// maxPattern bounds the pattern of ignored tasks, in bytes.
	maxPattern = 64 << 10

	// shownName is how much is shown of the name of a change that is too large,
	// in bytes.
	shownName = 200
)

var errManyHashed = fmt.Errorf("more than %d MiB enter it", maxHashed>>20)

// bytes is about what a value takes.
func (v Value) bytes() int {
	const header = 16
	n := len(v.text)
	for _, item := range v.items {
		n += len(item) + header
	}
	return n
}

// pieces is how many lines, words and elements a value has.
func (v Value) pieces() int {
	n := 1 + len(v.items)
	for _, r := range v.text {
		if isPythonSpace(r) || isLineEnd(r) {
			n++
		}
	}
	return n
}

// bytes is about what a change takes.
func (c Change) bytes() int {
	const header = 160
	n := header + len(c.Name) + c.Before.bytes() + c.After.bytes()
	for _, text := range c.detail {
		n += len(text)
	}
	return n
}

// isHuge reports whether a change is not spelled out.
func (c Change) isHuge() bool {
	return c.bytes() > maxShown || c.Before.pieces()+c.After.pieces() > maxPieces
}

// hugeLines is what is said of it.
func (c Change) hugeLines(p *pen) []string {
	name := c.Name
	if len(name) > shownName {
		name = repr(name[:shownName] + "...")
	}
	if name != "" {
		name = " " + name
	}
	return []string{fmt.Sprintf("%sChange of %s%s%s is too large to print: %d and %d bytes",
		p.title, c.Kind, name, p.reset, c.Before.bytes(), c.After.bytes())}
}

// digest is the SHA-256 of texts, unless they are too much.
type digest struct {
	hash hash.Hash
	left int // bytes
}

func newDigest() *digest { return &digest{sha256.New(), maxHashed} }

func (d *digest) add(text string) error {
	if d.left -= len(text); d.left < 0 {
		return errManyHashed
	}
	_, err := io.WriteString(d.hash, text)
	return err
}

func (d *digest) hex() string { return hex.EncodeToString(d.hash.Sum(nil)) }
