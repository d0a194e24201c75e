package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
	"sstatefs/sstate/siginfo"
)

const analyzeText = `analyze says why objects are not in a cache. For every signature of SOURCE, an
sstate directory, whose object TARGET lacks, it finds the signatures of TARGET
that are nearest: of the same recipe, task and architecture, and with the least
that differs. It prints what changed from them, in the words of bitbake-diffsigs,
down to the dependency where the change began. At the end every root cause is
said once, with the tasks and recipes that it explains.

With a MOUNTPOINT alone it explains what builds did not find in that mount: the
mount remembers each archive that was looked up in vain and whose signature was
published through it afterwards, or was there already while the archive was
gone, as a cleaner leaves it. No local sstate directory is needed.`

const analyzeExample = `  sstatefs analyze build/sstate-cache s3://sstate/main --task package
  sstatefs analyze build/sstate-cache https://cache.example.com/sstate --pn 'linux*'
  sstatefs analyze /srv/sstate --since 2h`

type analyzeFlags struct {
	accessFlags

	filter     upkeep.Filter
	candidates int
	jobs       int
	color      *choiceValue
	since      ageValue
}

func (p *program) analyzeCommand() *cobra.Command {
	flags := analyzeFlags{since: ageValue{min: time.Second}}
	cmd := &cobra.Command{
		Use:     "analyze [flags] SOURCE TARGET | MOUNTPOINT",
		Short:   "why these items are not in the cache",
		Long:    analyzeText,
		Example: analyzeExample,
		Args:    wantArgs("SOURCE|MOUNTPOINT", "[TARGET]"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.analyze(cmd, &flags, args) },
	}
	addFilterFlags(cmd, &flags.filter)
	cmd.Flags().IntVar(&flags.candidates, "candidates", 3, "compare each miss with this many signatures")
	cmd.Flags().IntVar(&flags.jobs, "jobs", 16, "misses looked at at a time")
	flags.color = colorFlag(cmd)
	cmd.Flags().Var(&flags.since, "since", "of a MOUNTPOINT: only misses of the last time, as 2h")
	cmd.Flags().Lookup("since").DefValue = ""
	flags.accessFlags.add(cmd)
	return cmd
}

// options are the flags as Analyze takes them.
func (f *analyzeFlags) options(cmd *cobra.Command) (upkeep.AnalyzeOptions, error) {
	o := upkeep.AnalyzeOptions{Filter: f.filter, Candidates: f.candidates, Jobs: f.jobs}
	for name, n := range map[string]int{"candidates": f.candidates, "jobs": f.jobs} {
		if n < 1 {
			return o, usage(helpOf(cmd), "analyze: --%s %d: must be at least 1", name, n)
		}
	}
	return o, checkFilter(cmd, &f.filter)
}

func (p *program) analyze(cmd *cobra.Command, flags *analyzeFlags, args []string) error {
	o, err := flags.options(cmd)
	if err != nil {
		return err
	}
	o.Filter = flags.filter
	show := p.newAnalyzed(flags.color.word)
	if len(args) == 1 {
		return p.analyzeMount(cmd, flags, args[0], o, show)
	}
	if flags.since.d > 0 {
		return usage(helpOf(cmd), "analyze: --since is for a MOUNTPOINT alone")
	}
	readOnly := targetOptions{readOnly: true, later: true}
	return p.onTarget(cmd, args[0], &flags.accessFlags, readOnly, func(ctx context.Context, source *target) error {
		t, err := p.openTarget(ctx, args[1], &flags.accessFlags, readOnly)
		if err != nil {
			return whenStopped(ctx, cmd.Name(), err)
		}
		defer t.close()
		report, done := p.working()
		o.OnItem = show.item(done)
		result, err := upkeep.Analyze(ctx, source.Target, t.Target, o, report)
		done()
		err = show.finish(ctx, result, err)
		if errors.As(err, &upkeep.SourceError{}) {
			return err // onTarget tells where
		}
		return workError(cmd.Name(), args[1], t, err)
	})
}

// analyzeMount explains what a mount missed.
func (p *program) analyzeMount(
	cmd *cobra.Command, flags *analyzeFlags, arg string, o upkeep.AnalyzeOptions, show *analyzed,
) error {
	if err := openers().Check(arg); err != nil { // a password in it is not repeated
		return addressError(arg, err, helpOf(cmd))
	}
	mountpoint, err := mountpointOf(arg)
	if err == nil && mountpoint == "" {
		err = usage("sstatefs analyze SOURCE "+arg, "analyze: %s is no mountpoint of sstatefs, and there is no SOURCE", arg)
	}
	if err != nil {
		return err
	}
	return p.onTarget(cmd, arg, &flags.accessFlags, targetOptions{readOnly: true}, func(ctx context.Context, t *target) error {
		recorded, err := t.client.Misses(ctx, time.Time{})
		if err != nil {
			return err
		}
		record := upkeep.MissRecord{Files: mountFiles{mountpoint}}
		if flags.since.d > 0 {
			record.Since = t.Now().Add(-flags.since.d)
		}
		for _, m := range recorded {
			record.Misses = append(record.Misses, upkeep.Missed{
				Key: remote.Key(m.Key), Looked: m.Looked, Published: m.Published, Known: m.Known,
			})
		}
		report, done := p.working()
		o.OnItem = show.item(done)
		result, err := upkeep.AnalyzeMisses(ctx, record, t.Target, o, report)
		done()
		show.mountpoint = mountpoint
		return show.finish(ctx, result, err)
	})
}

// mountFiles reads objects through a mount: it has also what is not sent yet.
type mountFiles struct{ dir string }

// Get opens the file of an object.
func (m mountFiles) Get(_ context.Context, key remote.Key, _ int64) (io.ReadCloser, remote.Info, error) {
	f, err := os.Open(filepath.Join(m.dir, filepath.FromSlash(string(key))))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, remote.Info{}, &remote.Error{Op: "mount: get", Key: key, Kind: remote.ErrNotExist, Err: err}
	case err != nil:
		return nil, remote.Info{}, &remote.Error{Op: "mount: get", Key: key, Kind: remote.ErrUnavailable, Err: err}
	}
	return f, remote.Info{Key: key}, nil
}

// analyzed prints what Analyze finds, as it comes or at the end.
type analyzed struct {
	p          *program
	out        *bufio.Writer
	style      siginfo.Style
	mountpoint string
	items      []*upkeep.Analyzed // for --json
}

func (p *program) newAnalyzed(color string) *analyzed {
	return &analyzed{p: p, out: bufio.NewWriter(p.stdout), style: p.style(color), items: []*upkeep.Analyzed{}}
}

// item prints one; clear takes the progress line away before.
func (a *analyzed) item(clear func()) func(*upkeep.Analyzed) error {
	return func(item *upkeep.Analyzed) error {
		if a.p.json {
			a.items = append(a.items, item)
			return nil
		}
		if isTerminal(a.p.stdout) {
			clear()
		}
		for _, line := range item.Lines(a.style) {
			fmt.Fprintln(a.out, line)
		}
		return nil
	}
}

// finish prints the summary, also of a part.
func (a *analyzed) finish(ctx context.Context, r upkeep.AnalyzeResult, err error) error {
	stopped := err != nil && ctx.Err() != nil
	if err != nil && !stopped {
		return errors.Join(a.out.Flush(), err)
	}
	if a.p.json {
		err = a.p.printJSON(struct {
			upkeep.AnalyzeResult
			Items []*upkeep.Analyzed `json:"items"`
		}{r, a.items})
	} else {
		err = a.summary(r)
	}
	switch {
	case err != nil:
		return err
	case stopped:
		return errors.New("analyze: interrupted: this is not all")
	case r.Unread > 0:
		return &failure{code: exitPart, err: fmt.Errorf("analyze: %d of %d misses could not be compared", r.Unread, r.Missing)}
	}
	return nil
}

// shownCauseRecipes is how many recipes are named behind a cause. --json has
// all.
const shownCauseRecipes = 20

func (a *analyzed) summary(r upkeep.AnalyzeResult) error {
	if a.mountpoint != "" && r.Checked == 0 {
		fmt.Fprintf(a.out, "%s: nothing was missed\n", a.mountpoint)
		return a.out.Flush()
	}
	if r.Checked > 0 {
		fmt.Fprintln(a.out)
	}
	head := "==== summary ===="
	if a.style == siginfo.Colored {
		head = "\x1b[1;33m" + head + "\x1b[0m"
	}
	fmt.Fprintf(a.out, "%s\n%s checked: %d found, %d missing\n", head, counted(int(r.Checked), "signature"), r.Found, r.Missing)
	for _, c := range r.Causes {
		named := c.Recipes[:min(len(c.Recipes), shownCauseRecipes)]
		more := ""
		if n := len(c.Recipes) - len(named); n > 0 {
			more = fmt.Sprintf(" and %d more", n)
		}
		fmt.Fprintf(a.out, "%s\n    %s of %s: %s%s\n", c, counted(len(c.Tasks), "task"), counted(len(c.Recipes), "recipe"),
			strings.Join(named, ", "), more)
	}
	return a.out.Flush()
}

// counted is a number of things in words.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
