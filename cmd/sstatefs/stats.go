package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/store"
)

const statsText = `stats prints counters since the mount. A hit is an archive that was opened or
touched, a miss one that was looked up and is not there, each counted once per
name and ten minutes.`

// shownRecipes is how many recipes stats lists for people: those with the most
// misses. --json has all.
const shownRecipes = 10

func (p *program) statsCommand() *cobra.Command {
	var flags watchFlags
	cmd := p.verb("stats [flags]", "hits, misses, transfers and touches of a mount", statsText,
		func(ctx context.Context, client *ctl.Client) error {
			return p.look(ctx, &flags, func(w io.Writer) error { return p.stats(ctx, client, w) })
		})
	cmd.Example = "  sstatefs stats /srv/sstate\n  sstatefs stats --watch /srv/sstate"
	flags.add(cmd)
	return cmd
}

func (p *program) stats(ctx context.Context, client *ctl.Client, w io.Writer) error {
	stats, err := client.Stats(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return writeJSON(w, stats)
	}
	return printStats(w, stats, time.Now())
}

// printStats writes counters for people.
func printStats(w io.Writer, s store.Stats, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(table, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("since", "%s ago", amount.Age(now.Sub(s.Since)))
	row("lookups", "%d hits, %d misses%s", s.Lookups.Hit, s.Lookups.Miss, share(s.Lookups.Hit, s.Lookups.Miss))
	row("fetched", "%s", countText(s.Fetched))
	row("published", "%s, sent %s", countText(s.Published), countText(s.Sent))
	row("removed", "%s", objects(s.Removed))
	row("touches", "%s", touchesText(s))
	row("queue", "%s", queueText(s.Queue))
	row("cache", "%s, %s of %s, trimmed %s", objects(s.Cache.Objects), amount.Size(s.Cache.Bytes),
		amount.Size(s.Cache.LimitBytes), countText(s.Cache.Trimmed))
	row("index", "%s", indexText(s.Index, now))
	row("remote", "%s, %d errors", s.Remote.State, s.Remote.Errors)
	if s.EventsLost > 0 {
		row("events", "%d lost by slow listeners", s.EventsLost)
	}
	printCounts(table, "task", s.Lookups.ByTask, len(s.Lookups.ByTask))
	printCounts(table, "recipe", s.Lookups.ByRecipe, shownRecipes)
	return table.Flush()
}

func touchesText(s store.Stats) string {
	text := fmt.Sprintf("%d here, %d sent", s.Touches.Local, s.Touches.Sent)
	if s.Touches.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Touches.Skipped)
	}
	if s.Touches.Failed > 0 {
		text += fmt.Sprintf(", %d failed", s.Touches.Failed)
	}
	if s.Touches.Pending > 0 {
		text += fmt.Sprintf(", %d to send", s.Touches.Pending)
	}
	return text
}

// share is the part of hits in all lookups.
func share(hit, miss int64) string {
	if hit+miss == 0 {
		return ""
	}
	return fmt.Sprintf(" (%.0f%% found)", 100*float64(hit)/float64(hit+miss))
}

func countText(c store.Count) string {
	return fmt.Sprintf("%s (%s)", objects(c.Objects), amount.Size(c.Bytes))
}

// printCounts writes the lookups by task or recipe, most misses first.
func printCounts(w io.Writer, what string, counts map[string]store.TaskCount, limit int) {
	if len(counts) == 0 {
		return
	}
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b].Miss, counts[a].Miss), cmp.Compare(a, b))
	})
	fmt.Fprintf(w, "\nby %s\thits\tmisses\n", what)
	for _, name := range names[:min(limit, len(names))] {
		fmt.Fprintf(w, "  %s\t%d\t%d\n", name, counts[name].Hit, counts[name].Miss)
	}
	if len(names) > limit {
		fmt.Fprintf(w, "  and %d more\t\t\n", len(names)-limit)
	}
}
