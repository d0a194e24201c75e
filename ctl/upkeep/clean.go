package upkeep

import (
	"context"
	"fmt"
	"sync"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// CleanOptions says what Clean removes. A rule whose value is zero is none; at
// least one is needed.
type CleanOptions struct {
	MaxAge    time.Duration // archives go, with their .sig, that were not used for that long
	MaxSigAge time.Duration // siginfo go that were not used for that long (MaxAge)
	MaxSize   int64         // bytes that may remain: the archives go that were used least recently

	// RemoveDuplicated leaves the newest of each recipe, arch and task.
	RemoveDuplicated bool

	// Stamps are builds whose objects stay. Without another rule what they did
	// not use goes, unless it was used within the last minimum of MaxAge.
	Stamps *Stamps

	Filter Filter // what is not picked stays
	DryRun bool   // nothing goes, all else is the same
	Force  bool   // also a MaxAge below the minimum is taken

	// OnRemoved is told of each object that went, never two at a time.
	OnRemoved func(remote.Info)

	// WantHashes makes Clean collect the hashes of what remains.
	WantHashes bool
}

// minimumAge is the least MaxAge: objects get younger only when a mount sends
// what it used, once a day by default, see DESIGN.md section 7.
const minimumAge = 48 * time.Hour

// BadOptions is what is wrong with options.
type BadOptions string

func (b BadOptions) Error() string { return string(b) }

// TooYoung is a MaxAge that removes what may be in use.
type TooYoung struct{ Least time.Duration }

func (t TooYoung) Error() string {
	return fmt.Sprintf("below %v, what is in use may look unused", t.Least)
}

// leastAge is the least MaxAge for a target: of a mount, twice what its own times
// may lag.
func (t *Target) leastAge() time.Duration {
	if t.TouchInterval > 0 {
		return 2 * t.TouchInterval
	}
	return minimumAge
}

// Check tells what is wrong with the options: BadOptions or, for a target that
// is not nil, TooYoung.
func (o CleanOptions) Check(t *Target) error {
	switch {
	case o.MaxAge <= 0 && o.MaxSigAge <= 0 && o.MaxSize <= 0 && !o.RemoveDuplicated && o.Stamps == nil:
		return BadOptions("no rule says what to remove")
	case o.MaxSigAge > 0 && o.MaxSigAge < o.MaxAge:
		return BadOptions("signatures cannot go before their archives")
	}
	if err := o.Filter.Check(); err != nil {
		return BadOptions(err.Error())
	}
	if t == nil {
		return nil
	}
	least := t.leastAge()
	young := o.MaxAge > 0 && o.MaxAge < least || o.MaxSigAge > 0 && o.MaxSigAge < least
	if young && !o.Force {
		return TooYoung{least}
	}
	return nil
}

// withDefaults completes the rules.
func (o CleanOptions) withDefaults(t *Target) CleanOptions {
	if o.Stamps != nil && o.MaxAge <= 0 && o.MaxSigAge <= 0 && o.MaxSize <= 0 && !o.RemoveDuplicated {
		o.MaxAge = max(minimumAge, t.leastAge())
		if o.Force {
			o.MaxAge = 1
		}
	}
	if o.MaxSigAge <= 0 {
		o.MaxSigAge = o.MaxAge
	}
	return o
}

// CleanSums are objects by kind.
type CleanSums struct {
	Archives   Sum `json:"archives"`
	Signatures Sum `json:"siginfo"`
	Sigs       Sum `json:"sig"`
	Leftovers  Sum `json:"leftovers"` // temporaries of writers that were killed, old parts of the change feed
	Total      Sum `json:"total"`
}

func (s *CleanSums) add(info remote.Info) {
	s.Total.add(info.Size)
	name, ok := sstate.ParsePath(string(info.Key))
	switch {
	case !ok:
		s.Leftovers.add(info.Size)
	case name.Side == sstate.SideSiginfo:
		s.Signatures.add(info.Size)
	case name.Side == sstate.SideSig:
		s.Sigs.add(info.Size)
	default:
		s.Archives.add(info.Size)
	}
}

// CleanResult is what Clean did, or would do. The JSON keys are stable.
type CleanResult struct {
	Remote       string    `json:"remote"`
	DryRun       bool      `json:"dry_run"`
	Complete     bool      `json:"complete"` // false: it ended before its end
	Now          time.Time `json:"now"`      // by the remote's clock, ages are told by it
	LookedAt     CleanSums `json:"looked_at"`
	Removed      CleanSums `json:"removed"`
	Failed       Sum       `json:"failed"`                  // could not be removed
	FailedReason string    `json:"failed_reason,omitempty"` // of the first of them
	Kept         Sum       `json:"kept"`
	Uploads      int64     `json:"uploads"`       // in parts, never completed, that were removed
	EmptyFolders int64     `json:"empty_folders"` // that held nothing when they were listed, and were removed
	Seconds      float64   `json:"seconds"`
	Warning      string    `json:"warning,omitempty"`

	Hashes *HashSet `json:"-"` // of what remains, nil unless it was wanted and Complete
}

// Clean removes what no build has used for a while. An archive and its
// companions age together, by the newest of them. The archive goes first.
//
// The rules of age are applied while the target is listed. MaxSize and
// RemoveDuplicated need to know all first, so they list again and remove only
// what has its size and time still. For them about 60 bytes are in memory for
// each archive with its companions; otherwise memory is that of sweep.
//
// The result is right also with an error, which is one of the remote, of ctx,
// BadOptions, TooYoung or ErrNoClock.
func Clean(ctx context.Context, t *Target, o CleanOptions, report Report) (CleanResult, error) {
	if err := o.Check(t); err != nil {
		return CleanResult{DryRun: o.DryRun}, err
	}
	begun := t.Now()
	c := &cleaner{t: t, o: o.withDefaults(t), report: report}
	c.result.Remote, c.result.DryRun = t.String(), o.DryRun
	err := c.prepare(ctx)
	if err == nil {
		err = c.clean(ctx)
	}
	c.result.Complete = err == nil
	c.result.Kept = Sum{
		Objects: c.result.LookedAt.Total.Objects - c.result.Removed.Total.Objects,
		Bytes:   c.result.LookedAt.Total.Bytes - c.result.Removed.Total.Bytes,
	}
	c.result.Seconds = t.Now().Sub(begun).Seconds()
	if err == nil {
		c.result.Hashes = c.hashes
	}
	return c.result, err
}

// A cleaner is one run of Clean.
type cleaner struct {
	t      *Target
	o      CleanOptions
	report Report
	judge  judge
	queue  *removeQueue
	hashes *HashSet // nil unless they are wanted
	empty  emptyFolders

	mu     sync.Mutex // guards result: what is found and what is gone are counted by two goroutines
	result CleanResult
}

// prepare learns what must be known first.
func (c *cleaner) prepare(ctx context.Context) error {
	if c.t.Traits().NoList {
		return noList()
	}
	now, err := c.t.Time(ctx)
	if err != nil {
		return fmt.Errorf("clean: %w", err)
	}
	c.result.Now = now.UTC()
	traits := c.t.Traits()
	c.judge = judge{o: c.o, now: now.Add(-traits.TimeResolution)}
	if traits.Touch == remote.TouchNever {
		c.result.Warning = "this remote does not keep when an object was used: what is used looks as old as its upload"
	}
	return nil
}

// clean does the work.
func (c *cleaner) clean(ctx context.Context) error {
	if !c.needsAll() {
		c.wantHashes()
		if err := c.pass(ctx, c.first); err != nil {
			return err
		}
		return c.rest(ctx)
	}
	census := newCensus(c.o)
	err := c.pass(ctx, func(folder *cleanFolder) error {
		if err := c.first(folder); err != nil {
			return err
		}
		for _, g := range folder.groups {
			census.add(g, c.judge.mayGo(g))
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.wantHashes()
	doom := census.doom()
	if len(doom) > 0 || c.hashes != nil {
		err = c.pass(ctx, func(folder *cleanFolder) error { return c.second(folder, doom) })
	}
	if err != nil {
		return err
	}
	return c.rest(ctx)
}

// rest removes what is no file. Where a filter says what may go it is not
// picked.
func (c *cleaner) rest(ctx context.Context) error {
	if !c.o.Filter.picksAll() {
		return nil
	}
	if err := c.removeEmpty(ctx); err != nil {
		return err
	}
	return c.uploads(ctx)
}

// needsAll tells that a rule compares everything with everything.
func (c *cleaner) needsAll() bool { return c.o.MaxSize > 0 || c.o.RemoveDuplicated }

func (c *cleaner) wantHashes() {
	if c.o.WantHashes {
		c.hashes = &HashSet{}
	}
}

// A cleanFolder is one folder of a pass. Of its groups only what has not gone
// by age is left.
type cleanFolder struct {
	groups []*Group
	others []remote.Info
}
