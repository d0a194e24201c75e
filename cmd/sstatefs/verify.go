package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
)

const verifyText = `verify reads every object of TARGET to its end and tells what is wrong:

  empty, truncated, corrupt   an archive or signature that does not decode
  hash                        a signature whose basehash or taskhash does not
                              follow from its content
  no-signature                an archive without .siginfo: builds can use it
  no-archive                  a .sig without its archive
  leftover                    a temporary of a writer that was killed, or an
                              upload that nobody completed, older than a day

What is broken counts only when a second reading says the same. With --repair it
is deleted, an archive with its .sig, so that the next build makes it again:
BitBake never writes over an object that is there. What could not be read is
never deleted, nor what was changed or used meanwhile, nor an archive for want
of its siginfo. Signatures whose hashes do not follow stay if they are many: a
tenth of all.

It exits with 0 when all is well or was repaired, 1 when findings remain, and 3
when some objects could not be checked.`

const verifyExample = `  sstatefs verify /nfs/sstate
  sstatefs verify --repair --pn 'linux-*' /srv/sstate
  sstatefs verify --signatures-only s3://sstate/main`

type verifyFlags struct {
	accessFlags

	filter     upkeep.Filter
	repair     bool
	signatures bool
	jobs       int
}

func (p *program) verifyCommand() *cobra.Command {
	var flags verifyFlags
	cmd := &cobra.Command{
		Use:     "verify [flags] TARGET",
		Short:   "archives that do not decode, orphans, leftovers of crashes",
		Long:    verifyText,
		Example: verifyExample,
		Args:    wantArgs("TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.jobs < 1 {
				return usage(helpOf(cmd), "verify: --jobs %d: must be at least 1", flags.jobs)
			}
			if err := checkFilter(cmd, &flags.filter); err != nil {
				return err
			}
			o := targetOptions{readOnly: !flags.repair, later: true}
			return p.onTarget(cmd, args[0], &flags.accessFlags, o, func(ctx context.Context, t *target) error {
				return p.verify(ctx, t, &flags)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.repair, "repair", false, "delete what is broken, so that builds make it again")
	cmd.Flags().BoolVar(&flags.signatures, "signatures-only", false, "do not read archives")
	cmd.Flags().IntVar(&flags.jobs, "jobs", 8, "objects read at a time")
	addFilterFlags(cmd, &flags.filter)
	flags.accessFlags.add(cmd)
	return cmd
}

func (p *program) verify(ctx context.Context, t *target, flags *verifyFlags) error {
	o := upkeep.VerifyOptions{
		Filter: flags.filter, SignaturesOnly: flags.signatures, Repair: flags.repair, Jobs: flags.jobs,
	}
	report, done := p.working()
	out := bufio.NewWriter(p.stdout)
	findings := []upkeep.Finding{}
	result, err := upkeep.Verify(ctx, t.Target, o, report, func(f upkeep.Finding) error {
		if p.json {
			findings = append(findings, f)
			return nil
		}
		if isTerminal(p.stdout) {
			done()
		}
		fmt.Fprintln(out, findingText(f))
		return out.Flush() // reading goes on for long
	})
	done()
	stopped := err != nil && ctx.Err() != nil
	if err != nil && !stopped {
		return err
	}
	if p.json {
		err = p.printJSON(struct {
			upkeep.VerifyResult
			Findings []upkeep.Finding `json:"findings"`
		}{result, findings})
	} else {
		_, err = fmt.Fprintln(p.stdout, uncheckedText(result)+verifiedText(result, stopped))
	}
	if err != nil {
		return err
	}
	return verifyError(t.name, result, stopped)
}

// findingText is "truncated  KEY: content ends too early (deleted)".
func findingText(f upkeep.Finding) string {
	text := fmt.Sprintf("%-12s  %s", f.Fault, f.Key)
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	switch {
	case f.Deleted:
		text += " (deleted)"
	case f.Kept != "":
		text += " (kept: " + f.Kept + ")"
	}
	return strings.ReplaceAll(text, "\n", " ")
}

// uncheckedText names what could not be checked, a line each.
func uncheckedText(r upkeep.VerifyResult) string {
	text := &strings.Builder{}
	for _, one := range r.UncheckedObjects {
		fmt.Fprintf(text, "%-12s  %s: %s\n", "unchecked", one.Key, strings.ReplaceAll(one.Error, "\n", " "))
	}
	if more := r.Unchecked - int64(len(r.UncheckedObjects)); more > 0 {
		fmt.Fprintf(text, "%-12s  and %d more\n", "unchecked", more)
	}
	return text.String()
}

// verifiedText sums up in one line what was read, all of it unless it was
// stopped.
func verifiedText(r upkeep.VerifyResult, stopped bool) string {
	findings := counted(int(r.Deleted+r.Remaining), "finding")
	switch none := r.Deleted+r.Remaining == 0; {
	case none && stopped:
		findings = "no findings so far"
	case none && r.Unchecked > 0:
		findings = "no findings"
	case none:
		findings = "all is well"
	}
	text := fmt.Sprintf("read %s and %s (%s): %s", counted(int(r.Archives), "archive"), counted(int(r.Signatures), "signature"),
		amount.Size(r.Bytes), findings)
	if r.Deleted > 0 {
		text += fmt.Sprintf(", %d deleted", r.Deleted)
	}
	if r.Unchecked > 0 {
		text += fmt.Sprintf(", %d could not be checked", r.Unchecked)
	}
	if r.Young > 0 {
		text += fmt.Sprintf("; %s younger than a day", counted(int(r.Young), "temporary file"))
	}
	return text
}

// verifyError is how a verify that was said ends.
func verifyError(name string, r upkeep.VerifyResult, stopped bool) error {
	switch {
	case stopped:
		return errors.New("verify: interrupted: this is not all")
	case r.Remaining > 0 && r.Unchecked == 0:
		return &failure{code: exitFailed}
	case r.Remaining > 0:
		return &failure{code: exitFailed, err: uncheckedError(name, r)}
	case r.Unchecked > 0:
		return &failure{code: exitPart, err: uncheckedError(name, r)}
	}
	return nil
}

func uncheckedError(name string, r upkeep.VerifyResult) error {
	return fmt.Errorf("verify: %s: %s could not be checked: %s", name, objects(r.Unchecked), r.UncheckedWhy)
}
