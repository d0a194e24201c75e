package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

const removeText = `remove removes objects from TARGET: a mountpoint, a directory or a URL. A NAME is
the name of an object, with or without its folders, or a pattern of names in
quotes ('sstate:busybox:*'), for which all of TARGET is listed. A path into a
TARGET that is a folder will do as well. An archive takes its .siginfo and .sig
along, a .siginfo or .sig goes alone. - reads names from stdin, one a line, also
as list prints them.

What is no object is never removed. Names of which nothing is there are told; it
ends with 1 when nothing at all was found, 3 when some was.`

const removeExample = `  sstatefs remove /srv/sstate 'sstate:busybox:*' --dry-run
  sstatefs remove s3://sstate/main ab/cd/sstate:zlib:...:abcd..._package.tar.zst
  sstatefs verify /srv/sstate --json | jq -r '.findings[].key' | sstatefs remove /srv/sstate -`

type removeFlags struct {
	accessFlags

	dryRun  bool
	verbose bool
}

func (p *program) removeCommand() *cobra.Command {
	var flags removeFlags
	cmd := &cobra.Command{
		Use:     "remove [flags] TARGET NAME...",
		Short:   "remove objects with their companions",
		Long:    removeText,
		Example: removeExample,
		Args:    wantArgs("TARGET", "NAME..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.remove(cmd, &flags, args[0], args[1:])
		},
	}
	set := cmd.Flags()
	set.SortFlags = false
	set.BoolVarP(&flags.dryRun, "dry-run", "n", false, "list what would go and remove nothing")
	set.BoolVarP(&flags.verbose, "verbose", "v", false, "name every object that goes")
	flags.accessFlags.add(cmd)
	return cmd
}

func (p *program) remove(cmd *cobra.Command, flags *removeFlags, arg string, names []string) error {
	names, err := withStdin(names, os.Stdin)
	if err != nil {
		return err
	}
	names = namesBelow(arg, names)
	o := upkeep.RemoveOptions{Names: names, DryRun: flags.dryRun}
	if err := o.Check(); err != nil {
		return usage(helpOf(cmd), "remove: %v", err)
	}
	return p.onTarget(cmd, arg, &flags.accessFlags, targetOptions{later: true}, func(ctx context.Context, t *target) error {
		gone := p.newRemovedNames(flags.verbose || flags.dryRun && !p.json, t.Now)
		o.OnRemoved = gone.print
		report, done := p.workingBeside(gone)
		result, err := upkeep.Remove(ctx, t.Target, o, report)
		done()
		if e := p.printRemoved(gone, result); e != nil {
			return e
		}
		return removeError(result, err)
	})
}

// namesBelow makes paths below a target of paths into it, which is what a shell
// completes.
func namesBelow(target string, names []string) []string {
	dir, _, err := remote.Directory(target)
	if err != nil {
		return names // below a URL
	}
	below := make([]string, len(names))
	for i, name := range names {
		below[i] = strings.TrimPrefix(name, "./")
		path, err := filepath.Abs(name)
		if rest, inside := strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/"); err == nil && inside && strings.Contains(name, "/") {
			below[i] = rest
		}
	}
	return below
}

// nameIn is the name that a line holds: the line, or what list prints of an
// object, as text or as JSON.
func nameIn(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "{") {
		var object struct{ Key string }
		if json.Unmarshal([]byte(line), &object) == nil {
			return object.Key
		}
	}
	if fields := strings.Fields(line); len(fields) > 1 && strings.Contains(fields[len(fields)-1], "sstate:") {
		return fields[len(fields)-1]
	}
	return line
}

// withStdin puts the lines of stdin in the place of a dash.
func withStdin(names []string, stdin io.Reader) (all []string, err error) {
	for _, name := range names {
		if name != "-" {
			all = append(all, name)
			continue
		}
		lines := bufio.NewScanner(stdin)
		for lines.Scan() {
			if name := nameIn(lines.Text()); name != "" {
				all = append(all, name)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("remove: stdin: %w", err)
		}
	}
	return all, nil
}

func (p *program) printRemoved(names *removedNames, r upkeep.RemoveResult) error {
	if err := names.finish(r); err != nil || p.json {
		return err
	}
	what := "removed"
	if r.DryRun {
		what = "would remove"
	}
	_, err := fmt.Fprintf(p.stdout, "%s %s (%s)\n", what, objects(r.Removed.Total.Objects), amount.Size(r.Removed.Total.Bytes))
	return err
}

// removeError is how a removal that was said ends. Of many unknown names a few
// are told.
func removeError(r upkeep.RemoveResult, err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return errors.New("remove: interrupted")
	case errors.Is(err, remote.ErrUnsupported):
		return &failure{code: exitPart, err: fmt.Errorf("remove: %w", err)}
	case err != nil:
		return err
	case r.Failed.Objects > 0:
		return &failure{code: exitPart, err: fmt.Errorf("remove: %s could not be removed: %s", objects(r.Failed.Objects), r.Reason)}
	case len(r.Unknown) == 0:
		return nil
	}
	const few = 3
	text := "remove: nothing is there of " + strings.Join(r.Unknown[:min(few, len(r.Unknown))], ", ")
	if more := len(r.Unknown) - few; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	code := exitPart
	if r.Removed.Total.Objects == 0 {
		code = exitFailed
	}
	return &failure{code: code, err: errors.New(text)}
}
