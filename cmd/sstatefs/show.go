package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
)

const showText = `show lists every artefact of a recipe that a remote holds: task, architecture,
version, age, size and hash, the newest of each task first. PN may be a pattern,
as 'gcc*'. An artefact is an archive with its siginfo and signature, or what is
left of them; its age is that of its newest part.`

const showExample = `  sstatefs show zlib /srv/sstate
  sstatefs show --task populate_sysroot 'gcc*' s3://sstate/main`

type showFlags struct {
	accessFlags

	filter upkeep.Filter
}

func (p *program) showCommand() *cobra.Command {
	var flags showFlags
	cmd := &cobra.Command{
		Use:     "show [flags] PN TARGET",
		Short:   "every artefact of a recipe: task, arch, age, size, hash",
		Long:    showText,
		Example: showExample,
		Args:    wantArgs("PN", "TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.filter.PN = args[:1]
			if err := checkFilter(cmd, &flags.filter); err != nil {
				return err
			}
			return p.onTarget(cmd, args[1], &flags.accessFlags, targetOptions{readOnly: true},
				func(ctx context.Context, t *target) error { return p.show(ctx, t, flags.filter, args[1]) })
		},
	}
	addNarrowFlags(cmd, &flags.filter)
	flags.accessFlags.add(cmd)
	return cmd
}

func (p *program) show(ctx context.Context, t *target, filter upkeep.Filter, arg string) error {
	report, done := p.working()
	result, err := upkeep.Show(ctx, t.Target, filter, report)
	done()
	if err != nil {
		return whenStopped(ctx, t.name, err)
	}
	if p.json {
		err = p.printJSON(result)
	} else if len(result.Artefacts) > 0 {
		err = printArtefacts(p.stdout, result)
	}
	if err != nil || len(result.Artefacts) > 0 {
		return err
	}
	return nothingShown(t.name, arg, filter, result.Similar)
}

// nothingShown says that there is nothing, and what there is instead.
func nothingShown(name, arg string, filter upkeep.Filter, similar []string) error {
	text := fmt.Sprintf("%s: nothing of recipe %s", name, filter.PN[0])
	if len(filter.Arch)+len(filter.Task) > 0 {
		text += " with this --arch and --task"
	}
	f := &failure{code: exitFailed, err: fmt.Errorf("%s", text)}
	switch {
	case len(similar) == 1:
		f.hint = fmt.Sprintf("sstatefs show %s %s", similar[0], arg)
	case len(similar) > 1:
		f.hint = "there is " + strings.Join(similar, ", ")
	default:
		f.hint = "sstatefs info --verbose " + arg
	}
	return f
}

func printArtefacts(w io.Writer, r upkeep.ShowResult) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	recipe := ""
	for _, a := range r.Artefacts {
		if a.PN != recipe {
			recipe = a.PN
			fmt.Fprintf(table, "%s\n", recipe)
		}
		arch := orNone(a.Arch)
		if a.ExtraPath != "" {
			arch += " (" + a.ExtraPath + ")"
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Task, arch, a.Version,
			ageText(a.AgeSeconds), amount.Size(a.Size), strings.Join(a.Parts, "+"), a.Hash)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s in %s%s\n", sumText(r.Total), counted(len(r.Artefacts), "artefact"), clockText(r.Clock))
	return err
}
