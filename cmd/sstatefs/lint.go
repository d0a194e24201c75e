package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/ctl/upkeep"
	"sstatefs/sstate/siginfo"
)

const lintText = `lint looks for what makes signatures differ from one build host to the next:
variables and file:// entries of SRC_URI that hold an absolute path below
--sources-dir or --build-dir. What it finds is mostly a fault of a recipe.

Its exit code is the number of issues, at most 255, or what --exit-code says if
there are any. With --lint-stamps, TARGET is the folder tmp/stamps of a build,
which has the signatures of all tasks: bitbake --dump-signatures=none TARGET
makes them without a build.`

const lintExample = `  sstatefs lint --sources-dir /work --build-dir /build/tmp /nfs/sstate
  sstatefs lint --exit-code 0 -v s3://sstate/main
  sstatefs lint --lint-stamps build/tmp/stamps`

// What isar-sstate takes when nothing is said: paths of Isar's containers, and
// tasks that are never cached.
const (
	lintSources  = "/work/"
	lintBuild    = "/build/tmp/"
	lintExcluded = "rootfs_wicenv,image_wic"
)

type lintFlags struct {
	accessFlags

	filter   upkeep.Filter
	sources  string
	build    string
	excluded []string
	pedantic bool
	exit     int
	verbose  bool
	stamps   bool
	jobs     int
	color    *choiceValue
}

func (p *program) lintCommand() *cobra.Command {
	var flags lintFlags
	cmd := &cobra.Command{
		Use:     "lint [flags] TARGET",
		Short:   "signatures that hold absolute paths of a build host",
		Long:    lintText,
		Example: lintExample,
		Args:    wantArgs("TARGET"),
		RunE:    func(cmd *cobra.Command, args []string) error { return p.lint(cmd, &flags, args[0]) },
	}
	set := cmd.Flags()
	set.StringVar(&flags.sources, "sources-dir", lintSources, "absolute path of the sources")
	set.StringVar(&flags.build, "build-dir", lintBuild, "absolute path of the build")
	set.StringSliceVar(&flags.excluded, "excluded-tasks", strings.Split(lintExcluded, ","), "patterns of tasks that are left out")
	set.BoolVar(&flags.pedantic, "pedantic", false, "leave no task out")
	set.IntVar(&flags.exit, "exit-code", 0, "exit with this code when there are issues (default their number)")
	set.BoolVarP(&flags.verbose, "verbose", "v", false, "show absolute paths to other places too")
	set.BoolVar(&flags.stamps, "lint-stamps", false, "TARGET is the stamps folder of a build")
	set.IntVar(&flags.jobs, "jobs", 16, "signatures read at a time")
	addFilterFlags(cmd, &flags.filter)
	flags.color = colorFlag(cmd)
	flags.accessFlags.add(cmd)
	return cmd
}

// options are the flags as Lint takes them.
func (f *lintFlags) options(cmd *cobra.Command) (upkeep.LintOptions, error) {
	o := upkeep.LintOptions{SourcesDir: f.sources, BuildDir: f.build, ExcludedTasks: f.excluded, Jobs: f.jobs}
	if f.pedantic {
		o.ExcludedTasks = nil
	}
	for name, dir := range map[string]string{"sources-dir": f.sources, "build-dir": f.build} {
		if dir != "" && !path.IsAbs(dir) {
			return o, usage(helpOf(cmd), "lint: --%s %s: want an absolute path", name, dir)
		}
	}
	for _, pattern := range o.ExcludedTasks {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, usage(helpOf(cmd), "lint: --excluded-tasks %s: %v", pattern, err)
		}
	}
	switch {
	case f.exit < 0 || f.exit > maxExit:
		return o, usage(helpOf(cmd), "lint: --exit-code %d: want 0 to %d", f.exit, maxExit)
	case f.jobs < 1:
		return o, usage(helpOf(cmd), "lint: --jobs %d: must be at least 1", f.jobs)
	}
	err := checkFilter(cmd, &f.filter)
	o.Filter = f.filter
	return o, err
}

// maxExit is the largest exit code: 256 issues must not look like none.
const maxExit = 255

func (p *program) lint(cmd *cobra.Command, flags *lintFlags, arg string) error {
	o, err := flags.options(cmd)
	if err != nil {
		return err
	}
	run := func(ctx context.Context, work func(fn func(upkeep.LintedSignature) error) (upkeep.LintResult, error)) error {
		show := &linted{p: p, out: bufio.NewWriter(p.stdout), style: p.style(flags.color.word), verbose: flags.verbose,
			signatures: []upkeep.LintedSignature{}}
		result, err := work(show.signature)
		if err := show.finish(ctx, result, err); err != nil {
			return err
		}
		return lintError(result, flags.exit, cmd.Flags().Changed("exit-code"))
	}
	if flags.stamps {
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		if st, err := os.Stat(arg); err != nil {
			return fmt.Errorf("lint: %w", err)
		} else if !st.IsDir() {
			return fmt.Errorf("lint: %s: not a folder of stamps", arg)
		}
		return run(ctx, func(fn func(upkeep.LintedSignature) error) (upkeep.LintResult, error) {
			report, done := p.working()
			defer done()
			return upkeep.LintStamps(ctx, os.DirFS(arg), o, report, fn)
		})
	}
	return p.onTarget(cmd, arg, &flags.accessFlags, targetOptions{readOnly: true, later: true}, func(ctx context.Context, t *target) error {
		return run(ctx, func(fn func(upkeep.LintedSignature) error) (upkeep.LintResult, error) {
			report, done := p.working()
			defer done()
			return upkeep.Lint(ctx, t.Target, o, report, fn)
		})
	})
}

// lintError is the exit code of a lint that was said.
func lintError(r upkeep.LintResult, code int, given bool) error {
	if !given {
		code = int(min(maxExit, r.Issues()))
	}
	if r.Issues() > 0 && code != exitDone {
		return &failure{code: code, err: unlinted(r)}
	}
	return unlinted(r)
}

// unlinted tells of signatures that nothing can be said of.
func unlinted(r upkeep.LintResult) error {
	switch {
	case r.Unread > 0:
		return &failure{code: exitPart, err: fmt.Errorf("lint: %d signatures could not be read: %s", r.Unread, r.UnreadWhy)}
	case r.Broken > 0:
		return &failure{code: exitPart, err: fmt.Errorf("lint: %d files are no signatures: %s", r.Broken, r.BrokenWhy)}
	}
	return nil
}

// linted prints what Lint finds.
type linted struct {
	p          *program
	out        *bufio.Writer
	style      siginfo.Style
	verbose    bool
	signatures []upkeep.LintedSignature // for --json
}

func (l *linted) signature(s upkeep.LintedSignature) error {
	if l.p.json {
		l.signatures = append(l.signatures, s)
		return nil
	}
	for _, line := range s.Lines(l.style, l.verbose) {
		fmt.Fprintln(l.out, line)
	}
	return nil
}

// finish prints the sum, also of a part.
func (l *linted) finish(ctx context.Context, r upkeep.LintResult, err error) error {
	stopped := err != nil && ctx.Err() != nil
	if err != nil && !stopped {
		return errors.Join(l.out.Flush(), err)
	}
	if l.p.json {
		err = l.p.printJSON(struct {
			upkeep.LintResult
			Signatures []upkeep.LintedSignature `json:"signatures"`
		}{r, l.signatures})
	} else {
		for _, line := range r.Lines() {
			fmt.Fprintln(l.out, line)
		}
		err = l.out.Flush()
	}
	if err == nil && stopped {
		err = errors.New("lint: interrupted: this is not all")
	}
	return err
}
