package ctl

import (
	"encoding/json"
	"time"

	"sstatefs/store"
)

// MountInfo says which mount this is. It is the record of a mount and part of
// its status; the JSON keys are stable.
type MountInfo struct {
	Mountpoint string    `json:"mountpoint"` // absolute, symlinks resolved
	Remote     string    `json:"remote"`     // without credentials
	CacheDir   string    `json:"cache_dir"`
	Socket     string    `json:"socket"`
	PID        int       `json:"pid"`
	UID        int       `json:"uid"` // the mount's user
	Version    string    `json:"version"`
	Since      time.Time `json:"since"` // of the mount
}

// Phase is how far the life of a mount has come.
type Phase string

// The phases, in order.
const (
	PhaseMounted  Phase = "mounted"
	PhaseDraining Phase = "draining" // ending: sends what is left, still mounted
	PhaseDetached Phase = "detached" // unmounted, the daemon is about to end
)

// MountStatus is the part of a Status that concerns the mount itself.
type MountStatus struct {
	MountInfo
	Phase         Phase   `json:"phase"`
	Passthrough   bool    `json:"passthrough"` // reads of cached objects bypass the daemon
	UptimeSeconds float64 `json:"uptime_seconds"`
}

// Status is what `sstatefs status` shows of one mount. The JSON keys are
// stable: those of store.Status, and mount.
type Status struct {
	Mount MountStatus  `json:"mount"`
	Clean *CleanStatus `json:"clean,omitempty"` // nil for a mount that does not clean its remote by itself
	store.Status
}

// FlushRequest is the body of the verb flush.
type FlushRequest struct {
	Timeout Duration `json:"timeout"` // longest wait, 0 for DefaultFlush
}

// UnmountRequest is the body of the verb unmount.
type UnmountRequest struct {
	DrainTimeout Duration   `json:"drain_timeout"` // longest wait for the queue, 0 for none
	Busy         BusyPolicy `json:"busy"`          // what to do when the mount is in use, refuse if empty
}

// BusyPolicy says what becomes of a mount that is to end and is in use.
type BusyPolicy string

// The policies.
const (
	BusyRefuse BusyPolicy = "refuse" // it stays
	BusyLazy   BusyPolicy = "lazy"   // its name goes, it ends with its last user
	BusyForce  BusyPolicy = "force"  // it ends, open files fail
)

// UnmountResult is the answer to the verb unmount.
type UnmountResult struct {
	Mountpoint string     `json:"mountpoint"`
	Ended      bool       `json:"ended"` // false after lazy, while files are open
	Left       store.Left `json:"left"`
}

// TrimRequest is the body of the verb trim.
type TrimRequest struct {
	Verify bool `json:"verify"` // read all that is cached first, and set aside what is damaged
}

// Progress is what a long verb tells meanwhile.
type Progress struct {
	Queue  store.QueueStatus   `json:"queue"`
	Fetch  *store.WarmResult   `json:"fetch,omitempty"`  // of the verb fetch
	Verify *store.VerifyResult `json:"verify,omitempty"` // of the verb trim
}

// line is one line of a stream. One of the first three is set.
type line struct {
	Progress *Progress       `json:"progress,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Error    *Error          `json:"error,omitempty"`

	// Failures are the errors of a remote that Error sums up.
	Failures []remoteFailure `json:"failures,omitempty"`
}

// Duration is a time.Duration that reads "5m0s" in JSON.
type Duration time.Duration

// MarshalText writes the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).String()), nil
}

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}
