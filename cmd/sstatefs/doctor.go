package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
	"sstatefs/store"
)

const doctorText = `doctor tells whether this machine can mount and, with REMOTE, whether that can
be used and what it is able to: one line for each check, ok, warn or FAIL, and
below what is not ok how to mend it. It ends with 0 when nothing fails, 1 when
something does, 4 when REMOTE cannot be reached.

REMOTE is a directory or URL as mount takes it, or a MOUNTPOINT: then the mount
is asked. Whether REMOTE can be written to is found out by writing an object
that is removed again; --read-only does without.`

const doctorExample = `  sstatefs doctor
  sstatefs doctor 's3://sstate/main?region=eu-central-1'
  sstatefs doctor --read-only https://cache.example.com/sstate
  sstatefs doctor /srv/sstate`

// verdict is how a check came out. The words are stable.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictWarn verdict = "warn" // it works, with less than there could be
	verdictFail verdict = "fail"
)

// finding is one check and its result. The JSON keys are stable.
type finding struct {
	Area    string  `json:"area"`  // machine, cache, remote or ability
	Check   string  `json:"check"` // kebab-case
	Verdict verdict `json:"verdict"`
	Text    string  `json:"text"`
	Mend    string  `json:"mend"` // empty when all is well
}

// diagnosis is all that doctor finds out. The JSON keys are stable.
type diagnosis struct {
	Findings []finding        `json:"checks"`
	Remote   *remoteDiagnosis `json:"remote,omitempty"`

	unreachable bool
}

// remoteDiagnosis is what was found out about a remote.
type remoteDiagnosis struct {
	URL       string                `json:"url"` // without credentials
	Reachable bool                  `json:"reachable"`
	Traits    *store.RemoteTraits   `json:"traits,omitempty"`
	Abilities []store.RemoteAbility `json:"abilities,omitempty"`

	RoundTrip   *float64 `json:"round_trip_seconds,omitempty"`   // median of a few
	ClockOffset *float64 `json:"clock_offset_seconds,omitempty"` // its clock minus ours
}

type doctorFlags struct {
	accessFlags

	cacheDir string
	readOnly bool
}

func (p *program) doctorCommand() *cobra.Command {
	var flags doctorFlags
	cmd := &cobra.Command{
		Use:     "doctor [flags] [REMOTE]",
		Short:   "is this machine, and that remote, ready? each check with its mend",
		Long:    doctorText,
		Example: doctorExample,
		Args:    wantArgs("[REMOTE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return p.doctor(ctx, &flags, args)
		},
	}
	cmd.Flags().StringVar(&flags.cacheDir, "cache-dir", "", "the cache directory to check (default as for mount)")
	cmd.Flags().BoolVar(&flags.readOnly, "read-only", false, "write nothing to REMOTE")
	flags.add(cmd)
	// It fails for a flag that does not exist only.
	_ = cmd.MarkFlagDirname("cache-dir")
	return cmd
}

func (p *program) doctor(ctx context.Context, flags *doctorFlags, args []string) error {
	d := &diagnosis{Findings: []finding{}}
	d.machine()
	mount, err := p.mountAt(ctx, args)
	if err != nil {
		return err
	}
	dir, err := doctorCache(flags.cacheDir, mount, args)
	if err != nil {
		return err
	}
	d.cache(dir)
	switch {
	case mount != nil:
		d.mounted(*mount)
	case len(args) > 0:
		err = d.remote(ctx, flags, args[0])
	}
	stopped := ctx.Err() != nil
	if err != nil && !stopped {
		return err
	}
	if err := p.printDiagnosis(d); err != nil {
		return err
	}
	if stopped {
		return errors.New("doctor: interrupted: these are not all checks")
	}
	return d.failure()
}

// mountAt is the status of the mount that the argument names, nil if it names
// none.
func (p *program) mountAt(ctx context.Context, args []string) (*ctl.Status, error) {
	if len(args) == 0 {
		return nil, nil
	}
	table, err := ctl.ReadTable()
	if err != nil {
		return nil, err
	}
	path, err := table.Resolve(args[0])
	if err != nil {
		return nil, nil // a URL, or a directory that is looked at later
	}
	if entry, there := table.At(path); !there || !entry.Ours() {
		return nil, nil
	}
	client, err := p.host.Dial(path)
	if err != nil {
		return nil, err
	}
	status, err := client.Status(ctx)
	return &status, err
}

func (d *diagnosis) note(area, check string, v verdict, text string) {
	d.Findings = append(d.Findings, finding{Area: area, Check: check, Verdict: v, Text: text})
}

// mend says what to do about the last finding.
func (d *diagnosis) mend(text string) { d.Findings[len(d.Findings)-1].Mend = text }

// blame notes a check that failed with an error.
func (d *diagnosis) blame(area, check string, v verdict, err error) {
	text, hint := errorText(err)
	d.note(area, check, v, text)
	d.mend(hint)
}

// failure is the exit code: everything is said already.
func (d *diagnosis) failure() error {
	if d.unreachable {
		return &failure{code: exitUnreachable}
	}
	for _, f := range d.Findings {
		if f.Verdict == verdictFail {
			return &failure{code: exitFailed}
		}
	}
	return nil
}

func (p *program) printDiagnosis(d *diagnosis) error {
	if p.json {
		return p.printJSON(d)
	}
	return printFindings(p.stdout, d.Findings)
}

// printFindings writes a line for each check, and one for its mend.
func printFindings(w io.Writer, all []finding) error {
	words := map[verdict]string{verdictOK: "ok", verdictWarn: "warn", verdictFail: "FAIL"}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\n", words[f.Verdict], f.Check, f.Text)
		if f.Mend != "" {
			fmt.Fprintf(table, "\t\tmend: %s\n", f.Mend)
		}
	}
	return table.Flush()
}
