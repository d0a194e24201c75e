package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

const listText = `list prints the objects of a remote with age and size: those first that were not
used for longest, the largest first (--sort size), or by recipe (--sort name).
With --json it prints one object a line.`

const listExample = `  sstatefs list --limit 20 /srv/sstate
  sstatefs list --sort size --limit 20 s3://sstate/main
  sstatefs list --json --pn 'linux-*' /srv/sstate | jq -r .key`

type listFlags struct {
	accessFlags

	filter  upkeep.Filter
	order   *choiceValue
	reverse bool
	limit   int
}

func (p *program) listCommand() *cobra.Command {
	var flags listFlags
	cmd := &cobra.Command{
		Use:     "list [flags] TARGET",
		Short:   "all objects, least recently used first",
		Long:    listText,
		Example: listExample,
		Args:    wantArgs("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd)
			if err != nil {
				return err
			}
			return p.onTarget(cmd, args[0], &flags.accessFlags, targetOptions{readOnly: true},
				func(ctx context.Context, t *target) error { return p.list(ctx, t, o) })
		},
	}
	flags.order = choice(cmd, "sort", "what comes first", string(upkeep.ListUsed), string(upkeep.ListSize), string(upkeep.ListName))
	cmd.Flags().BoolVarP(&flags.reverse, "reverse", "r", false, "the other way round")
	cmd.Flags().IntVarP(&flags.limit, "limit", "n", 0, "print this many objects only")
	addFilterFlags(cmd, &flags.filter)
	flags.accessFlags.add(cmd)
	return cmd
}

func (f *listFlags) options(cmd *cobra.Command) (upkeep.ListOptions, error) {
	err := checkFilter(cmd, &f.filter)
	if err == nil && (f.limit < 0 || f.limit == 0 && cmd.Flags().Changed("limit")) {
		err = usage(helpOf(cmd), "list: --limit %d: must be at least 1", f.limit)
	}
	return upkeep.ListOptions{Filter: f.filter, Sort: upkeep.ListOrder(f.order.word), Reverse: f.reverse, Limit: f.limit}, err
}

func (p *program) list(ctx context.Context, t *target, o upkeep.ListOptions) error {
	if o.Sort == upkeep.ListUsed && t.Traits().Touch == remote.TouchNever {
		fmt.Fprintln(p.stderr, "sstatefs: this remote cannot be told of uses: ages are since the upload")
	}
	report, done := p.working()
	out := bufio.NewWriter(p.stdout)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	first := true
	result, err := upkeep.List(ctx, t.Target, o, report, func(object upkeep.ListedObject) error {
		if first {
			done()
			first = false
		}
		if p.json {
			return lines.Encode(object)
		}
		_, err := fmt.Fprintf(out, "%5s  %10s  %s\n", ageText(object.AgeSeconds), amount.Size(object.Size), object.Key)
		return err
	})
	if first {
		done()
	}
	if e := out.Flush(); err == nil {
		err = e
	}
	if err == nil && !p.json && clockText(result.Clock) != "" {
		fmt.Fprintf(p.stderr, "sstatefs: ages are%s\n", clockText(result.Clock))
	}
	return whenStopped(ctx, t.name, err)
}
