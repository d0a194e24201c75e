package remote

import (
	"context"
	"crypto/sha256"
	"io"
	"time"
)

// A Key names an object: its slash path below SSTATE_DIR, without a leading
// slash, for example "ab/cd/sstate:zlib:..._populate_sysroot.tar.zst".
type Key string

// Info is what a remote knows of one object.
type Info struct {
	Key     Key
	Size    int64     // bytes
	ModTime time.Time // by the remote's clock
}

// A Source is the content of an object to be put. Open may be called again for
// a second try and must give the same bytes.
type Source interface {
	Size() int64 // bytes
	Open() (io.ReadCloser, error)
}

// PutOptions says how Put treats an object of the same key. Create and Refresh
// exclude each other; without both the object is replaced, or made.
type PutOptions struct {
	// Create makes Put fail with ErrExist when the key is there; the first of
	// several writers wins.
	Create bool

	// Refresh makes Put fail with ErrNotExist unless an object of the key and
	// of the source's size is there. It is a touch that sends the content
	// again, for remotes whose Traits.Touch is TouchByPut: ModTime becomes
	// now, or opt.ModTime where the remote can set times.
	Refresh bool

	// ModTime is the time that the object is to have, where the remote can set
	// times; others ignore it. The zero time means now by the remote's clock.
	ModTime time.Time
}

// Remote holds objects under keys. See the package documentation for errors
// and concurrency.
type Remote interface {
	// Stat tells size and time of one object, ErrNotExist if there is none.
	Stat(ctx context.Context, key Key) (Info, error)

	// Get reads an object from offset (bytes) to its end. The body fails when
	// it is shorter than Info.Size says, with ErrUnavailable when that is
	// because the connection broke, else with ErrCorrupt; it never ends early
	// without an error. An offset equal to the size gives an empty body, one
	// beyond it is ErrCorrupt: the object is not the one the caller began
	// with. The body ends with ctx. The caller closes it.
	Get(ctx context.Context, key Key, offset int64) (io.ReadCloser, Info, error)

	// Put stores an object atomically: others see the whole new content or
	// what was there before, also after a crash of this process. A source that
	// fails or is shorter or longer than its Size leaves nothing visible and
	// is ErrCorrupt. Folders above the key are made; the root never is.
	Put(ctx context.Context, key Key, src Source, opt PutOptions) error

	// Touch sets the time that others see, on the server and without a
	// transfer. The zero time means now by the remote's clock; a remote that
	// cannot set times says now for any other time too. ErrNotExist if the
	// object is gone; only what another host removes at that very moment may
	// come back. ErrUnsupported unless Traits.Touch is TouchOnServer.
	Touch(ctx context.Context, key Key, t time.Time) error

	// Delete removes objects. What is already gone is no error. When some
	// could not be removed the others are, and the errors are joined.
	Delete(ctx context.Context, keys ...Key) error

	// List calls fn for every object below prefix, a folder ("" or "ab" or
	// "ab/cd", no trailing slash), in no promised order, never twice for one
	// key. Objects that come or go meanwhile may or may not be listed; all
	// others are. Names that are no objects are left out, Temporaries among
	// them. An error of fn ends the listing and is returned as it is. A prefix
	// that does not exist lists nothing, a root that does not is
	// ErrUnavailable.
	List(ctx context.Context, prefix string, fn func(Info) error) error

	// Traits tells what this remote can do. It does no I/O.
	Traits() Traits

	// String is the remote's address without credentials, for people.
	String() string
}

// Traits are abilities and habits of a remote, found out when it is opened. Of
// a remote that was offline then they are guesses from OpenOptions.Identity
// until it first answers. ReadOnly, AtomicCreate and Identity follow what the
// remote shows later, the others stay.
type Traits struct {
	ReadOnly  bool // Put, Touch and Delete are ErrUnsupported
	NoList    bool // List is ErrUnsupported: names are asked for one by one
	CheapStat bool // Stat costs microseconds: the remote is its own index

	// ListPerFolder: List needs a request for every folder below its prefix.
	// Without it a request covers up to a thousand objects of any folders.
	ListPerFolder bool

	Touch TouchWay

	// AtomicCreate: of several writers of one key exactly one wins. Without it
	// Put with Create only looks before it writes.
	AtomicCreate bool

	// TimeResolution of stored times: a touched object may show a time up to
	// this much earlier.
	TimeResolution time.Duration

	// Identity tells this root from another that is mounted at the same
	// address, empty if unknown. A cache keeps it and gives it back as
	// OpenOptions.Identity.
	Identity string
}

// A TouchWay is how the time of an object is moved.
type TouchWay int

const (
	TouchOnServer TouchWay = iota // by Touch
	TouchByPut                    // Touch is ErrUnsupported, a Put with Refresh does it
	TouchNever                    // by neither: what is used looks unused
)

// An Ability is one thing in which remotes differ, found out by asking this
// one: for people, and for scripts as stable keys.
type Ability struct {
	Name  string // kebab-case: "create", "touch", "list", ...
	Value string // what the remote does, a few words
	Warn  string // what that means for a site and how to mend it, empty if all is well
}

// A Describer can tell its abilities. It does no I/O.
type Describer interface {
	Abilities() []Ability
}

// A Learner finds out by trying what its remote can do, once. Learned gives
// that as one line of text which only the backend understands, without
// secrets. A cache keeps it and gives it back as OpenOptions.Learned, so that
// nothing is tried twice. It is empty as long as nothing is known for sure,
// and may change while the remote is open.
type Learner interface {
	Learned() string
}

// An Explorer leaves some trials until their results are needed, because they
// take long. Explore makes them now, for who wants to know all abilities. It
// does nothing on a remote that takes no changes.
type Explorer interface {
	Explore(ctx context.Context) error
}

// A Clock tells how far the remote's clock is from this host's. It does no I/O.
type Clock interface {
	// Offset is the remote's time minus ours. ok is false while no answer has
	// told.
	Offset() (offset time.Duration, ok bool)
}

// A Folder is one folder of a remote.
type Folder struct {
	Name    string    // last component
	ModTime time.Time // moves when a name in it comes or goes, zero if unknown
}

// A FolderLister can list folders without what is below them. The index uses
// it to find its shards and to list again only folders whose time moved. Every
// remote that can List has it.
type FolderLister interface {
	// Folders calls fn for each folder directly below prefix ("" is the root).
	Folders(ctx context.Context, prefix string, fn func(Folder) error) error
}

// A NameLister is a remote whose folders can be read as cheaply as those of a
// local disk. Every remote with CheapStat has it.
type NameLister interface {
	// Names calls fn for each object and each folder directly below prefix. A
	// prefix that does not exist is ErrNotExist. An empty folder counts as
	// existing.
	Names(ctx context.Context, prefix string, fn func(name string, folder bool) error) error
}

// A Verifier is a body of Get that may compare what is read with a checksum
// which the server keeps. Verifies tells that it does so, from the beginning:
// such a body ends with io.EOF only if its content fits, else with ErrCorrupt.
type Verifier interface {
	Verifies() bool
}

// A Summer is a body that may tell the checksum, to spare its reader to compute
// one. Sum256 is the sha256 of a whole object, after the io.EOF of its body; ok
// is false before, and where another checksum or none was compared.
type Summer interface {
	Sum256() (sum [sha256.Size]byte, ok bool)
}

// A Hasher is a Summer that a Source opened. Hashes tells, from the beginning,
// that it computes the sha256 of what is read.
type Hasher interface {
	Summer
	Hashes() bool
}

// A Prober can say whether the remote as a whole answers, with one request
// that touches no object. Without it a Guard asks for the Stat of a name that
// does not exist.
type Prober interface {
	Probe(ctx context.Context) error
}

// A LeftoverLister can find the temporaries that killed writers left behind.
// Delete accepts their keys, every other method takes them for absent.
type LeftoverLister interface {
	// Leftovers calls fn for every Temporary anywhere below the root.
	Leftovers(ctx context.Context, fn func(Info) error) error
}

// An UploadLister can find the uploads in parts that were begun and neither
// completed nor aborted: those under way, and those of killed writers, whose
// parts cost room and are seen by no listing.
type UploadLister interface {
	// Uploads calls fn for each below the root. id tells it from others of the
	// same key.
	Uploads(ctx context.Context, fn func(key Key, id string, started time.Time) error) error

	// AbortUpload removes one that Uploads gave. One that is gone is no error.
	AbortUpload(ctx context.Context, key Key, id string) error
}
