package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/store"
)

const statusText = `status tells of a mount: its remote and whether it answers, what is not sent
yet, how full the cache is. Without MOUNTPOINT it tells of every mount of this
machine that you may ask; root may ask all.`

const statusExample = `  sstatefs status
  sstatefs status --watch /srv/sstate
  sstatefs status --json /srv/sstate | jq -r .remote.state`

func (p *program) statusCommand() *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:     "status [flags] [MOUNTPOINT]",
		Short:   "remote, queue and cache of one mount or of all",
		Long:    statusText,
		Example: statusExample,
		Args:    wantArgs("[MOUNTPOINT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			if len(args) == 0 {
				return p.look(ctx, &flags, func(w io.Writer) error { return p.statusOfAll(ctx, w, flags.watch) })
			}
			return p.look(ctx, &flags, func(w io.Writer) error { return p.statusOf(ctx, args[0], w) })
		},
	}
	flags.add(cmd)
	return cmd
}

func (p *program) statusOf(ctx context.Context, path string, w io.Writer) error {
	client, err := p.dial(path)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return writeJSON(w, status)
	}
	return printStatus(w, status, time.Now())
}

// allMounts is the answer of `sstatefs status --json`.
type allMounts struct {
	Mounts      []ctl.Status  `json:"mounts"`
	Unreachable []unreachable `json:"unreachable"`
}

type unreachable struct {
	Mountpoint string   `json:"mountpoint"`
	Kind       ctl.Kind `json:"kind"`
	Error      string   `json:"error"`
}

// statusOfAll goes on when it is to be looked at again: a mount that is dead now
// may be back then.
func (p *program) statusOfAll(ctx context.Context, w io.Writer, again bool) error {
	found, err := p.host.Mounts(ctx)
	if err != nil {
		return err
	}
	all := allMounts{Mounts: []ctl.Status{}, Unreachable: []unreachable{}}
	failed := 0
	for _, f := range found {
		switch {
		case f.Err == nil:
			all.Mounts = append(all.Mounts, f.Status)
			continue
		case ctl.IsKind(f.Err, ctl.KindDenied): // another user's: not this one's business
		default:
			failed++
		}
		all.Unreachable = append(all.Unreachable, unreachable{f.Mountpoint, ctl.KindOf(f.Err), f.Err.Error()})
	}
	if err := p.printAll(w, all, again); err != nil {
		return err
	}
	if failed > 0 && !again {
		return &failure{code: exitPart}
	}
	return nil
}

func (p *program) printAll(w io.Writer, all allMounts, again bool) error {
	if p.json {
		return writeJSON(w, all)
	}
	if len(all.Mounts)+len(all.Unreachable) == 0 {
		if !again {
			w = p.stderr
		}
		_, err := fmt.Fprintln(w, "sstatefs: nothing is mounted here")
		return err
	}
	now := time.Now()
	for _, status := range all.Mounts {
		if err := printStatus(w, status, now); err != nil {
			return err
		}
	}
	for _, u := range all.Unreachable {
		if _, err := fmt.Fprintf(w, "%s\n", u.Error); err != nil {
			return err
		}
	}
	return nil
}

// printStatus writes the status of one mount for people.
func printStatus(w io.Writer, s ctl.Status, now time.Time) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, text string) { fmt.Fprintf(table, "  %s\t%s\n", name, text) }
	fmt.Fprintf(table, "%s\n", s.Mount.Mountpoint)
	row("remote", s.Remote.URL)
	row("state", stateText(s, now))
	for _, a := range s.Remote.Abilities {
		if a.Warn != "" {
			row(a.Name, because(a.Value, a.Warn))
		}
	}
	if text := touchText(s.Status); text != "" {
		row("times", text)
	}
	row("queue", queueText(s.Queue))
	if s.Queue.Held > 0 {
		row("held", because(objects(s.Queue.Held)+" refused by the remote, tried again hourly", s.Queue.HeldReason))
	}
	if s.Queue.Failed > 0 {
		row("damaged", objects(s.Queue.Failed)+" set aside, see the log")
	}
	row("cache", cacheText(s.Status))
	index := indexText(s.Index, now)
	if s.Remote.Traits.NoList {
		index = "none: the remote is asked for each name"
	}
	row("index", index)
	if s.Feed != nil {
		row("feed", feedText(s.Feed, now))
	}
	if s.Clean != nil {
		row("clean", cleaningText(s.Clean, now))
	}
	if mode := modeText(s.Status); mode != "" {
		row("mode", mode)
	}
	row("daemon", daemonText(s.Mount))
	return table.Flush()
}

func stateText(s ctl.Status, now time.Time) string {
	text := string(s.Remote.State)
	if !s.Remote.Since.IsZero() {
		text += " for " + amount.Age(now.Sub(s.Remote.Since))
	}
	return because(text, s.Remote.Reason)
}

// touchText warns of a remote where used objects look unused.
func touchText(s store.Status) string {
	if s.ReadOnly || s.Remote.Traits.Touch != "never" {
		return ""
	}
	return "cannot be refreshed: what is used looks unused, cleaning by age would remove what is in use"
}

func because(text, why string) string {
	if why == "" {
		return text
	}
	return text + ": " + why
}

func queueText(q store.QueueStatus) string {
	if q.Objects == 0 {
		return "empty"
	}
	text := fmt.Sprintf("%s (%s) to send, oldest %s", objects(q.Objects), amount.Size(q.Bytes),
		amount.Age(time.Duration(q.OldestSeconds*float64(time.Second))))
	return because(text, q.LastErr)
}

func cacheText(s store.Status) string {
	text := fmt.Sprintf("%s, %s of %s", objects(s.Cache.Objects), amount.Size(s.Cache.Bytes), amount.Size(s.Cache.LimitBytes))
	if s.Cache.FreeBytes < s.Cache.MinFree {
		text += fmt.Sprintf(", disk nearly full (%s free)", amount.Size(s.Cache.FreeBytes))
	}
	return text + ", " + s.Cache.Dir
}

func indexText(i store.IndexStatus, now time.Time) string {
	switch {
	case i.Listed.IsZero() && i.Objects == 0:
		return "nothing listed yet"
	case i.Listed.IsZero():
		return fmt.Sprintf("%s from the last mount, not listed yet", objects(i.Objects))
	}
	text := fmt.Sprintf("%s, listed %s ago", objects(i.Objects), amount.Age(now.Sub(i.Listed)))
	if !i.Complete {
		text += ", not complete"
	}
	if i.Suspect {
		text += ", suspect: half of it vanished at once"
	}
	return text
}

// feedText tells how far others are heard and told.
func feedText(f *store.FeedStatus, now time.Time) string {
	text := fmt.Sprintf("told %d", f.Told)
	switch {
	case f.Problem != "":
		text = because("not read, the remote is listed", f.Problem)
	case !f.Heard.IsZero():
		text += fmt.Sprintf(", heard %s ago, %d changes by others", amount.Age(now.Sub(f.Heard)), f.News)
	}
	if f.Untold > 0 {
		text += fmt.Sprintf(", %d not told: others find them by listing", f.Untold)
	}
	if f.Spoilt > 0 {
		text += fmt.Sprintf(", %d parts could not be read", f.Spoilt)
	}
	return text
}

// modeText tells what differs from the defaults.
func modeText(s store.Status) string {
	text := ""
	add := func(word string) {
		if text != "" {
			text += ", "
		}
		text += word
	}
	if s.ReadOnly {
		add("read-only: nothing is sent")
	}
	if s.Publish == store.PublishQueue {
		add("publish=queue")
	}
	if s.Unlink != store.UnlinkRemote {
		add("unlink=" + string(s.Unlink))
	}
	return text
}

func daemonText(m ctl.MountStatus) string {
	text := fmt.Sprintf("pid %d, up %s, %s", m.PID, amount.Age(time.Duration(m.UptimeSeconds*float64(time.Second))), m.Version)
	switch m.Phase {
	case ctl.PhaseDraining:
		text += ", ending: sends what is left"
	case ctl.PhaseDetached:
		text += ", unmounted: sends what is left"
	}
	return text
}
