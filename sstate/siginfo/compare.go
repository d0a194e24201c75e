package siginfo

import (
	"context"
	"fmt"
)

const (
	// maxDepth bounds how deep dependencies are followed. The longest chain
	// of tasks in a build of an image has some hundred.
	maxDepth = 500

	// maxFollowed bounds how many dependencies one comparison follows.
	maxFollowed = 20000
)

// Finder finds the signatures of dependencies.
type Finder interface {
	// Find returns the signature of the task that key names (see ParseDep)
	// with that unihash, and nil when there is none. An error ends the
	// comparison.
	Find(ctx context.Context, key, hash string) (*Signature, error)
}

// Options say how to compare.
type Options struct {
	// Finder lets changed dependencies be followed; nil follows none.
	Finder Finder

	// Collapsed leaves out what follows from other changes and follows all
	// dependencies instead of the first that explains something: the way of
	// bitbake -S printdiff.
	Collapsed bool

	// Missing words a dependency whose signatures were not found; nil is as
	// bitbake-diffsigs does.
	Missing func(*Followed) string
}

// Comparison is the difference between two signatures of a task, and of those
// of its dependencies that were followed.
type Comparison struct {
	Changes  []Change    // between the two, in the order of BitBake's messages
	Followed []*Followed // in order; without Collapsed only the last explains anything

	collapsed bool
	says      bool // it has any line
}

// Followed is a dependency whose hash changed and that was followed.
type Followed struct {
	Key    string // of the dependency
	Before string // its unihash before
	After  string // its unihash after

	NoBefore bool // no signature was found for Before
	NoAfter  bool // no signature was found for After

	*Comparison // nil when one of them was not found

	missing string // what is said then
}

// Compare compares two signatures of a task, a being before and b after, and
// follows the dependencies that changed, which o.Finder finds. A dependency
// that is met again below itself is not followed again, and one that was
// compared elsewhere already is not compared twice. Errors are those of the
// Finder and of ctx.
func Compare(ctx context.Context, a, b *Signature, o Options) (*Comparison, error) {
	c := &comparer{o: o, known: map[edge]*Followed{}, path: map[edge]bool{}, left: maxChanges}
	return c.compare(ctx, a, b)
}

// edge names a dependency with both its hashes.
type edge struct{ key, before, after string }

type comparer struct {
	o     Options
	known map[edge]*Followed
	path  map[edge]bool // from the top to here
	left  int           // bytes that the changes to come may hold
}

func (c *comparer) compare(ctx context.Context, a, b *Signature) (*Comparison, error) {
	result := &Comparison{Changes: Diff(a, b), collapsed: c.o.Collapsed}
	for _, change := range result.Changes {
		c.left -= change.bytes()
	}
	for _, change := range result.Changes {
		if !c.o.Collapsed || !change.follows() {
			result.says = true
		}
		if change.Kind != DepHash || c.o.Finder == nil {
			continue
		}
		f, err := c.follow(ctx, edge{change.Name, change.Before.Text(), change.After.Text()})
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		result.Followed = append(result.Followed, f)
		result.says = result.says || f.explains()
		if !c.o.Collapsed && f.explains() {
			break
		}
	}
	return result, nil
}

// follow compares a dependency. It returns nil where the way ends: in a loop,
// which no build has and broken files can, or at a bound.
func (c *comparer) follow(ctx context.Context, e edge) (*Followed, error) {
	if c.path[e] || len(c.path) >= maxDepth {
		return nil, nil
	}
	if f, known := c.known[e]; known {
		return f, nil
	}
	if len(c.known) >= maxFollowed || c.left < 0 {
		return nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := &Followed{Key: e.key, Before: e.before, After: e.after}
	a, err := c.o.Finder.Find(ctx, e.key, e.before)
	if err != nil {
		return nil, err
	}
	b, err := c.o.Finder.Find(ctx, e.key, e.after)
	if err != nil {
		return nil, err
	}
	c.known[e] = f
	if a == nil || b == nil {
		f.NoBefore, f.NoAfter = a == nil, b == nil
		f.missing = c.o.missing(f)
		return f, nil
	}
	c.path[e] = true
	f.Comparison, err = c.compare(ctx, a, b)
	delete(c.path, e)
	return f, err
}

// explains reports whether there is anything to say about the dependency.
func (f *Followed) explains() bool { return f.Comparison == nil || f.says }

// follows reports whether a change only follows from others.
func (c Change) follows() bool {
	return c.Kind == BaseHash || c.Kind == Deps || c.Kind == DepHash
}

// missing words a dependency without signatures.
func (o Options) missing(f *Followed) string {
	const unable = "Unable to find matching sigdata for "
	switch {
	case o.Missing != nil:
		return o.Missing(f)
	case f.NoBefore && f.NoAfter:
		return fmt.Sprintf("%s%s with hashes %s or %s", unable, f.Key, f.Before, f.After)
	case f.NoBefore:
		return fmt.Sprintf("%s%s with hash %s", unable, f.Key, f.Before)
	default:
		return fmt.Sprintf("%s%s with hash %s", unable, f.Key, f.After)
	}
}
