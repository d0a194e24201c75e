package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
	"sstatefs/store"
)

const fetchText = `fetch brings archives into the local cache of a mount, so that a build finds them
there: those that --pn, --arch and --task pick, all without them, the one used
last first. With - it reads names from stdin, one a line: keys, paths below the
mount, or JSON objects with a "key", as events and list print them. It ends when
the cache is full of what was fetched.`

const fetchExample = `  sstatefs fetch /srv/sstate --task 'populate_sysroot'
  sstatefs list s3://sstate/main --sort used --reverse --limit 500 --json |
    sstatefs fetch /srv/sstate -
  ssh builder sstatefs events /srv/sstate | sstatefs fetch /srv/sstate -`

type fetchFlags struct {
	filter     upkeep.Filter
	companions bool
	jobs       int
}

func (p *program) fetchCommand() *cobra.Command {
	var flags fetchFlags
	cmd := &cobra.Command{
		Use:     "fetch [flags] MOUNTPOINT [-]",
		Short:   "warm the local cache of a mount",
		Long:    fetchText,
		Example: fetchExample,
		Args:    wantArgs("MOUNTPOINT", "[-]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.check(cmd, args); err != nil {
				return err
			}
			client, err := p.dial(args[0])
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			if len(args) > 1 {
				return p.fetchNames(ctx, client, &flags)
			}
			return p.fetchPicked(ctx, client, &flags)
		},
	}
	cmd.Flags().BoolVar(&flags.companions, "companions", false, "fetch siginfo and signatures too")
	cmd.Flags().IntVarP(&flags.jobs, "jobs", "j", 16, "transfers at a time")
	addFilterFlags(cmd, &flags.filter)
	return cmd
}

func (f *fetchFlags) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1 && args[1] != "-":
		return usage(helpOf(cmd), "fetch: %s: want - for names on stdin, or nothing", args[1])
	case len(args) > 1 && f.companions:
		return usage(helpOf(cmd), "fetch: --companions is for names that are picked; name them on stdin too")
	case f.jobs < 1:
		return usage(helpOf(cmd), "fetch: --jobs %d: must be at least 1", f.jobs)
	}
	return checkFilter(cmd, &f.filter)
}

// fetchPicked fetches what the remote has and the flags pick.
func (p *program) fetchPicked(ctx context.Context, client *ctl.Client, flags *fetchFlags) error {
	mountpoint := client.Info().Mountpoint
	far, err := client.Remote(ctx)
	if err != nil {
		return err
	}
	t := &upkeep.Target{Remote: far}
	report, done := p.working()
	picked, err := upkeep.Pick(ctx, t, upkeep.PickOptions{Filter: flags.filter, Companions: flags.companions}, report)
	if err != nil {
		done()
		return whenStopped(ctx, mountpoint, err)
	}
	total := upkeep.Progress{Stage: "fetching", Total: int64(len(picked))}
	names := make(chan string, len(picked))
	for _, one := range picked {
		names <- one.Key
		total.TotalBytes += one.Size
	}
	close(names)
	result, err := client.Fetch(ctx, names, flags.jobs, fetchProgress(report, total))
	done()
	result.Left = int64(len(picked)) - tried(result)
	return p.endFetch(mountpoint, result, err)
}

// namesAhead is how many names wait for the fetch that runs.
const namesAhead = 1000

// fetchNames fetches what stdin names, until it ends or the cache is full.
func (p *program) fetchNames(ctx context.Context, client *ctl.Client, flags *fetchFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names := make(chan string, namesAhead)
	reader := &nameReader{mountpoint: client.Info().Mountpoint, filter: flags.filter}
	failed := make(chan error, 1)
	go func() { // it ends with its input, or with the process: a read of stdin cannot be interrupted
		failed <- reader.read(ctx, os.Stdin, names)
		close(names)
	}()
	report, done := p.working()
	result, err := client.Fetch(ctx, names, flags.jobs, fetchProgress(report, upkeep.Progress{Stage: "fetching"}))
	done()
	if err == nil {
		err = endOf(failed)
	}
	return p.endFetch(client.Info().Mountpoint, result, err)
}

// endOf is how the reading of stdin ended, nil if it did not.
func endOf(failed <-chan error) error {
	select {
	case err := <-failed:
		if err != nil {
			return fmt.Errorf("stdin: %w", err)
		}
	default:
	}
	return nil
}

// fetchProgress turns results into progress towards a total.
func fetchProgress(report upkeep.Report, total upkeep.Progress) func(store.WarmResult) {
	return func(r store.WarmResult) {
		now := total
		now.Done, now.DoneBytes = tried(r), r.Bytes()
		report(now)
	}
}

// tried is how many names were.
func tried(r store.WarmResult) int64 {
	return r.Fetched.Objects + r.Cached.Objects + r.Absent + r.TooLarge + r.Failed
}

// endFetch prints the summary, and says why not all is here.
func (p *program) endFetch(mountpoint string, r store.WarmResult, err error) error {
	var e error
	if p.json {
		e = p.printJSON(r)
	} else {
		e = printFetch(p.stdout, r)
	}
	switch {
	case e != nil:
		return e
	case err != nil:
		return err
	case r.Offline:
		return &failure{code: exitUnreachable, err: fmt.Errorf("%s: %s", mountpoint, r.Error), hint: "sstatefs status " + mountpoint}
	case r.Full:
		return &failure{
			code: exitPart, err: fmt.Errorf("%s: the cache is full of what was fetched, %s left", mountpoint, objects(r.Left)),
			hint: "mount with a larger --cache-size, or pick less",
		}
	case r.Failed > 0:
		return &failure{code: exitPart, err: fmt.Errorf("%s: %s not fetched: %s", mountpoint, objects(r.Failed), r.Error)}
	case r.TooLarge > 0:
		return &failure{code: exitPart, err: fmt.Errorf("%s: %s larger than the cache", mountpoint, objects(r.TooLarge))}
	}
	return nil
}

func printFetch(w io.Writer, r store.WarmResult) error {
	text := fmt.Sprintf("fetched %s (%s), %d already here", objects(r.Fetched.Objects), amount.Size(r.Fetched.Bytes), r.Cached.Objects)
	if r.Absent > 0 {
		text += fmt.Sprintf(", %d not on the remote", r.Absent)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
