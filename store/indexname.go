package store

import (
	"strings"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// A digest is the hash of an object's name, the last half empty if it has 32
// digits only.
type digest [32]byte

// form is the base name of an object, cut where names repeat: a recipe has
// twenty tasks with two files each, and a cache has a handful of architectures.
//
//	sstate:PN:TARGET:PV:PR:ARCH:VERSION:HASH_TASK.EXT
type form struct {
	pn      string
	target  string
	version string // "PV:PR"
	arch    string // "ARCH:VERSION"
	hash    digest
	short   bool   // the hash has 32 digits
	suffix  string // "_TASK.EXT"
}

// prefixLen is the length of "sstate:".
const prefixLen = len("sstate:")

// formOf cuts base, the base name that n was parsed from. ok is false for the
// few names that have no hash.
func formOf(n *sstate.Name, base string) (f form, ok bool) {
	target := prefixLen + len(n.PN) + 1
	version := target + len(n.Target) + 1
	arch := version + len(n.PV) + 1 + len(n.PR) + 1
	digits := arch + len(n.Arch) + 1 + len(n.Version) + 1
	f.pn, f.target, f.version, f.arch = n.PN, n.Target, base[version:arch-1], base[arch:digits-1]
	f.suffix = base[digits+len(n.Hash):]
	f.hash, f.short, ok = hashOf(n.Hash)
	return f, ok
}

// hashOf decodes 64 or 32 lower-case hex digits.
func hashOf(digits string) (h digest, short, ok bool) {
	short = len(digits) == len(h)
	if !short && len(digits) != 2*len(h) {
		return h, short, false
	}
	bad := byte(0)
	for i := 0; i+1 < len(digits); i += 2 {
		hi, lo := nibble(digits[i]), nibble(digits[i+1])
		h[i/2] = hi<<4 | lo&15
		bad |= hi | lo
	}
	return h, short, bad <= 15
}

// nibble is the value of a lower-case hex digit, above 15 if it is none.
func nibble(c byte) byte {
	const from = '0'
	if c -= from; int(c) < len(nibbles) {
		return nibbles[c]
	}
	return 0xff
}

// nibbles are the values of the characters from 0 to f.
const nibbles = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\x0a\x0b\x0c\x0d\x0e\x0f"

const hexDigits = "0123456789abcdef"

// appendHex appends the digits of a hash.
func appendHex(b []byte, h []byte) []byte {
	for _, c := range h {
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

// hashAt finds the hash of an object's base name without parsing all of it,
// and where its digits begin and end. ok is false for names without a hash.
func hashAt(base string) (h digest, begin, end int, ok bool) {
	begin = strings.LastIndexByte(base, ':') + 1
	i := strings.IndexByte(base[begin:], '_')
	if i < 0 {
		return h, 0, 0, false
	}
	h, _, ok = hashOf(base[begin : begin+i])
	return h, begin, begin + i, ok
}

// place is where an object's key belongs: its shard, its leaf folder in that,
// and its base name.
type place struct {
	shard string // "ab" or "universal/ab"
	leaf  byte   // 0xcd of "ab/cd"
	base  string
}

// placeOf cuts an object's key. ok is false for keys that no object has.
func placeOf(key remote.Key) (p place, ok bool) {
	k := string(key)
	i := strings.Index(k, "/sstate:") // an EXTRAPATH has no slash
	if i < len("ab/cd") || k[i-3] != '/' {
		return p, false
	}
	p.shard, p.base = k[:i-3], k[i+1:]
	p.leaf, ok = leafIndex(k[i-2 : i])
	return p, ok
}

// noHashLeaf is the only leaf folder that is not named in hex: IN/VA, of the
// names with INVALID in place of a hash.
const noHashLeaf = "VA"

// leafIndex is the number of a leaf folder within its shard.
func leafIndex(name string) (byte, bool) {
	if name == noHashLeaf {
		return 0, true
	}
	if len(name) != 2 {
		return 0, false
	}
	hi, lo := nibble(name[0]), nibble(name[1])
	return hi<<4 | lo&15, hi|lo <= 15
}

// leafName is the reverse of leafIndex.
func leafName(shard string, i byte) string {
	if strings.HasSuffix(shard, "IN") {
		return noHashLeaf
	}
	return string([]byte{hexDigits[i>>4], hexDigits[i&15]})
}
