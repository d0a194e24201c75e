// Package webdav shares objects in a folder of a web server: by WebDAV
// (RFC 4918), or read-only by GET and HEAD where there is no WebDAV, which is
// any mirror of an sstate directory.
//
// gowebdav does the authentication (Basic, Digest). Its calls have no contexts,
// no conditions and read whole answers, so the requests are made here, over one
// authenticated client.
//
// # What servers can do
//
// It is found out in scratch folders that are removed again, and kept by the cache
// as the line of Learned until the server says that it is another: what takes no
// time when the remote is opened (try.go), what times tell by the first Touch, by
// Explore or by the second listing of all (explore.go). Nothing follows from a
// product's name. Where nothing may be written, or the trial fails, what every
// server can do is done.
//
// # Writing
//
// A PUT goes to a temporary in the object's own folder, and a MOVE gives it its
// name: Overwrite: F for a new object, T for another. The two of a new object are
// sent one behind the other over one connection, which is one round trip, where
// a trial has shown that both get through (putpair.go). Where not, and where
// nobody sees a PUT before it is whole, a broken one leaves nothing and
// If-None-Match: * is heeded, a new object up to directLimit goes by one
// conditional PUT; an object that is replaced goes by one PUT there.
//
// Folders that are known to be missing, because the folder above them was listed
// or made, are made before a PUT, others when a PUT misses them. The root is never
// made: a server that makes missing folders by itself is asked for its root
// before.
//
// Changes of one key take turns within this process. Between hosts none is
// atomic in the strict sense, and Traits.AtomicCreate is false:
//
//   - MOVE with Overwrite: F looks and then renames. Between the two is no
//     request, only the server's own time, but MOVEs that arrive together meet in
//     it: of four hosts that created an object of 1 MB at the same moment on
//     loopback, two were told that they were first in 5 of 100 rounds on Apache
//     2.4.71 (of 10 kB: 37), on nginx 1.22.1 in none (4), on rclone 1.75.1 in none.
//   - A conditional PUT is checked when it begins (Apache): there it were 58 (81),
//     and it is the rule for PUTs that overlap at all.
//   - A touch by COPY and MOVE, or by a new PUT and MOVE, replaces exactly the
//     version that it copied where the server heeds the etag of the destination
//     in an If header (Apache), but for the server's own time between that check
//     and its rename, some 0.1 ms. Where it does not (nginx, rclone) a removal or
//     replacement by another host between the last look and the MOVE, one round
//     trip, is undone by it.
//   - Apache and rclone carry out Overwrite: T as a removal and a rename: a
//     reader may see neither for a moment. A server that is killed there loses
//     the object; its content stays behind as a temporary.
//
// # Reading
//
// Lengths are always checked. An object whose connection ends early is asked for
// again from there; if the connection breaks there again the server is
// unavailable, if the answer ends there the object is corrupt. Large objects come in
// pieces of the same version over several connections. Apache and rclone take
// the length of a file by its name and then open it: a reader that meets a
// replacement of another length in between gets as many bytes of the new object
// as the old one had, and no answer shows that.
//
// # Listing
//
// Where Depth: infinity is allowed each folder of the root is one request that is
// parsed while it arrives; else every folder is one, many at a time. Names
// are compared by their decoded paths. Folders have times only where a trial
// has seen them move.
//
// # Errors
//
// Answers become the kinds of package remote in errors.go. A name that is not
// there is asked for twice, since a touch may hide it for a moment, and is
// ErrNotExist only if the root is there: three requests, which is why an index
// stands above.
package webdav
