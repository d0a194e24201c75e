package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A sum is the checksum of an object's content, hex: 64 digits are a sha256, 8
// a CRC-32C. Content that was sent or that the server vouches for has the
// first. Other downloads have the second, which costs a tenth and tells as well
// whether a file survived a crash. The empty sum is none.
type sum string

func sumOf(h hash.Hash) sum { return sum(hex.EncodeToString(h.Sum(nil))) }

// newHash is what computes sums of this kind.
func (s sum) newHash() hash.Hash {
	if s.isShort() {
		return newShortHash()
	}
	return sha256.New()
}

func newShortHash() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }

func (s sum) isShort() bool { return len(s) == 2*crc32.Size }

// attr is the extended attribute that holds sums of this kind.
func (s sum) attr() string {
	if s.isShort() {
		return shortSumAttr
	}
	return sumAttr
}

const (
	sumAttr      = "user.sstatefs.sha256"
	shortSumAttr = "user.sstatefs.crc32c"
)

// sums remembers content checksums: in an extended attribute of the file, or
// in a file of its own where the file system has none.
type sums struct {
	layout layout
	xattrs bool
}

// valid is s, or none where that is no sum: a power cut may leave anything in a
// small file.
func (s sum) valid() sum {
	if raw, err := hex.DecodeString(string(s)); err != nil || len(raw) != s.newHash().Size() {
		return ""
	}
	return s
}

// get returns the checksum noted for the file at path, which is key's, or "".
func (x sums) get(path, key string) sum {
	if !x.xattrs {
		data, err := os.ReadFile(x.layout.path("sums", key))
		if err != nil {
			return ""
		}
		return sum(data).valid()
	}
	for _, attr := range []string{sumAttr, shortSumAttr} {
		var buf [sha256.Size * 2]byte
		if n, err := unix.Getxattr(path, attr, buf[:]); err == nil {
			return sum(buf[:n]).valid()
		}
	}
	return ""
}

// set notes the checksum of the file at path, which is or becomes key. Failing
// is harmless: the object is then checked by decoding it.
func (x sums) set(path, key string, s sum) {
	if x.xattrs {
		_ = unix.Setxattr(path, s.attr(), []byte(s), 0)
		return
	}
	if id := localID(x.layout.object(key)); id != (FileID{}) && id != localID(path) {
		return // of content that was replaced meanwhile
	}
	p := x.layout.path("sums", key)
	if os.MkdirAll(filepath.Dir(p), 0o755) == nil {
		_ = os.WriteFile(p, []byte(s), 0o644)
	}
}

// isNoted reports whether a file has a sum in an attribute.
func isNoted(path string) bool {
	for _, attr := range []string{sumAttr, shortSumAttr} {
		if _, err := unix.Getxattr(path, attr, nil); err == nil {
			return true
		}
	}
	return false
}

// distrust is called before a file is published that has some names. Scratch
// that was an object once may have been written to since its checksum was noted,
// unless it was sealed all the time; an object, or scratch that is a second name
// of one, must keep it, or it would not be sealed any more.
func (x sums) distrust(path string, names uint32) {
	if !x.xattrs || strings.HasPrefix(path, x.layout.path("objects")+"/") {
		return // without attributes place drops what is noted of a key
	}
	if n, err := unix.Listxattr(path, nil); err == nil && n == 0 {
		return // most have none
	}
	if want := x.get(path, ""); want != "" && names > 1 {
		if got, err := fileSum(path, want.newHash()); err == nil && got == want {
			return
		}
	}
	for _, attr := range []string{sumAttr, shortSumAttr} {
		_ = unix.Removexattr(path, attr)
	}
}

// noteOpaque notes the checksum of a file that is to be published and whose
// content does not tell whether it is whole. Without attributes that is not
// known after a power cut.
func (x sums) noteOpaque(path string) {
	if !x.xattrs {
		return // place drops what is noted of a key
	}
	if s, err := fileSum(path, newShortHash()); err == nil {
		_ = unix.Setxattr(path, s.attr(), []byte(s), 0)
	}
}

// drop forgets a checksum that has no file any more.
func (x sums) drop(key string) {
	if !x.xattrs {
		p := x.layout.path("sums", key)
		if os.Remove(p) == nil {
			pruneParents(p, x.layout.path("sums"))
		}
	}
}

// fileSum computes the sum of a file with h.
func fileSum(path string, h hash.Hash) (sum, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return sumOf(h), nil
}
