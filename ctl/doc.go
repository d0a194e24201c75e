// Package ctl is how a command talks to a running mount: the control protocol,
// its server in the mount and its client in the command, and the work behind
// the verb that ends a mount.
//
// It is not the command line (cmd/sstatefs prints and parses) and it does no
// file system work of its own: what a verb does is done by the store and the
// mount, which it sees through the small interfaces Store and Mount.
//
// # Protocol
//
// HTTP with JSON over a unix socket, mode 0600. Only the user of the mount and
// root are answered, whatever the mode of the socket has become.
//
//	GET  /v1/status    one Status
//	GET  /v1/stats     one store.Stats
//	GET  /v1/events    one store.Event a line; an empty line is a heartbeat;
//	                   ?types=a,b for some of them
//	POST /v1/flush     FlushRequest, then a stream
//	POST /v1/refresh   a stream
//	POST /v1/trim      a stream
//	POST /v1/fetch     FetchRequest, then a stream
//	POST /v1/unmount   UnmountRequest, then a stream
//
// A stream is JSON, one object a line: any number of {"progress":...}, at least
// one a second, and at the end {"result":...} or {"error":...}. A stream that
// ends without either was cut.
//
// # The remote of a mount
//
// Client.Remote is a remote.Remote that asks the mount: below /v1/remote/ there
// is a verb for each method of a Remote and of its optional interfaces, with key
// or prefix in the query. An answer is lines of text, in which a blank line is a
// heartbeat, and ends as a stream does, where "failures" holds the errors of the
// remote with their kinds. Listings are "SIZE TIME KEY" lines, TIME in
// nanoseconds since 1970; a body comes in pieces, each after a line with its
// length. What is to be put waits in the mount until it is whole, a large one in
// a file of the cache that has no name. The work ends with its client. It does
// not keep short verbs waiting: see connectionLimit.
//
// # Places
//
// A mount's socket and its record (a small JSON file that is locked while the
// daemon lives) have a name made of the mountpoint, in a folder that belongs to
// the mount's user: see Host. A record says where the socket is, so that a
// socket at a place of the user's choice is found too. root reads the records of
// everybody, and believes that of the user whom the kernel names as the mount's.
//
// # Errors
//
// Every error of this package that a person should read is an *Error with a
// Kind, a message of one line and, where there is one, the next command to
// type. It is sent over the socket as it is.
//
// # Concurrency
//
// Server, Session and Client may be used from any number of goroutines. No
// call of a Client hangs with its daemon: each has a deadline, a stream one
// that starts anew with each line.
package ctl
