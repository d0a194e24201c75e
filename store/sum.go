package store

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// sumAttr holds the sha256 of an object's content, hex.
const sumAttr = "user.sstatefs.sha256"

// sums remembers content checksums: in an extended attribute of the file, or
// in a file of its own where the file system has none.
type sums struct {
	layout layout
	xattrs bool
}

// get returns the checksum noted for the file at path, which is key's, or "".
func (x sums) get(path, key string) string {
	if !x.xattrs {
		data, err := os.ReadFile(x.layout.path("sums", key))
		if err != nil {
			return ""
		}
		return string(data)
	}
	var buf [sha256.Size * 2]byte
	n, err := unix.Getxattr(path, sumAttr, buf[:])
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

// set notes the checksum of the file at path, which is or becomes key. Failing
// is harmless: the object is then checked by decoding it.
func (x sums) set(path, key, sum string) {
	if x.xattrs {
		_ = unix.Setxattr(path, sumAttr, []byte(sum), 0)
		return
	}
	if id := localID(x.layout.object(key)); id != (FileID{}) && id != localID(path) {
		return // of content that was replaced meanwhile
	}
	p := x.layout.path("sums", key)
	if os.MkdirAll(filepath.Dir(p), 0o755) == nil {
		_ = os.WriteFile(p, []byte(sum), 0o644)
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

// fileSum computes the sha256 of a file, hex.
func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
