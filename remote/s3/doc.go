// Package s3 shares objects in a bucket of AWS S3 or of a server that speaks its
// protocol.
//
// # Address
//
//	s3://BUCKET/PREFIX?endpoint=URL&region=NAME&path_style=true&profile=NAME&storage_class=NAME
//
// Without an endpoint it is AWS, or what AWS_ENDPOINT_URL(_S3) names. With one,
// the bucket goes into the path unless path_style=false, and the region is
// us-east-1 unless something names another. storage_class is that of new
// objects. anonymous=true signs nothing, for public buckets. part_size (5M to
// 5120M) is the size of parts, and that from which an object comes in parts.
// Credentials are found by the SDK's chain: environment, shared files and
// profiles, single sign-on, the machine's role. An address never holds them.
//
// # What servers do
//
// They differ, see facts, and Open finds out how on scratch objects below the
// prefix, unless OpenOptions.Learned says it. The scratch has names of
// temporaries and is removed, also when Open is interrupted; in a bucket that
// keeps versions it leaves delete markers. Nothing is tried under ReadOnly. Of
// a remote that was away when it was opened it is found out by the first Put or
// Touch. The search takes about six round trips. What way moves the time of an
// object is left to the first Touch, or to Explore, since it takes up to a second: most servers
// show times in whole seconds, and one must pass before it is clear that a copy
// does not move one.
//
// # Writing
//
// Every content is signed with its SHA-256, over TLS too: a server that gets
// less than all of it then keeps nothing (versitygw 1.8 keeps the stump of a
// put that is not signed). A source is therefore read twice, up to 1 MiB once.
// Objects above 64 MiB come in parts, several at a time, and are not seen
// before all of them are there. Create is If-None-Match: * where the server
// heeds it, else a look before the put, which is atomic in this process only.
//
// # Reading
//
// Lengths are always checked, checksums where the server keeps them. What the
// connection cuts off is asked for again with If-Match, once without progress;
// the server is unavailable then. An object that is replaced meanwhile is
// corrupt to its reader. Large objects come in pieces, several at a time.
//
// # Touch
//
// S3 sets no times; a copy gives an object a new one. Where a copy onto itself
// does not (versitygw), or hides the object from listings meanwhile (MinIO), it goes
// to a temporary and back, after a look that the object is still the same. Puts and deletes of this process wait meanwhile.
// Between that look and the copy back, one round trip, a change that another
// host makes is undone, unless the server knows If-Match for copies (AWS): a
// removed object comes back, a replaced one is what it was. Both have been a
// good object of the key. A copy keeps type, metadata, tags and storage class,
// and not the access list of an object, which S3 does not copy. In a bucket
// that keeps versions each touch is one.
//
// # Listing
//
// Page after page; after eight, of the root after one, what remains is split
// into ranges of folders of about four pages, which are listed at the same time:
// that takes a request for the folders and at most one more for each range. A
// range is asked for with start-after and ends with the first name past it.
// Servers that do not sort are listed in a row. Pages are read by a scanner of
// their own, ten times as fast as the SDK's. Names are asked for as they are,
// since versitygw never encodes them; a name that its server cannot write in
// XML is left out.
//
// # Absence
//
// The answer to a HEAD does not tell a missing object from a missing bucket, so
// the bucket is looked for too when it was not seen for a second: behind a
// gateway it may be a directory that is not mounted, which is a remote that is
// offline, and no empty cache. Without the right to list, AWS calls what is
// missing forbidden; then so do we take it.
//
// # Cleaning
//
// Leftovers of killed writers are temporaries, from touches and probes, and
// uploads that were never completed, found by Uploads and removed by
// AbortUpload (or by a lifecycle rule, AbortIncompleteMultipartUpload).
//
// # Errors
//
// Those of the SDK become the kinds of package remote in errors.go and nowhere
// else, in few words. The SDK retries nothing but a connection that was closed
// before an answer: the retries are those of remote.Guard. An answer that is not
// the content of an object and does not end within 16 MiB (an error, 1 MiB) makes
// no sense.
package s3
