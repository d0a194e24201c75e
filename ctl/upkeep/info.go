package upkeep

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"sstatefs/remote"
	"sstatefs/sstate"
)

// InfoOptions says what Info looks at.
type InfoOptions struct {
	Filter Filter
}

// InfoResult is what a remote holds. The JSON keys are stable. Lists are
// sorted, most bytes first.
type InfoResult struct {
	Remote   string    `json:"remote"`
	Now      time.Time `json:"now"`      // ages are told by it
	Clock    string    `json:"clock"`    // whose time that is: "remote" or "host"
	Complete bool      `json:"complete"` // false: the listing was interrupted

	Total   Sum         `json:"total"`
	Kinds   []NamedSum  `json:"kinds"` // archive, siginfo, sig
	Archs   []NamedSum  `json:"archs"`
	Tasks   []NamedSum  `json:"tasks"`
	Recipes []RecipeSum `json:"recipes"`
	Ages    []AgeSum    `json:"ages"`

	// OldestSeconds and NewestSeconds are ages of objects, 0 without any.
	OldestSeconds float64 `json:"oldest_seconds"`
	NewestSeconds float64 `json:"newest_seconds"`

	Leftovers
}

// RecipeSum is a recipe and what is there of it.
type RecipeSum struct {
	NamedSum
	Archives int64     `json:"archives"`
	Tasks    []TaskSum `json:"tasks"` // by name
}

// TaskSum is what is there of a recipe's task.
type TaskSum struct {
	NamedSum
	Archives int64 `json:"archives"`
}

// AgeSum is what has an age of at least From and less than To, 0 for no end.
type AgeSum struct {
	From float64 `json:"from_seconds"`
	To   float64 `json:"to_seconds"`
	Sum
}

// Leftovers are what writers left behind. They may also be under way: those
// that are older than a day are not.
type Leftovers struct {
	Temporaries       Leftover `json:"temporaries"`        // of ours, and of BitBake's
	UnfinishedUploads Leftover `json:"unfinished_uploads"` // in parts; their bytes are not known
	Foreign           Sum      `json:"foreign"`            // other names: locks, stamps, misplaced objects
}

// Leftover counts one sort of them.
type Leftover struct {
	Sum
	OldestSeconds float64 `json:"oldest_seconds"`
	Unknown       string  `json:"unknown,omitempty"` // why they could not be counted
}

func (l *Leftover) add(bytes int64, age time.Duration) {
	l.Sum.add(bytes)
	l.OldestSeconds = max(l.OldestSeconds, age.Seconds())
}

// ageSteps are where the classes of age begin.
func ageSteps() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{0, day, 3 * day, 7 * day, 14 * day, 30 * day, 60 * day, 90 * day, 180 * day, 365 * day}
}

// Info lists the remote once, and a second time for temporaries where the
// remote cannot be swept. Memory is needed for each recipe, task and
// architecture, not for objects. Interrupted, it gives what was seen.
func Info(ctx context.Context, t *Target, o InfoOptions, report Report) (InfoResult, error) {
	clock, err := t.clock(ctx)
	if err != nil {
		return InfoResult{}, err
	}
	s := newSurvey(clock)
	whole, err := visitAll(ctx, t, visit{filter: o.Filter, thrifty: true, object: s.note, other: s.other}, report)
	if err == nil {
		s.countLeft(ctx, t, whole)
		err = ctx.Err()
	}
	return s.result(t, err == nil), err
}

// countLeft counts what only the remote itself can tell.
func (s *survey) countLeft(ctx context.Context, t *Target, whole bool) {
	if lister, ok := t.Remote.(remote.UploadLister); ok {
		err := lister.Uploads(ctx, func(_ remote.Key, _ string, started time.Time) error {
			s.left.UnfinishedUploads.add(0, s.clock.age(started))
			return nil
		})
		s.left.UnfinishedUploads.Unknown = whyNot(err)
	}
	if whole {
		return
	}
	err := t.leftovers(ctx, func(info remote.Info) error {
		s.left.Temporaries.add(info.Size, s.clock.age(info.ModTime))
		return nil
	})
	s.left.Temporaries.Unknown = whyNot(err)
}

// whyNot says why something is not known, empty where there is nothing to be
// known.
func whyNot(err error) string {
	if err == nil || errors.Is(err, remote.ErrUnsupported) {
		return ""
	}
	return err.Error()
}

// survey adds up a listing.
type survey struct {
	clock              times
	total              Sum
	kinds, archs, task sums
	recipes            map[string]*recipe
	steps              []time.Duration
	ages               []Sum // by step
	oldest, newest     time.Duration
	left               Leftovers
}

// recipe adds up what is there of a recipe.
type recipe struct {
	Sum
	archives int64
	tasks    map[string]*task
}

// task adds up what is there of a recipe's task.
type task struct {
	Sum
	archives int64
}

func newSurvey(clock times) *survey {
	steps := ageSteps()
	return &survey{
		clock: clock, kinds: sums{}, archs: sums{}, task: sums{}, recipes: map[string]*recipe{},
		steps: steps, ages: make([]Sum, len(steps)),
	}
}

func (s *survey) note(info remote.Info, n sstate.Name) error {
	age := s.clock.age(info.ModTime)
	if s.total.Objects == 0 || age < s.newest {
		s.newest = age
	}
	s.oldest = max(s.oldest, age)
	s.total.add(info.Size)
	s.kinds.add(kindOf(n), info.Size)
	s.archs.add(n.Arch, info.Size)
	s.task.add(n.Task, info.Size)
	s.recipe(n).add(info.Size, n)
	step := len(s.steps) - 1
	for age < s.steps[step] {
		step--
	}
	s.ages[step].add(info.Size)
	return nil
}

func (s *survey) recipe(n sstate.Name) *recipe {
	r := s.recipes[n.PN]
	if r == nil {
		r = &recipe{tasks: map[string]*task{}}
		s.recipes[strings.Clone(n.PN)] = r
	}
	return r
}

func (r *recipe) add(bytes int64, n sstate.Name) {
	t := r.tasks[n.Task]
	if t == nil {
		t = new(task)
		r.tasks[strings.Clone(n.Task)] = t
	}
	r.Sum.add(bytes)
	t.Sum.add(bytes)
	if n.IsArchive() {
		r.archives++
		t.archives++
	}
}

// other notes a name that is no object's.
func (s *survey) other(info remote.Info) {
	if isFeed(info.Key) {
		return
	}
	if isLeftover(info.Key) {
		s.left.Temporaries.add(info.Size, s.clock.age(info.ModTime))
		return
	}
	s.left.Foreign.add(info.Size)
}

func (s *survey) result(t *Target, complete bool) InfoResult {
	r := InfoResult{
		Remote: t.String(), Now: s.clock.now.UTC(), Clock: s.clock.name(), Complete: complete,
		Total: s.total, Kinds: s.kinds.sorted(), Archs: s.archs.sorted(), Tasks: s.task.sorted(),
		Recipes: make([]RecipeSum, 0, len(s.recipes)), Ages: make([]AgeSum, len(s.ages)),
		OldestSeconds: s.oldest.Seconds(), NewestSeconds: s.newest.Seconds(),
		Leftovers: s.left,
	}
	for pn, one := range s.recipes {
		r.Recipes = append(r.Recipes, one.result(pn))
	}
	slices.SortFunc(r.Recipes, func(a, b RecipeSum) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	for i, sum := range s.ages {
		r.Ages[i] = AgeSum{From: s.steps[i].Seconds(), Sum: sum}
		if i+1 < len(s.steps) {
			r.Ages[i].To = s.steps[i+1].Seconds()
		}
	}
	return r
}

func (r *recipe) result(pn string) RecipeSum {
	all := RecipeSum{NamedSum: NamedSum{pn, r.Sum}, Archives: r.archives, Tasks: make([]TaskSum, 0, len(r.tasks))}
	for name, t := range r.tasks {
		all.Tasks = append(all.Tasks, TaskSum{NamedSum{name, t.Sum}, t.archives})
	}
	slices.SortFunc(all.Tasks, func(a, b TaskSum) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
