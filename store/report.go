package store

import "time"

// RemoteState is what a mount thinks of its remote.
type RemoteState string

// The three states, from best to worst.
const (
	StateOK       RemoteState = "ok"
	StateDegraded RemoteState = "degraded" // it answers, but something is refused or kept back
	StateOffline  RemoteState = "offline"  // it does not answer
)

// Status is what `sstatefs status` shows of one store. The JSON keys are
// stable.
type Status struct {
	Remote struct {
		URL    string      `json:"url"` // without credentials
		State  RemoteState `json:"state"`
		Reason string      `json:"reason,omitempty"` // why it is not ok, one line
		Since  time.Time   `json:"since"`            // of this state

		Traits    RemoteTraits    `json:"traits"`
		Abilities []RemoteAbility `json:"abilities"`
	} `json:"remote"`
	Cache struct {
		Dir        string `json:"dir"`
		Objects    int64  `json:"objects"`
		Bytes      int64  `json:"bytes"`
		LimitBytes int64  `json:"limit_bytes"`
		FreeBytes  int64  `json:"free_bytes"`     // of the disk
		MinFree    int64  `json:"min_free_bytes"` // to be kept free
	} `json:"cache"`
	Queue QueueStatus `json:"queue"`
	Index IndexStatus `json:"index"`
	Feed  *FeedStatus `json:"feed,omitempty"` // with --feed only
	// Mode as given by the flags.
	ReadOnly bool         `json:"read_only"`
	Publish  PublishMode  `json:"publish"`
	Unlink   UnlinkPolicy `json:"unlink"`
	// TouchInterval is how old the remote's time of an object gets before a use
	// is told to it, in seconds.
	TouchInterval float64 `json:"touch_interval_seconds"`
}

// RemoteTraits are the traits of a remote that change what a mount can do. The
// JSON keys are stable.
type RemoteTraits struct {
	ReadOnly      bool `json:"read_only"`       // it takes no changes
	NoList        bool `json:"no_list"`         // it is asked for each name
	ListPerFolder bool `json:"list_per_folder"` // a request lists one folder
	AtomicCreate  bool `json:"atomic_create"`   // of several writers one wins

	// Touch is "server" (without a transfer), "put" (by sending the content
	// again) or "never".
	Touch string `json:"touch"`
}

// RemoteAbility is a remote.Ability. The JSON keys are stable.
type RemoteAbility struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Warn  string `json:"warn"` // empty if all is well
}

// QueueStatus tells what the remote does not have yet.
type QueueStatus struct {
	Objects       int64   `json:"objects"`        // publishes and removals to send, held ones not counted
	Bytes         int64   `json:"bytes"`          // of the publishes among them
	OldestSeconds float64 `json:"oldest_seconds"` // age of the oldest, 0 when empty
	Held          int64   `json:"held"`           // refused by the remote, tried again hourly
	HeldReason    string  `json:"held_reason,omitempty"`
	LimitBytes    int64   `json:"limit_bytes"`
	Failed        int64   `json:"failed"`               // objects set aside as damaged
	LastErr       string  `json:"last_error,omitempty"` // of the last failed send, until one succeeds
}

// IndexStatus tells what is known of the remote's content.
type IndexStatus struct {
	Objects  int64     `json:"objects"`
	Complete bool      `json:"complete"` // every shard was listed at least once
	Suspect  bool      `json:"suspect"`  // dropped by half at once: nothing local is discarded for it
	Listed   time.Time `json:"listed"`   // when a listing last ended, zero if never
}

// TaskCount counts lookups of one task or recipe.
type TaskCount struct {
	Hit  int64 `json:"hit"`
	Miss int64 `json:"miss"`
}

// Count is a number of objects and their bytes.
type Count struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Stats is what `sstatefs stats` shows: counters since the mount, and the
// state of queue, cache and index now. The JSON keys are stable.
type Stats struct {
	Since   time.Time `json:"since"` // of the mount
	Lookups struct {
		// Archives opened or touched, and archives looked up and not there,
		// each counted once per key and ten minutes.
		Hit      int64                `json:"hit"`
		Miss     int64                `json:"miss"`
		ByTask   map[string]TaskCount `json:"by_task"`
		ByRecipe map[string]TaskCount `json:"by_recipe"`
	} `json:"lookups"`
	Fetched   Count `json:"fetched"`
	Published Count `json:"published"` // accepted here
	Sent      Count `json:"sent"`      // of those, arrived at the remote
	Removed   int64 `json:"removed"`   // removals accepted
	Touches   struct {
		Local   int64 `json:"local"`   // times set through the mount
		Sent    int64 `json:"sent"`    // times refreshed on the remote
		Skipped int64 `json:"skipped"` // uses that it cannot be told of: no way to, or the object is not here
		Failed  int64 `json:"failed"`  // tries that the remote failed or refused
		Pending int64 `json:"pending"` // uses still to be looked at, and sent where that is due
	} `json:"touches"`
	Queue QueueStatus `json:"queue"`
	Cache struct {
		Objects    int64 `json:"objects"`
		Bytes      int64 `json:"bytes"`
		LimitBytes int64 `json:"limit_bytes"`
		Trimmed    Count `json:"trimmed"`
	} `json:"cache"`
	Index  IndexStatus `json:"index"`
	Remote struct {
		State  RemoteState `json:"state"`
		Errors int64       `json:"errors"` // operations that failed, after retries
	} `json:"remote"`
	EventsLost int64 `json:"events_lost"` // by listeners that were too slow
}

// Left is what could not be sent by the end of a drain.
type Left struct {
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
	Held    int64  `json:"held"`
	Reason  string `json:"reason,omitempty"` // why, one line
}

// TrimResult tells what a trim removed from the cache.
type TrimResult struct {
	Removed Count `json:"removed"`
	Left    Count `json:"left"`

	Verified *VerifyResult `json:"verified,omitempty"` // what was found before, if that was asked for
}

// EventKind names what happened.
type EventKind string

// The kinds of event.
const (
	EventHit     EventKind = "hit"     // an archive was opened or touched
	EventMiss    EventKind = "miss"    // an archive was looked up and not there
	EventFetch   EventKind = "fetch"   // an object came from the remote
	EventPublish EventKind = "publish" // an object was accepted
	EventSend    EventKind = "send"    // an object arrived at the remote
	EventTouch   EventKind = "touch"   // a time was refreshed on the remote
	EventTrim    EventKind = "trim"    // an object left the cache
	EventRemove  EventKind = "remove"  // an object was removed on request
	EventRemote  EventKind = "remote"  // the state of the remote changed
	EventWarning EventKind = "warning" // something a person should know
	EventLost    EventKind = "lost"    // this listener was too slow: Count events are missing
)

// EventKinds are all of them.
func EventKinds() []EventKind {
	return []EventKind{
		EventHit, EventMiss, EventFetch, EventPublish, EventSend, EventTouch, EventTrim, EventRemove,
		EventRemote, EventWarning, EventLost,
	}
}

// Event is one thing that happened. The JSON keys are stable.
type Event struct {
	Time    time.Time   `json:"time"`
	Kind    EventKind   `json:"event"`
	Key     string      `json:"key,omitempty"`
	Bytes   int64       `json:"bytes,omitempty"`
	State   RemoteState `json:"state,omitempty"`
	Message string      `json:"message,omitempty"`
	Count   int64       `json:"count,omitempty"`
}
