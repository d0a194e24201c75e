package remote

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// temporaryPrefix begins the name of everything that a Put leaves on its way.
// It is not "sstate:", so that no reader of an sstate directory takes it for
// an object.
const temporaryPrefix = ".sstatefs-"

// temporaryDigits is the number of hex digits that follow: 64 bits, enough
// for any number of hosts that write at once.
const temporaryDigits = 16

// NewTemporary gives a fresh base name for content that is not an object yet.
func NewTemporary() string {
	var b [temporaryDigits / 2]byte
	rand.Read(b[:]) // never fails, see crypto/rand
	return temporaryPrefix + hex.EncodeToString(b[:])
}

// IsTemporary tells whether a base name is one of NewTemporary's.
func IsTemporary(name string) bool {
	digits, ok := strings.CutPrefix(name, temporaryPrefix)
	return ok && len(digits) == temporaryDigits && strings.Trim(digits, "0123456789abcdef") == ""
}
