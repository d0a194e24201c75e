package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootText = `sstatefs mounts a remote shared-state cache (a directory, an S3 bucket, a WebDAV
folder) as a local directory that BitBake uses as its SSTATE_DIR. What one build
host produces, every other host sees.

  sstatefs mount /nfs/sstate /srv/sstate      then in local.conf:
  SSTATE_DIR = "/srv/sstate"

Every command ends with 0 when it is done, 1 when it failed, 2 when it was typed
wrong, 3 when it is done in part or this remote cannot do it, 4 when the mount or
the remote cannot be reached. Results go to stdout, all talk to stderr.

With --json a result is one JSON object, or one a line where list, events and
--watch print many. Its keys are stable: sizes are bytes, what ends in _seconds
is a duration, times are RFC 3339 in UTC. An error stays a line on stderr.`

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sstatefs",
		Short:         "mount a shared-state cache for BitBake",
		Long:          rootText,
		Version:       programVersion().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(p.stderr)
			_ = cmd.Help()
			return &failure{code: exitUsage}
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print the result as JSON with stable keys")
	root.AddCommand(
		p.mountCommand(), p.unmountCommand(), p.statusCommand(), p.statsCommand(), p.eventsCommand(),
		p.flushCommand(), p.refreshCommand(), p.trimCommand(), p.doctorCommand(),
		p.cleanCommand(), p.removeCommand(),
		p.analyzeCommand(), p.lintCommand(), p.verifyCommand(),
		p.diffsigsCommand(), p.dumpsigCommand(),
		p.infoCommand(), p.showCommand(), p.listCommand(), p.uploadCommand(), p.fetchCommand(),
		p.versionCommand(), p.completionCommand(),
	)
	p.completeArguments(root)
	root.SetHelpCommand(p.helpCommand(root))
	return root
}

// knownCommand runs for the bare program: an argument is then a command that
// does not exist.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if strings.Contains(args[0], "://") { // it may hold a password
		return usage("sstatefs --help", "a command is missing before the URL")
	}
	hint := "sstatefs --help"
	if like := cmd.SuggestionsFor(args[0]); len(like) > 0 {
		hint = "sstatefs " + like[0]
	}
	return usage(hint, "unknown command %q", args[0])
}

// wantArgs checks the number of arguments against their names; one in
// brackets may be left out, a last one with dots given again. No argument is
// repeated: it may hold a password.
func wantArgs(names ...string) cobra.PositionalArgs {
	least, most := 0, len(names)
	for _, name := range names {
		if !strings.HasPrefix(name, "[") {
			least++
		}
		if strings.HasSuffix(name, "...") {
			most = math.MaxInt
		}
	}
	return func(cmd *cobra.Command, args []string) error {
		switch n := len(args); {
		case n < least:
			missing := strings.ReplaceAll(strings.Join(names[n:least], " and no "), "...", "")
			return usage(helpOf(cmd), "%s: no %s: want %s", cmd.Name(), missing, strings.Join(names, " "))
		case n > most && most == 0:
			return usage(helpOf(cmd), "%s: takes no arguments", cmd.Name())
		case n > most:
			return usage(helpOf(cmd), "%s: %s too many: want %s", cmd.Name(), counted(n-most, "argument"), strings.Join(names, " "))
		}
		return nil
	}
}

// flagError words what pflag finds wrong.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bad *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	prefix := ""
	if cmd.HasParent() {
		prefix = cmd.Name() + ": "
	}
	switch {
	case errors.As(err, &unknown):
		dashes := "--"
		if unknown.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		return usage(helpOf(cmd), "%sunknown flag %s%s", prefix, dashes, unknown.GetSpecifiedName())
	case errors.As(err, &bad):
		why := errors.Unwrap(bad)
		return usage(helpOf(cmd), "%s--%s %s: %v", prefix, bad.GetFlag().Name, bad.GetValue(), why)
	case errors.As(err, &missing):
		return usage(helpOf(cmd), "%s--%s: wants a value", prefix, missing.GetFlag().Name)
	}
	return usage(helpOf(cmd), "%s%v", prefix, err)
}

func helpOf(cmd *cobra.Command) string { return cmd.CommandPath() + " --help" }

// usage is an error in what was typed.
func usage(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}
