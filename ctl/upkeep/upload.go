package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"sstatefs/remote"
)

// An Origin is where Upload takes objects from: a remote, or a Folder. Its
// methods are those of remote.Remote.
type Origin interface {
	List(ctx context.Context, prefix string, fn func(remote.Info) error) error
	Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error)
	String() string
}

// UploadOptions says what Upload sends, and how.
type UploadOptions struct {
	Filter Filter
	DryRun bool // find out what would be sent, and send nothing
	Verify bool // decode every archive to its end first
	Jobs   int  // objects sent at a time, at least 1

	// Patience is how long an object waits for a remote that does not answer,
	// after the few tries that a remote's guard makes.
	Patience time.Duration

	// Each, if not nil, hears what became of every object but those that are
	// there. It is called by one goroutine at a time.
	Each func(UploadedObject)
}

// An UploadOutcome is what became of an object.
type UploadOutcome string

// The outcomes.
const (
	UploadLacks    UploadOutcome = "lacks"    // it would be sent: dry run
	UploadSent     UploadOutcome = "sent"     //
	UploadExists   UploadOutcome = "exists"   // listed, or somebody was quicker
	UploadChanged  UploadOutcome = "changed"  // went away or changed while it was sent
	UploadBroken   UploadOutcome = "broken"   // empty, or not what its name says
	UploadWithheld UploadOutcome = "withheld" // a signature of other bytes than the target's
	UploadFailed   UploadOutcome = "failed"   //
)

// UploadedObject tells what became of an object. The JSON keys are stable.
type UploadedObject struct {
	Key     string        `json:"key"`
	Size    int64         `json:"bytes"`
	Outcome UploadOutcome `json:"outcome"`
	Error   string        `json:"error,omitempty"`
}

// UploadResult counts what became of the objects of the source. The JSON keys
// are stable. Found is the sum of Exists, Lacks and, as found by the listing,
// Broken; what is lacking became one of the others, or was not tried. Of a dry
// run Lacks is what would be sent.
type UploadResult struct {
	Source   string `json:"source"`
	Target   string `json:"target"`
	DryRun   bool   `json:"dry_run"`
	Complete bool   `json:"complete"` // everything was tried

	Found    Sum `json:"found"`
	Lacks    Sum `json:"lacks"`
	Exists   Sum `json:"exists"`
	Sent     Sum `json:"sent"`
	Changed  Sum `json:"changed"`
	Broken   Sum `json:"broken"`
	Withheld Sum `json:"withheld"`
	Failed   Sum `json:"failed"`

	Ignored int64 `json:"ignored"` // names that are no objects

	Errors []UploadedObject `json:"errors"` // the first failures
}

// shownErrors is how many failures a result has.
const shownErrors = 10

// Upload sends what the target lacks, and overwrites nothing but empty files.
// One listing of each side tells what that is. A siginfo goes before its
// archive, so that whoever sees the archive can explain it, and a signature
// after it, and only if the archive there holds the same bytes.
//
// A dry run does all that and puts nothing. It reads of a Folder what would be
// read before it is sent, so that it leaves out what is broken, too.
//
// It needs memory for what the source holds, about 350 bytes for an archive
// with its companions, and nothing for what only the target holds. The error is
// that of a listing (a SourceError where it is the source's), of ctx, or of a
// target that refuses everything; what was done until then is in the result, and
// another Upload goes on from there.
func Upload(ctx context.Context, from Origin, t *Target, o UploadOptions, report Report) (UploadResult, error) {
	result := UploadResult{Source: from.String(), Target: t.String(), DryRun: o.DryRun, Errors: []UploadedObject{}}
	if t.Traits().ReadOnly && !o.DryRun {
		return result, &remote.Error{Op: "upload", Kind: remote.ErrUnsupported, Err: fmt.Errorf("%s takes no changes", t)}
	}
	u := &uploading{from: from, t: t, o: o, result: &result, report: report, stage: Progress{Stage: "sending"}}
	plan, err := u.plan(ctx)
	if err != nil {
		return result, err
	}
	u.stage.Total, u.stage.TotalBytes = result.Lacks.Objects, result.Lacks.Bytes
	if o.DryRun {
		err = u.rehearse(ctx, plan)
	} else {
		err = u.send(ctx, plan, o.Jobs)
	}
	result.Complete = err == nil
	return result, err
}

// uploading is one Upload.
type uploading struct {
	from   Origin
	t      *Target
	o      UploadOptions
	report Report

	mu      sync.Mutex // guards what follows
	result  *UploadResult
	stage   Progress
	refused int // objects in a row
}

// send sends all bundles, several at a time.
func (u *uploading) send(ctx context.Context, plan []*bundle, jobs int) error {
	u.report(u.stage)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(max(1, jobs))
	for _, one := range plan {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error { return u.bundle(inner, one) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// mostRefused is how many objects in a row a target may refuse: then it
// refuses all, and asking for each of thousands would help nobody.
const mostRefused = 5

// note counts what became of an object. Its error ends the upload.
func (u *uploading) note(key string, size int64, outcome UploadOutcome, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counter(outcome).add(size)
	u.stage.Done++
	told := UploadedObject{Key: key, Size: size, Outcome: outcome}
	if err != nil {
		told.Error = err.Error()
	}
	if outcome == UploadFailed && len(u.result.Errors) < shownErrors {
		u.result.Errors = append(u.result.Errors, told)
	}
	if u.o.Each != nil {
		u.o.Each(told)
	}
	u.report(u.stage)
	switch {
	case outcome == UploadSent, outcome == UploadExists, outcome == UploadLacks:
		u.refused = 0
	case errors.Is(err, remote.ErrUnavailable), errors.Is(err, remote.ErrPermission), errors.Is(err, remote.ErrUnsupported):
		if u.refused++; u.refused >= mostRefused {
			return err
		}
	}
	return nil
}

func (u *uploading) counter(outcome UploadOutcome) *Sum {
	r := u.result
	return map[UploadOutcome]*Sum{
		UploadLacks: &r.Lacks, UploadSent: &r.Sent, UploadExists: &r.Exists, UploadChanged: &r.Changed,
		UploadBroken: &r.Broken, UploadWithheld: &r.Withheld, UploadFailed: &r.Failed,
	}[outcome]
}

// moved notes bytes that were read on their way.
func (u *uploading) moved(bytes int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stage.DoneBytes += bytes
	u.report(u.stage)
}
