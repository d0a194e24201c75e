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
// It is found out when the remote is opened, in a scratch folder that is removed
// again (try.go), and kept by the cache as the line of Learned until the server
// says that it is another. Nothing follows from a product's name. Where nothing
// may be written, or the trial fails, what every server can do is done.
//
// # Writing
//
// A PUT goes to a temporary in the object's own folder, and a MOVE gives it its
// name: Overwrite: F for a new object, T for another. Where a trial has shown
// that nobody sees a PUT before it is whole and that a broken one leaves
// nothing, an object that is replaced goes by one PUT; so does a new one up to
// directLimit where If-None-Match: * is heeded too. Folders are made when a PUT
// misses them. The root is never made: a server that makes missing folders by
// itself is asked for its root before.
//
// Changes of one key take turns within this process. Between hosts:
//
//   - A conditional PUT is checked when it begins (Apache). Of two hosts whose
//     PUTs of one small object overlap the last wins, and both are told that
//     they were first: Traits.AtomicCreate is false.
//   - MOVE with Overwrite: F looks and then renames; between the two is no
//     request, only the server's own time.
//   - A touch by COPY and MOVE, or by a new PUT and MOVE, replaces exactly the
//     version that it copied where the server heeds the etag of the destination
//     in an If header (Apache), but for the server's own time between that check
//     and its rename, some 0.1 ms. Where it does not (nginx, rclone) a removal or
//     replacement by another host between the last look and the MOVE, one round
//     trip, is undone by it. A server that tells new names from replaced ones
//     gives that away (rclone), and the object is removed again.
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
// parsed while it arrives; else every folder is one, several at a time. Names
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
