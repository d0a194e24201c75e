package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"sstatefs/sstate/siginfo"
)

const diffsigsText = `diffsigs prints why signature B is not signature A, as bitbake-diffsigs of
BitBake 2.19 does: the files of all versions, zstd or pickle, with nothing in
them executed.

Where the hash of a dependency changed, the signatures of that dependency are
compared in its place. They are looked for in the folders of --search, each an
sstate directory or a mountpoint; without it in the sstate directories that
hold A and B.`

const diffsigsExample = `  sstatefs diffsigs old.siginfo new.siginfo
  sstatefs diffsigs --search /srv/sstate --search build/sstate-cache old.siginfo new.siginfo
  sstatefs diffsigs --collapsed --color always old.siginfo new.siginfo | less -R`

type diffsigsFlags struct {
	search    []string
	noRecurse bool
	collapsed bool
	color     *choiceValue
}

func (p *program) diffsigsCommand() *cobra.Command {
	var flags diffsigsFlags
	cmd := &cobra.Command{
		Use:     "diffsigs [flags] A B",
		Short:   "why two signatures differ, as bitbake-diffsigs prints it",
		Long:    diffsigsText,
		Example: diffsigsExample,
		Args:    wantArgs("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return p.diffsigs(ctx, &flags, args[0], args[1])
		},
	}
	cmd.Flags().StringArrayVar(&flags.search, "search", nil, "look for dependencies in `dir`, an sstate directory (may be given again)")
	cmd.Flags().BoolVar(&flags.noRecurse, "no-recurse", false, "do not follow dependencies")
	cmd.Flags().BoolVar(&flags.collapsed, "collapsed", false, "follow all dependencies, leave out what only follows from them")
	flags.color = colorFlag(cmd)
	// It fails for a flag that does not exist only.
	_ = cmd.MarkFlagDirname("search")
	return cmd
}

func (p *program) diffsigs(ctx context.Context, flags *diffsigsFlags, before, after string) error {
	a, err := readSignature(before)
	if err != nil {
		return fmt.Errorf("diffsigs: %w", err)
	}
	b, err := readSignature(after)
	if err != nil {
		return fmt.Errorf("diffsigs: %w", err)
	}
	o := siginfo.Options{Collapsed: flags.collapsed}
	search, err := newSigSearch(flags, before, after)
	if err != nil {
		return fmt.Errorf("diffsigs: %w", err)
	}
	if search != nil {
		o.Finder = search
	}
	result, err := siginfo.Compare(ctx, a, b, o)
	if err != nil {
		return whenStopped(ctx, "diffsigs", fmt.Errorf("diffsigs: %w", err))
	}
	if err := p.printComparison(result, flags.color.word, before, after); err != nil {
		return err
	}
	return search.failure()
}

func (p *program) printComparison(result *siginfo.Comparison, color, before, after string) error {
	if p.json {
		return p.printJSON(newSignatureDiff(result, before, after))
	}
	return printLines(p.stdout, result.Lines(p.style(color)))
}

// signatureDiff is the answer of `sstatefs diffsigs --json`. The keys are
// stable.
type signatureDiff struct {
	Before    string           `json:"before"` // the files
	After     string           `json:"after"`
	Identical bool             `json:"identical"`
	Changes   []siginfo.Change `json:"changes"`
	Followed  []followedDiff   `json:"followed"` // each dependency once, from the top down
	Causes    []siginfo.Cause  `json:"causes"`   // what is at the bottom
	Lines     []string         `json:"lines"`    // the text, without colors
}

// followedDiff is a dependency that was followed.
type followedDiff struct {
	Key           string           `json:"key"`
	Depth         int              `json:"depth"`  // 1 for one of the files themselves
	Before        string           `json:"before"` // unihashes
	After         string           `json:"after"`
	MissingBefore bool             `json:"missing_before"` // its signature was not found
	MissingAfter  bool             `json:"missing_after"`
	Changes       []siginfo.Change `json:"changes"`
}

func newSignatureDiff(c *siginfo.Comparison, before, after string) signatureDiff {
	d := signatureDiff{
		Before: before, After: after, Identical: len(c.Changes) == 0,
		Changes: orEmpty(c.Changes), Followed: []followedDiff{},
		Causes: orEmpty(c.Causes()), Lines: orEmpty(c.Lines(siginfo.Plain)),
	}
	d.follow(c, 1, map[*siginfo.Followed]bool{})
	return d
}

// follow adds the dependencies of a comparison, each before its own.
func (d *signatureDiff) follow(c *siginfo.Comparison, depth int, seen map[*siginfo.Followed]bool) {
	for _, f := range c.Followed {
		if seen[f] {
			continue
		}
		seen[f] = true
		one := followedDiff{
			Key: f.Key, Depth: depth, Before: f.Before, After: f.After,
			MissingBefore: f.NoBefore, MissingAfter: f.NoAfter, Changes: []siginfo.Change{},
		}
		if f.Comparison == nil {
			d.Followed = append(d.Followed, one)
			continue
		}
		one.Changes = orEmpty(f.Changes)
		d.Followed = append(d.Followed, one)
		d.follow(f.Comparison, depth+1, seen)
	}
}

// orEmpty is an empty array in JSON where nil would be null.
func orEmpty[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}
