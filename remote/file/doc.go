// Package file shares objects in a directory: of a local disk, an NFS or SMB
// mount, anything that is mounted.
//
// # The root
//
// The root is looked up by its path for every operation and is never made, so
// that a server which is not mounted is a remote that is offline, and never an
// empty cache in the directory below the mountpoint. What was seen last tells
// a new root from one that is not mounted: see identity. No descriptor of it is
// kept between operations, since that would keep it from being unmounted.
//
// # Names
//
// All work below the root is relative to a descriptor of it and follows no
// symbolic link in folders, so no key leads out of it. A link under an object's
// own name counts as the object when it ends beneath the root: BitBake leaves
// links to its mirrors in a plain sstate directory, and those are no objects.
//
// # Writing
//
// Content is written to a temporary in the object's own folder, synced, then
// linked (create) or renamed (replace) to its name. link(2) gives exactly one
// winner on every file system that has it, NFS included. Where it is missing,
// and first of all on local disks, renameat2 with RENAME_NOREPLACE does the
// same, and where that is missing too a look comes before a rename:
// Traits.AtomicCreate is false from then on.
//
// Modes are 0664 and 0775 less the umask of the process. A site whose users
// share a directory sets the umask (002) and a setgid group on the root, as it
// does for a plain sstate directory.
//
// # Errors
//
// System errors become the kinds of package remote in errors.go and nowhere
// else. System calls that hang are the business of remote.Guard.
package file
