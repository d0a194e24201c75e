package sstate

import "bytes"

// magicLen is how many bytes tell the formats apart.
const magicLen = 4

// Recognised reports whether head, the first bytes of an object, begin as the
// format of name does. head needs 4 bytes, less only when the object has less.
// A true answer says nothing about the rest: see [Check].
func Recognised(head []byte, name Name) bool {
	switch {
	case name.Side == SideSig:
		return true // OpenPGP, armored or not: anything
	case name.Side == SideSiginfo:
		return isZstd(head) || isPickle(head)
	case name.Ext == ExtZstd:
		return isZstd(head)
	default:
		return bytes.HasPrefix(head, []byte{0x1f, 0x8b, 0x08}) // RFC 1952, deflate
	}
}

// isZstd reports whether head begins a frame (RFC 8878, 3.1.1) or a skippable
// frame (3.1.2), with which pzstd begins.
func isZstd(head []byte) bool {
	if len(head) < magicLen {
		return false
	}
	frame := bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd})
	skippable := head[0]&0xf0 == 0x50 && bytes.HasPrefix(head[1:], []byte{0x2a, 0x4d, 0x18})
	return frame || skippable
}

// isPickle reports whether head begins a pickle of a dict: PROTO since
// protocol 2, before it MARK or EMPTY_DICT.
func isPickle(head []byte) bool {
	return len(head) > 0 && (head[0] == 0x80 || head[0] == '(' || head[0] == '}')
}
