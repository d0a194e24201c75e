// Package integration tests sstatefs as a user has it: the built binary, real
// mounts, BitBake's own system calls from other processes, kills, outages.
//
// It holds no code of the product. The tests need python3, zstd, fuse3 and
// /dev/fuse; what is missing fails the run and names `make deps`.
//
// # Who does what
//
// A site is one test's world: a folder with a remote directory, caches and
// mountpoints. A mount is one daemon of it, a child process. Scripts in
// testdata do what BitBake does; an actor is a Python process that makes single
// system calls as told, under any user.
//
// # When something hangs
//
// Every mount has a deadline. Past it the guardian aborts the FUSE connection
// through /sys/fs/fuse/connections and kills the daemon, so that whoever waits
// in the mount gets an error, and the test fails.
package integration
