// Package store is the heart of sstatefs: one namespace made of local files and
// of what a remote holds, with the rules of publishing, fetching, touching and
// removing objects in it. It knows nothing of FUSE; package fs turns kernel
// requests into its calls.
//
// # Names
//
// A path is a slash path below the mount, "" for its root. A path that
// sstate.ParsePath accepts is an object, every other is scratch. Objects live in
// CACHE/objects and on the remote; scratch lives in CACHE/scratch and nowhere
// else. Symbolic links, folders and devices under an object's name are scratch
// too.
//
// # The journal is the data
//
// There is no database. What is not sent yet has a second name below
// CACHE/queue, what was removed has a name below CACHE/removed, and a rename or
// a link is every commit. Opening a store is a walk over these folders; see
// layout.go for what is where and recover.go for what a crash may leave.
//
// # Downloads
//
// There is one download of an object at a time, whoever wants it. A large one is
// a stream: its file in fetch/ has its size and its room from the beginning, and
// readers have it open while it comes. They see of it what came, and its end when
// all of it was found right; then the same file becomes the object.
//
// # Errors
//
// Methods return *os.PathError or a syscall.Errno for what POSIX names, and
// errors of package remote for what the remote said. Turning them into an errno
// is the business of package fs alone.
//
// # Locks
//
// From the outside in: a key lock (keylock.go; held over local disk operations
// on one object, never over the remote), then one of the small mutexes of a
// part (sender, index, usage, ledger), which are held over no I/O and of which
// only one is held at a time. The usage mutex alone covers reading a single
// folder while the cache is counted, the journal's of the change feed
// (feedjournal.go) writing a line, and that of granting room (room.go) noting
// the size of the cache.
//
// # Goroutines
//
// All background work belongs to the Store: it is started in Open, counted in
// one WaitGroup and awaited by Close.
package store
