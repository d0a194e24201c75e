package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
)

const infoText = `info tells what a remote holds: objects and bytes by kind, age, architecture and
task, the largest recipes, and what writers left behind. TARGET is a mountpoint,
a directory or a URL. Ages are since the last use, as far as the remote was told
of it. With --verbose every recipe is listed with its cache entries.`

const infoExample = `  sstatefs info /srv/sstate
  sstatefs info --verbose s3://sstate/main
  sstatefs info --json --task package /nfs/sstate | jq .total.bytes`

type infoFlags struct {
	accessFlags

	filter  upkeep.Filter
	verbose bool
}

func (p *program) infoCommand() *cobra.Command {
	var flags infoFlags
	cmd := &cobra.Command{
		Use:     "info [flags] TARGET",
		Short:   "what a remote holds: by arch, task, recipe and age",
		Long:    infoText,
		Example: infoExample,
		Args:    wantArgs("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFilter(cmd, &flags.filter); err != nil {
				return err
			}
			return p.onTarget(cmd, args[0], &flags.accessFlags, targetOptions{readOnly: true},
				func(ctx context.Context, t *target) error { return p.info(ctx, t, flags.filter, flags.verbose) })
		},
	}
	addFilterFlags(cmd, &flags.filter)
	cmd.Flags().BoolVarP(&flags.verbose, "verbose", "v", false, "list every recipe with its cache entries")
	flags.accessFlags.add(cmd)
	return cmd
}

func (p *program) info(ctx context.Context, t *target, filter upkeep.Filter, verbose bool) error {
	report, done := p.working()
	result, err := upkeep.Info(ctx, t.Target, upkeep.InfoOptions{Filter: filter}, report)
	done()
	interrupted := err != nil && ctx.Err() != nil
	if err != nil && !interrupted {
		return err // what was seen would look like all
	}
	if p.json {
		err = p.printJSON(result)
	} else {
		err = printInfo(p.stdout, result, infoLooks{title: t.name, bars: isTerminal(p.stdout), verbose: verbose})
	}
	if err == nil && interrupted {
		return &failure{code: exitFailed, err: fmt.Errorf("%s: interrupted: this is not all", t.name)}
	}
	return err
}

// infoLooks says how info is printed for people.
type infoLooks struct {
	title   string
	bars    bool // draw the histogram
	verbose bool
}

// largestRecipes is how many recipes info lists for people. --json has all.
const largestRecipes = 10

func printInfo(w io.Writer, r upkeep.InfoResult, looks infoLooks) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, text string) { fmt.Fprintf(table, "  %s\t%s\n", name, text) }
	fmt.Fprintf(table, "%s\n", looks.title)
	row("holds", sumText(r.Total))
	if r.Total.Objects > 0 {
		row("used", fmt.Sprintf("%s to %s ago%s", ageText(r.NewestSeconds), ageText(r.OldestSeconds), clockText(r.Clock)))
	}
	row("temporaries", leftoverText(r.Temporaries))
	if u := r.UnfinishedUploads; u.Objects > 0 || u.Unknown != "" {
		row("unfinished uploads", leftoverText(u))
	}
	if r.Foreign.Objects > 0 {
		row("no objects", fmt.Sprintf("%d files (%s): locks, stamps, misplaced", r.Foreign.Objects, amount.Size(r.Foreign.Bytes)))
	}
	if r.Total.Objects > 0 {
		printAges(table, r, looks.bars)
		printSums(table, "kind", r.Kinds)
		printSums(table, "arch", r.Archs)
		printSums(table, "task", r.Tasks)
		printRecipes(table, r.Recipes)
	}
	if err := table.Flush(); err != nil || !looks.verbose {
		return err
	}
	return printEntries(w, r)
}

func sumText(s upkeep.Sum) string {
	return fmt.Sprintf("%s (%s)", objects(s.Objects), amount.Size(s.Bytes))
}

func ageText(seconds float64) string { return amount.Age(ageOf(seconds)) }

func ageOf(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

// clockText warns of ages that are guesses.
func clockText(clock string) string {
	if clock == "remote" {
		return ""
	}
	return " (by the clock of this host: the remote does not tell its time)"
}

func leftoverText(l upkeep.Leftover) string {
	text := "none"
	if l.Objects > 0 {
		text = fmt.Sprintf("%d left behind or under way", l.Objects)
		if l.Bytes > 0 {
			text += ", " + amount.Size(l.Bytes)
		}
		text += ", the oldest " + ageText(l.OldestSeconds) + " old"
	}
	if l.Unknown != "" {
		text += ", not all are known: " + l.Unknown
	}
	return text
}

// barWidth is the length of the longest bar of the histogram, in characters.
const barWidth = 30

// printAges writes the histogram. Empty classes beyond the oldest object are
// left out.
func printAges(w io.Writer, r upkeep.InfoResult, bars bool) {
	most, last := int64(1), 0
	for i, a := range r.Ages {
		most = max(most, a.Bytes)
		if a.Objects > 0 {
			last = i
		}
	}
	fmt.Fprintf(w, "\nby age\tobjects\tbytes\n")
	for _, a := range r.Ages[:last+1] {
		bar := ""
		if bars {
			bar = "\t" + strings.Repeat("#", int((a.Bytes*barWidth+most-1)/most))
		}
		fmt.Fprintf(w, "  %s\t%d\t%s%s\n", classText(a), a.Objects, amount.Size(a.Bytes), bar)
	}
}

func classText(a upkeep.AgeSum) string {
	const day = 24 * 60 * 60
	if a.To == 0 {
		return fmt.Sprintf("more than %.0fd", a.From/day)
	}
	return fmt.Sprintf("%.0fd to %.0fd", a.From/day, a.To/day)
}

func printSums(w io.Writer, what string, all []upkeep.NamedSum) {
	fmt.Fprintf(w, "\nby %s\tobjects\tbytes\n", what)
	for _, s := range all {
		fmt.Fprintf(w, "  %s\t%d\t%s\n", orNone(s.Name), s.Objects, amount.Size(s.Bytes))
	}
}

// orNone names what tasks like fetch leave empty.
func orNone(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}

func printRecipes(w io.Writer, all []upkeep.RecipeSum) {
	fmt.Fprintf(w, "\nlargest recipes\tobjects\tbytes\n")
	for _, r := range all[:min(largestRecipes, len(all))] {
		fmt.Fprintf(w, "  %s\t%d\t%s\n", r.Name, r.Objects, amount.Size(r.Bytes))
	}
	if n := len(all) - largestRecipes; n > 0 {
		fmt.Fprintf(w, "  and %d more\t\t\n", n)
	}
}
