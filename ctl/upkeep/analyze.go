package upkeep

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
	"sstatefs/sstate/siginfo"
)

// AnalyzeOptions says which signatures to explain, and how far to go.
type AnalyzeOptions struct {
	Filter     Filter
	Candidates int // compared and shown for each miss, at least 1
	Jobs       int // misses looked at at a time

	// OnItem is called for each signature that is looked at, in their order. An
	// error of it ends the analysis.
	OnItem func(*Analyzed) error
}

// MissRecord is what a mount missed.
type MissRecord struct {
	Files  Getter    // reads through the mount
	Misses []Missed  // all that the mount remembers
	Since  time.Time // only what was published from then on is looked at
}

// Missed is an archive that a mount looked up in vain and that a build then
// made: its signature was published through the mount, or was Known and only
// touched.
type Missed struct {
	Key       remote.Key // of the signature
	Looked    time.Time
	Published time.Time // or touched
	Known     bool      // the signature was there already
}

// MissState says what the target has of a signature's object. The words are
// stable: they are in JSON.
type MissState string

// The states.
const (
	MissFound   MissState = "found"
	MissMissing MissState = "missing"
	MissRemoved MissState = "archive-removed" // the signature is there, or was, its archive is not any more
	MissUnread  MissState = "unread"          // missing, and its own signature cannot be read
)

// Analyzed is one signature of the source and why the target lacks its object.
// The JSON keys are stable.
type Analyzed struct {
	Key   remote.Key `json:"key"`
	Arch  string     `json:"arch"`
	PN    string     `json:"pn"`
	Task  string     `json:"task"`
	Hash  string     `json:"hash"`
	State MissState  `json:"state"`

	// Matches is how many signatures the target has of this recipe, task and
	// architecture, or of other architectures when OtherArch is set.
	Matches   int  `json:"matches"`
	OtherArch bool `json:"other_arch,omitempty"`

	Candidates []Candidate `json:"candidates,omitempty"` // nearest first
	Error      string      `json:"error,omitempty"`      // why it could not be explained
}

// Candidate is a signature of the target that a missing one was compared with.
// The JSON keys are stable.
type Candidate struct {
	Key      remote.Key       `json:"key"`
	Hash     string           `json:"hash"`
	Modified time.Time        `json:"modified"`
	Distance int              `json:"distance"` // how much differs, by number and weight of changes
	Changes  []siginfo.Change `json:"changes"`  // between the two, nothing followed
	Text     []string         `json:"text"`     // what is printed, without colours

	name       sstate.Name
	comparison *siginfo.Comparison
}

// AnalyzeResult sums up. The JSON keys are stable.
type AnalyzeResult struct {
	Checked int64       `json:"checked"`
	Found   int64       `json:"found"`
	Missing int64       `json:"missing"`
	Unread  int64       `json:"unread"` // of the missing, not explained
	Causes  []RootCause `json:"causes"` // most misses first
}

// Getter reads objects. A remote.Remote is one.
type Getter interface {
	Get(ctx context.Context, key remote.Key, offset int64) (io.ReadCloser, remote.Info, error)
}

// wanted is a signature that is looked for in the target.
type wanted struct {
	key     remote.Key
	name    sstate.Name
	looked  time.Time // when a mount missed it, zero without a mount
	known   bool      // its signature was there when the mount missed it
	archive bool      // the source has its archive

	there        bool // in the target: the signature
	thereArchive bool // in the target: the archive
}

func (w *wanted) state() MissState {
	switch {
	case !w.looked.IsZero() && w.known:
		return MissRemoved
	case !w.looked.IsZero():
		return MissMissing // whatever the target has by now
	case w.thereArchive, w.there && !w.archive:
		return MissFound
	case w.there:
		return MissRemoved
	}
	return MissMissing
}

// Analyze compares the signatures of source with the target and tells
// o.OnItem of each, sorted by recipe, task and architecture.
//
// Both are listed once. Memory is needed for the signatures of source, for the
// names of a bounded number of candidates of each of their tasks, and for a
// bounded number of signatures that are being compared.
func Analyze(ctx context.Context, source, t *Target, o AnalyzeOptions, report Report) (AnalyzeResult, error) {
	a := newAnalysis(source, t, o, report)
	if err := a.listSource(ctx, source); err != nil {
		return AnalyzeResult{}, SourceError{err}
	}
	return a.run(ctx)
}

// A SourceError is one of the source: other errors are the target's.
type SourceError struct{ Err error }

func (e SourceError) Error() string { return e.Err.Error() }
func (e SourceError) Unwrap() error { return e.Err }

// AnalyzeMisses does the same for what a mount missed; t is its remote. What
// the mount published after it had missed an object is no candidate for it: it
// comes from the same build.
func AnalyzeMisses(ctx context.Context, r MissRecord, t *Target, o AnalyzeOptions, report Report) (AnalyzeResult, error) {
	a := newAnalysis(r.Files, t, o, report)
	for _, m := range r.Misses {
		n, ok := sstate.ParsePath(string(m.Key))
		if !ok || n.Side != sstate.SideSiginfo {
			continue
		}
		if !m.Known {
			a.own[m.Key] = m.Published
		}
		a.sources.add(remote.Info{Key: m.Key, ModTime: m.Published}, n)
		if a.o.Filter.Picks(n) && !m.Published.Before(r.Since) {
			a.want(&wanted{key: m.Key, name: n, looked: m.Looked, known: m.Known})
		}
	}
	return a.run(ctx)
}

// analysis is one run.
type analysis struct {
	source Getter
	t      *Target
	o      AnalyzeOptions
	report Report

	items   map[string]*wanted // by the path of the archive
	sorted  []*wanted
	own     map[remote.Key]time.Time // what a mount published, and when
	sources *candidates              // all signatures of the source
	targets *candidates              // those of the target, of tasks that are wanted

	limit  int // candidates read for each miss
	finder *finder
	causes causes
	result AnalyzeResult
}

func newAnalysis(source Getter, t *Target, o AnalyzeOptions, report Report) *analysis {
	o.Candidates, o.Jobs = max(1, o.Candidates), max(1, o.Jobs)
	a := &analysis{
		source: source, t: t, o: o, report: report,
		items: map[string]*wanted{}, own: map[remote.Key]time.Time{},
		sources: newCandidates(0), targets: newCandidates(candidateLimit), causes: causes{},
	}
	a.finder = newFinder(a)
	return a
}

// want adds a signature to those that are looked for. One that was missed
// again counts once, as of the last time.
func (a *analysis) want(w *wanted) {
	a.items[sstate.ArchivePath(string(w.key))] = w
}

// listSource takes all signatures of the source, and wants those that are
// picked.
func (a *analysis) listSource(ctx context.Context, source *Target) error {
	archives := map[string]bool{}
	err := eachObject(ctx, source, Filter{}, a.report, func(info remote.Info, n sstate.Name) error {
		switch {
		case n.Side == sstate.SideSiginfo:
			a.sources.add(info, n)
			if a.o.Filter.Picks(n) {
				a.want(&wanted{key: info.Key, name: n})
			}
		case n.IsArchive() && a.o.Filter.Picks(n):
			archives[string(info.Key)] = true
		}
		return nil
	}, nil)
	for archive := range archives {
		if w := a.items[archive]; w != nil {
			w.archive = true
		}
	}
	return err
}

// listTarget finds out what the target has, and which of it are candidates.
func (a *analysis) listTarget(ctx context.Context) error {
	for _, w := range a.items {
		a.targets.wantPair(w.name)
	}
	return eachObject(ctx, a.t, Filter{}, a.report, func(info remote.Info, n sstate.Name) error {
		if n.Side == sstate.SideSig {
			return nil
		}
		w := a.items[sstate.ArchivePath(string(info.Key))]
		switch {
		case n.IsArchive() && w != nil:
			w.thereArchive = true
		case n.Side == sstate.SideSiginfo:
			if w != nil {
				w.there = true
			}
			a.targets.add(info, n)
		}
		return nil
	}, nil)
}

// run looks at all that is wanted.
func (a *analysis) run(ctx context.Context) (AnalyzeResult, error) {
	if len(a.items) > 0 {
		if err := a.listTarget(ctx); err != nil {
			return AnalyzeResult{}, err
		}
	}
	misses := a.sort()
	a.limit = a.readLimit(misses)
	err := inOrder(ctx, a.o.Jobs, a.sorted, a.look, func(item *Analyzed) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.count(item)
		a.report(Progress{Stage: "comparing", Done: a.result.Checked, Total: int64(len(a.sorted))})
		return a.o.OnItem(item)
	})
	a.result.Causes = a.causes.sorted()
	return a.result, err
}

// sort puts what is wanted in order, and counts what the target lacks.
func (a *analysis) sort() (misses int) {
	for _, w := range a.items {
		if w.state() == MissMissing {
			misses++
		}
		a.sorted = append(a.sorted, w)
	}
	slices.SortFunc(a.sorted, func(x, y *wanted) int {
		return cmp.Or(cmp.Compare(x.name.PN, y.name.PN), cmp.Compare(x.name.Task, y.name.Task),
			cmp.Compare(x.name.Arch, y.name.Arch), cmp.Compare(x.key, y.key))
	})
	return misses
}

// count notes the end of one.
func (a *analysis) count(item *Analyzed) {
	a.result.Checked++
	if item.State == MissFound {
		a.result.Found++
		return
	}
	a.result.Missing++
	if item.Error != "" {
		a.result.Unread++
	}
	a.causes.add(item)
}

// look explains one.
func (a *analysis) look(ctx context.Context, w *wanted) *Analyzed {
	n := w.name
	item := &Analyzed{Key: w.key, Arch: n.Arch, PN: n.PN, Task: n.Task, Hash: n.Hash, State: w.state()}
	if item.State != MissMissing {
		return item
	}
	after, err := a.finder.read(ctx, a.source, w.key)
	if err != nil {
		item.State, item.Error = MissUnread, err.Error()
		return item
	}
	var near []located
	near, item.Matches, item.OtherArch = a.choose(w)
	ranked, err := a.rank(ctx, near, after)
	for i := range ranked {
		if err == nil {
			err = a.compare(ctx, &ranked[i], w, after)
		}
	}
	if err != nil {
		item.State, item.Error = MissUnread, err.Error()
		return item
	}
	item.Candidates = ranked
	return item
}
