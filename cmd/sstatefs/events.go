package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
	"sstatefs/store"
)

const eventsText = `events prints what happens in the mount as it happens, one JSON object a line,
until it is interrupted or the mount ends. It is the hook for a site's own
scripts. The types are

  hit      an archive was opened or touched
  miss     an archive was looked up and is not there
  fetch    an object came from the remote
  publish  an object was accepted from a build
  send     an object arrived at the remote
  touch    the time of an object was refreshed on the remote
  trim     objects left the cache: "count" and "bytes"
  remove   an object was removed on request
  remote   the remote went away ("state" is "offline") or came back ("ok")
  warning  something a person should know: "message"
  lost     this reader was too slow, "count" events are missing; told always

The keys are "time" and "event" (the type) and, where they make sense, "key"
(the path below the mountpoint), "bytes", "state", "message" and "count". Hits
and misses are told once per name and ten minutes.`

const eventsExample = `  sstatefs events /srv/sstate
  sstatefs events --types warning,remote /srv/sstate`

func (p *program) eventsCommand() *cobra.Command {
	var types typesValue
	cmd := p.verb("events [flags]", "print what happens, one JSON object a line", eventsText,
		func(ctx context.Context, client *ctl.Client) error { return p.events(ctx, client, types) })
	cmd.Example = eventsExample
	cmd.Flags().Var(&types, "types", "print only these types of event, separated by commas")
	// It fails for a flag that does not exist only.
	_ = cmd.RegisterFlagCompletionFunc("types", completeTypes)
	return cmd
}

func (p *program) events(ctx context.Context, client *ctl.Client, types typesValue) error {
	ctx, stop := whileRead(ctx, p.stdout)
	defer stop()
	err := client.Events(ctx, types, func(event []byte) error {
		_, err := fmt.Fprintf(p.stdout, "%s\n", event)
		return err
	})
	if ctx.Err() != nil {
		return nil // an interrupt is how it ends, or a reader that has seen enough
	}
	return err
}

// typesValue is some types of event, as a flag.
type typesValue []store.EventKind

func (v *typesValue) String() string { return joinTypes(*v, ",") }
func (v *typesValue) Type() string   { return "type,..." }

func (v *typesValue) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		kind := store.EventKind(strings.TrimSpace(word))
		if !slices.Contains(store.EventKinds(), kind) {
			return fmt.Errorf("unknown type %q: want %s", kind, joinTypes(store.EventKinds(), ", "))
		}
		*v = append(*v, kind)
	}
	return nil
}

func joinTypes(kinds []store.EventKind, separator string) string {
	words := make([]string, len(kinds))
	for i, kind := range kinds {
		words[i] = string(kind)
	}
	return strings.Join(words, separator)
}

// completeTypes completes the last word of a list.
func completeTypes(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	begun := typed[:strings.LastIndexByte(typed, ',')+1]
	var found []string
	for _, kind := range store.EventKinds() {
		if word := begun + string(kind); strings.HasPrefix(word, typed) {
			found = append(found, word)
		}
	}
	return found, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
