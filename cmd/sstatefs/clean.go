package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

const cleanText = `clean removes what no build has used for a while from TARGET: a mountpoint, a
directory or a URL. At least one rule is needed:

  --max-age 30d         archives that were not used for 30 days go, with their
                        .sig; so do siginfo that were not used for --max-sig-age
                        (the same unless given), also those without an archive
  --max-size 500G       then the archives go that were used least recently, until
                        the rest fits. Siginfo, which explain misses, go last
  --remove-duplicated   of each recipe, arch and task only the newest stays.
                        Tasks whose names hold no arch (populate_lic) are left
                        alone. Not for a cache that several branches share
  --keep-stamps DIR     what a build used stays; DIR is its tmp/stamps. Without
                        another rule all else goes that was not used for 48h

An archive, its .siginfo and its .sig age together, by the newest of them. Ages
are by the clock of TARGET. What is used while clean runs stays. Temporaries of
killed writers, unfinished uploads and empty folders go when they are a day old.

--max-age below 48h needs --force, because a mount refreshes what was used once
a day: what is in use could look unused. Through a mount it is twice its
--touch-interval.`

const cleanExample = `  sstatefs clean /srv/sstate --max-age 30d --dry-run
  sstatefs clean s3://sstate/main --max-age 30d --max-sig-age 90d
  sstatefs clean /nfs/sstate --max-size 500G --keep-stamps build/tmp/stamps
  sstatefs clean /nfs/sstate --max-age 30d --hashes-kept kept &&
    bitbake-hashclient gc-mark-stream live < kept && bitbake-hashclient gc-sweep live`

type cleanFlags struct {
	accessFlags
	ruleFlags

	keepStamps       []string
	removeDuplicated bool
	filter           upkeep.Filter
	dryRun           bool
	force            bool
	hashesKept       string
	verbose          bool
}

// ruleFlags are the rules that a mount can apply by itself too.
type ruleFlags struct {
	maxAge    ageValue
	maxSigAge ageValue
	maxSize   sizeValue
}

// add declares the flags with a prefix to their names.
func (f *ruleFlags) add(cmd *cobra.Command, prefix string) {
	f.maxAge.min, f.maxSigAge.min = time.Second, time.Second
	cmd.Flags().Var(&f.maxAge, prefix+"max-age", "remove archives that were not used for that long")
	cmd.Flags().Var(&f.maxSigAge, prefix+"max-sig-age", "remove siginfo that were not used for that long (default as --"+prefix+"max-age)")
	cmd.Flags().Var(&f.maxSize, prefix+"max-size", "remove the archives that were used least recently until the rest fits")
	for _, name := range []string{"max-age", "max-sig-age", "max-size"} {
		cmd.Flags().Lookup(prefix + name).DefValue = ""
	}
}

// options are the rules as Clean takes them.
func (f *ruleFlags) options() upkeep.CleanOptions {
	return upkeep.CleanOptions{MaxAge: f.maxAge.d, MaxSigAge: f.maxSigAge.d, MaxSize: int64(f.maxSize)}
}

func (p *program) cleanCommand() *cobra.Command {
	var flags cleanFlags
	cmd := &cobra.Command{
		Use:     "clean [flags] TARGET",
		Short:   "remove what no build has used for a while",
		Long:    cleanText,
		Example: cleanExample,
		Args:    wantArgs("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.clean(cmd, &flags, args[0])
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	flags.ruleFlags.add(cmd, "")
	set.BoolVar(&flags.removeDuplicated, "remove-duplicated", false, "of each recipe, arch and task keep the newest only")
	set.StringArrayVar(&flags.keepStamps, "keep-stamps", nil, "keep what the build used whose STAMPS_DIR is this `dir` (may be given again)")
	addFilterFlags(cmd, &flags.filter)
	set.BoolVarP(&flags.dryRun, "dry-run", "n", false, "list what would go and remove nothing")
	set.BoolVar(&flags.force, "force", false, "take also an age at which what is in use may look unused")
	set.StringVar(&flags.hashesKept, "hashes-kept", "", "write the unihashes that remain to this `file`, for bitbake-hashclient gc-mark-stream")
	set.BoolVarP(&flags.verbose, "verbose", "v", false, "name every object that goes")
	flags.accessFlags.add(cmd)
	// They fail for a flag that does not exist only.
	_ = cmd.MarkFlagDirname("keep-stamps")
	_ = cmd.MarkFlagFilename("hashes-kept")
	return cmd
}

// clean is the command of that name. All that can be wrong with what was typed
// is found before the target is opened.
func (p *program) clean(cmd *cobra.Command, flags *cleanFlags, arg string) error {
	if err := checkFilter(cmd, &flags.filter); err != nil {
		return err
	}
	o, err := flags.options()
	if err == nil {
		err = o.Check(ageless(arg))
	}
	if err != nil {
		return cleanUsage(cmd, err)
	}
	hashes, err := newKeptFile(flags.hashesKept)
	if err != nil {
		return err
	}
	defer hashes.discard()
	return p.onTarget(cmd, arg, &flags.accessFlags, targetOptions{later: true}, func(ctx context.Context, t *target) error {
		names := p.newRemovedNames(flags.verbose || flags.dryRun && !p.json, t.Now)
		o.OnRemoved = names.print
		report, done := p.workingBeside(names)
		result, err := upkeep.Clean(ctx, t.Target, o, report)
		done()
		if err == nil {
			err = hashes.commit(result.Hashes)
		}
		if isRefused(err) {
			return cleanUsage(cmd, err)
		}
		if err == nil || result.LookedAt.Total.Objects > 0 {
			if e := p.printClean(names, result); e != nil {
				return e
			}
		}
		return cleanError(t.name, result, err)
	})
}

// ageless is what is known of a target before it is opened: nil of a mount,
// whose least age depends on how it was mounted.
func ageless(arg string) *upkeep.Target {
	if mountpoint, err := mountpointOf(arg); err != nil || mountpoint != "" {
		return nil
	}
	return &upkeep.Target{}
}

// options are the flags as Clean takes them. The stamps are read.
func (f *cleanFlags) options() (upkeep.CleanOptions, error) {
	o := f.ruleFlags.options()
	o.RemoveDuplicated, o.Filter, o.DryRun, o.Force = f.removeDuplicated, f.filter, f.dryRun, f.force
	o.WantHashes = f.hashesKept != ""
	if len(f.keepStamps) == 0 {
		return o, nil
	}
	stamps, err := upkeep.ReadStamps(f.keepStamps...)
	if err != nil {
		return o, &failure{code: exitUsage, err: fmt.Errorf("--keep-stamps: %w", err)}
	}
	o.Stamps = stamps
	return o, nil
}

// isRefused tells that Clean did nothing because of what was typed.
func isRefused(err error) bool {
	var bad upkeep.BadOptions
	var young upkeep.TooYoung
	return errors.As(err, &bad) || errors.As(err, &young)
}

// cleanUsage words what is wrong with rules.
func cleanUsage(cmd *cobra.Command, err error) error {
	var bad upkeep.BadOptions
	var young upkeep.TooYoung
	switch {
	case errors.As(err, &young):
		return usage("--force removes it all the same", "%s: an age below %s may remove what is in use", cmd.Name(), amount.AgeFlag(young.Least))
	case errors.As(err, &bad):
		return usage(helpOf(cmd), "%s: %v", cmd.Name(), bad)
	}
	return err
}

// cleanError is how a clean that was said ends.
func cleanError(name string, r upkeep.CleanResult, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("clean: interrupted")
	case errors.Is(err, upkeep.ErrNoClock):
		return &failure{code: exitPart, err: fmt.Errorf("clean: %s: %w, so ages cannot be told; nothing was removed", name, upkeep.ErrNoClock),
			hint: "clean on the host of the server, or with the right to write there"}
	case errors.Is(err, remote.ErrUnsupported):
		return &failure{code: exitPart, err: fmt.Errorf("clean: %s: %w", name, err)}
	case err != nil:
		return err
	case r.Failed.Objects > 0:
		return &failure{code: exitPart, err: fmt.Errorf("clean: %s could not be removed: %s", objects(r.Failed.Objects), r.FailedReason)}
	}
	return nil
}

// printClean says what was done.
func (p *program) printClean(names *removedNames, r upkeep.CleanResult) error {
	if r.Warning != "" {
		fmt.Fprintf(p.stderr, "sstatefs: warning: %s\n", r.Warning)
	}
	if err := names.finish(r); err != nil || p.json {
		return err
	}
	return printCleaned(p.stdout, r)
}

func printCleaned(w io.Writer, r upkeep.CleanResult) error {
	removed, kept := "removed", "kept"
	if r.DryRun {
		removed, kept = "would remove", "would keep"
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, s upkeep.Sum) {
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, objects(s.Objects), amount.Size(s.Bytes))
	}
	row("looked at", r.LookedAt.Total)
	row(removed, r.Removed.Total)
	for _, kind := range []struct {
		name string
		sum  upkeep.Sum
	}{
		{"  archives", r.Removed.Archives}, {"  siginfo", r.Removed.Signatures},
		{"  .sig", r.Removed.Sigs}, {"  leftovers", r.Removed.Leftovers},
	} {
		if kind.sum.Objects > 0 {
			row(kind.name, kind.sum)
		}
	}
	if r.Uploads > 0 {
		fmt.Fprintf(table, "  unfinished uploads\t%d\t\n", r.Uploads)
	}
	if r.EmptyFolders > 0 {
		fmt.Fprintf(table, "  empty folders\t%d\t\n", r.EmptyFolders)
	}
	if r.Failed.Objects > 0 {
		row("failed", r.Failed)
	}
	row(kept, r.Kept)
	return table.Flush()
}
