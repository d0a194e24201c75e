package store

import (
	"log/slog"
	"time"

	"sstatefs/remote"
)

// PublishMode says when a publish is answered.
type PublishMode string

// The two modes of --publish.
const (
	PublishThrough PublishMode = "through" // when the remote has it, or PublishTimeout
	PublishQueue   PublishMode = "queue"   // when it is in the queue
)

// Durability says what is synced to disk before a publish is answered.
type Durability string

// The two degrees of --durability.
const (
	DurabilityNone Durability = "none" // the kernel's own time
	DurabilityData Durability = "data" // content and names, with fsync
)

// UnlinkPolicy says what removing a shared object does.
type UnlinkPolicy string

// The three policies of --unlink.
const (
	UnlinkRemote UnlinkPolicy = "remote" // gone for everybody
	UnlinkLocal  UnlinkPolicy = "local"  // hidden in this mount
	UnlinkRefuse UnlinkPolicy = "refuse" // EPERM
)

// Options configures a Store. The zero value of a field is its default, which
// is the default of the flag of the same name.
type Options struct {
	Dir    string        // the cache directory, made if missing
	Owner  string        // who holds the cache, for the daemon that is refused: the mountpoint
	Remote remote.Remote // the backend; the store puts a guard around it

	CacheSize int64   // quota of objects/, bytes (20 GiB)
	MinFree   float64 // part of the disk to keep free, 0 to 1 (0.05)
	QueueSize int64   // bound of what is not sent yet, bytes (4 GiB)

	Publish        PublishMode   // through
	PublishTimeout time.Duration // longest wait for the remote, once per outage (30 s)
	Durability     Durability    // none
	Refresh        time.Duration // age at which a shard of the index is listed again (60 s)
	Feed           bool          // tell other mounts of changes, and hear of theirs, instead of listing
	Relist         time.Duration // with Feed: age of the last listing of all at which the next is made (24 h)
	TouchInterval  time.Duration // age of the remote's time at which a touch is sent (24 h)
	Unlink         UnlinkPolicy  // remote
	ReadOnly       bool          // nothing is sent: publishes and removals stay here
	Jobs           int           // transfers at a time (16)

	// SharedMount is true when users other than the mounter may use the mount:
	// objects and their folders then appear as 0666 and 0777.
	SharedMount bool

	Logger *slog.Logger     // discard
	Now    func() time.Time // time.Now

	// LookupPatience bounds what lookups may wait for a slow remote in total;
	// it refills at a tenth of real time (8 s).
	LookupPatience time.Duration

	// Guard tunes deadlines, retries and the breaker around the remote.
	Guard remote.GuardOptions
}

const (
	defaultCacheSize      = 20 << 30
	defaultMinFree        = 0.05
	defaultQueueSize      = 4 << 30
	defaultPublishTimeout = 30 * time.Second
	defaultRefresh        = 60 * time.Second
	defaultRelist         = 24 * time.Hour
	defaultTouchInterval  = 24 * time.Hour
	defaultJobs           = 16
	defaultPatience       = 8 * time.Second
)

// withDefaults fills in what was left zero.
func (o Options) withDefaults() Options {
	setDefault(&o.CacheSize, defaultCacheSize)
	setDefault(&o.MinFree, defaultMinFree)
	setDefault(&o.QueueSize, defaultQueueSize)
	setDefault(&o.Publish, PublishThrough)
	setDefault(&o.PublishTimeout, defaultPublishTimeout)
	setDefault(&o.Durability, DurabilityNone)
	setDefault(&o.Refresh, defaultRefresh)
	setDefault(&o.Relist, defaultRelist)
	setDefault(&o.TouchInterval, defaultTouchInterval)
	setDefault(&o.Unlink, UnlinkRemote)
	setDefault(&o.Jobs, defaultJobs)
	setDefault(&o.LookupPatience, defaultPatience)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
