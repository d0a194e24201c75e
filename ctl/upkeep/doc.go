// Package upkeep is the work behind the verbs that look after a remote: what
// it holds, what to remove, what to add, what is broken, why a build missed.
//
// It works on a remote.Remote, whichever that is: a backend behind its guard,
// or the remote of a running mount, asked over the mount's socket. So every
// verb does the same with a mountpoint, a URL and a directory. It prints
// nothing and parses no command line; results are values with stable JSON keys.
//
// # Rules
//
// Objects are known by their full name. Two recipes may share a hash, so
// nothing is ever matched by hash alone. An archive and its companions are one
// Group, and age together: by the newest of them.
//
// Times and ages are by the remote's clock. Who deletes by age and cannot learn
// that clock deletes nothing.
//
// Work that removes says what it removed also when it is interrupted.
//
// # Errors
//
// Errors are those of the remote, wrapped with what was attempted. What failed
// for single objects is counted and told in the result, and is no error of the
// whole as long as the remote answers.
//
// # Concurrency and memory
//
// Everything ends soon after its ctx. What is listed is streamed where the
// verb allows it, else kept compactly: see each verb for its need of memory.
package upkeep
