// Command sstatefs mounts a remote shared-state cache as the SSTATE_DIR of a
// BitBake build, and looks after such mounts.
//
// The program is flags, calls and printing: each subcommand has a file of its
// own, and what it does is done by the packages fs, store, remote and ctl.
//
// # Output
//
// Results go to stdout, talk and progress to stderr; progress is shown on a
// terminal only. With --json the result is one JSON object with stable keys,
// and a stream of events is one object a line. An error is one line on stderr,
// "sstatefs: what: why", and where there is one a second line with the next
// command to type, "hint: ...".
//
// # Exit codes
//
//	0  done
//	1  failed
//	2  usage: unknown flag, bad value, wrong number of arguments
//	3  done in part (something was not sent), or not supported by this remote
//	4  the mount or the remote cannot be reached
package main
