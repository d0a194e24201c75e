// Package sstate knows what BitBake keeps below its SSTATE_DIR: how objects
// are named, which other names turn up beside them, and when the content of
// an object is whole. It is knowledge only: it opens no file, starts no
// goroutine, keeps no state and imports nothing of this project. Whatever
// needs bytes takes an io.Reader.
//
// # Names
//
// An object is an archive (.tar.zst, .tgz) or one of its companions (.siginfo,
// .sig), and lives in the two folders that its own hash names:
//
//	[EXTRAPATH/]HH/HH/sstate:PN:TARGET:PV:PR:ARCH:VERSION:HASH_TASK.EXT[.SIDE]
//
// [ParsePath] answers for a whole path, [ParseName] for a base name alone.
// Both are called for every lookup of a build, thousands before the first
// task runs, and do not allocate. Paths are relative to SSTATE_DIR, separated
// by slashes and clean: "a//b", "./a" and "/a" are nobody's names.
//
// Every other name is scratch. [Classify] says which kind; [IsTemporary] says
// what may be removed once its writer is gone. It errs on the side of keeping:
// a name counts as a temporary only in the folders where BitBake makes it.
//
// # Content
//
// [Check] reads an object to its end and says whether it is whole. An archive
// is whole when every compressed frame decodes, with its checksum, and the tar
// inside has its end-of-archive mark. That mark is what finds a stream which
// was cut between two frames: each frame alone is valid. [Recognised] is the
// cheap question about the first bytes, which catches an error page that a
// proxy serves in place of an object.
//
// # Errors
//
// A verdict on content is [ErrEmpty], [ErrTruncated] or [ErrCorrupt]. An error
// of the reader itself is none of them, whatever it is: it is wrapped, ends
// the check at once, and says nothing about the object.
//
// # Concurrency and memory
//
// All functions are safe for concurrent use. A check needs as much memory as
// the window that the archive asks for, 128 MiB at most, whatever it decodes
// to. Time is bounded only by the reader: callers that need a bound give a
// reader that fails when it is over.
package sstate
