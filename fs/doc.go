// Package fs is the mount: kernel requests in, store calls out. It is the only
// package that imports go-fuse, and knows of the cache only what package store
// tells.
//
// # Nodes
//
// A folder of the mount is a dirNode, everything else a fileNode. A node is an
// inode: it keeps its number while the kernel knows it, whatever happens to the
// local file behind it. A scratch file has the number of its local file. An
// object that is only on the remote gets one made up, and keeps it when it is
// fetched; identity.go has the rules.
//
// What is published under an object's name never changes: other content is
// another inode, or takes the place of one that nobody has open (open.go). Two
// things set a node apart from its name: it is unlinked or replaced through the
// mount (the handlers do that), or the store says that the object changed
// elsewhere (notify.go).
//
// # Caching
//
// Objects are immutable, so the kernel may keep names, attributes and pages for
// long; what changes elsewhere is sent after it by one goroutine, which holds no
// lock. Where the store asks the remote for each name (a local directory) the
// kernel keeps names for a second only.
//
// # Errors and deadlines
//
// errno.go is the only place where errors become errno. The store bounds every
// wait; interrupt.go ends a wait when the waiting process is killed.
package fs
