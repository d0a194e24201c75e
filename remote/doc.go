// Package remote is where objects are shared: the interface that every
// backend implements, its six errors, and what surrounds any backend
// (deadlines, retries, the breaker).
//
// A Remote is a flat map from keys to immutable contents. A key is the slash
// path of an object below SSTATE_DIR, so that anything which can read an sstate
// directory can read a remote. Backends live in packages of their own
// (remote/file, later remote/webdav and remote/s3); they import this package
// and never the reverse. remote/remotetest states what they promise and tests
// it.
//
// # Errors
//
// Every error that leaves a backend is an *Error which wraps one of the six
// kinds below and, where there is one, the cause. Callers use errors.Is with a
// kind and nothing else. A backend classifies once, at its edge. The one
// exception is an operation that its caller's context ended: that is no fault
// of the remote, so it wraps the context's error and no kind.
//
// # Concurrency
//
// All methods may be called from any number of goroutines. Every call ends
// soon after its context does; a backend whose system calls cannot be
// interrupted (a hung NFS server) is wrapped in a Guard, which leaves the call
// behind and answers for it.
//
// # The guard
//
// A Guard stands around every backend and gives each call a deadline, a few
// retries and a breaker. The deadline of a transfer or listing is one of
// progress: a call may last for hours as long as bytes or names move. The
// breaker opens on the first call that hangs, and from then on every call is
// answered at once until a probe in the background succeeds, so that a dead
// remote costs a build one deadline and not one per object.
package remote
