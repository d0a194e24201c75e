package remote

import (
	"context"
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

// PutOptions says how Put treats an object of the same key.
type PutOptions struct {
	// Create makes Put fail with ErrExist when the key is there; the first of
	// several writers wins. Without it the object is replaced.
	Create bool
}

// Remote holds objects under keys. See the package documentation for errors
// and concurrency.
type Remote interface {
	// Stat tells size and time of one object, ErrNotExist if there is none.
	Stat(ctx context.Context, key Key) (Info, error)

	// Get reads an object from offset (bytes) to its end. The body fails with
	// ErrCorrupt when it is shorter than Info.Size says; it never ends early
	// without an error. An offset equal to the size gives an empty body, one
	// beyond it is ErrCorrupt: the object is not the one the caller began
	// with. The body ends with ctx. The caller closes it.
	Get(ctx context.Context, key Key, offset int64) (io.ReadCloser, Info, error)

	// Put stores an object atomically: others see the whole new content or
	// what was there before, also after a crash of this process. A source that
	// fails or is shorter or longer than its Size leaves nothing visible and
	// is ErrCorrupt. Folders above the key are made; the root never is.
	Put(ctx context.Context, key Key, src Source, opt PutOptions) error

	// Touch sets the time that others see. The zero time means now by the
	// remote's clock. ErrNotExist if the object is gone: it never comes back.
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
