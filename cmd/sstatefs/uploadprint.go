package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl/upkeep"
)

// uploadTold is what upload says of single objects.
type uploadTold struct {
	p       *program
	verbose bool
	dryRun  bool

	all []upkeep.UploadedObject // for JSON
	err error                   // of printing
}

// each is what hears of every object, nil where nobody wants to.
func (u *uploadTold) each() func(upkeep.UploadedObject) {
	switch {
	case u.p.json && u.verbose:
		return func(o upkeep.UploadedObject) { u.all = append(u.all, o) }
	case !u.p.json && (u.verbose || u.dryRun):
		return func(o upkeep.UploadedObject) {
			if u.err == nil {
				u.err = printUploaded(u.p, o)
			}
		}
	}
	return nil
}

func printUploaded(p *program, o upkeep.UploadedObject) error {
	line := fmt.Sprintf("%-8s  %10s  %s", o.Outcome, amount.Size(o.Size), o.Key)
	if o.Error != "" {
		line += ": " + strings.ReplaceAll(o.Error, "\n", "; ")
	}
	if canRedraw(p.stderr) {
		fmt.Fprint(p.stderr, clearLine)
	}
	_, err := fmt.Fprintln(p.stdout, line)
	return err
}

// uploadReport is the JSON of upload: the objects with --verbose only.
type uploadReport struct {
	upkeep.UploadResult
	Objects []upkeep.UploadedObject `json:"objects,omitempty"`
}

func (u *uploadTold) print(r upkeep.UploadResult) error {
	switch {
	case u.err != nil:
		return u.err
	case u.p.json:
		return u.p.printJSON(uploadReport{r, u.all})
	}
	if !u.verbose {
		for _, e := range r.Errors {
			fmt.Fprintf(u.p.stderr, "sstatefs: %s: %s\n", e.Key, strings.ReplaceAll(e.Error, "\n", "; "))
		}
	}
	return printUpload(u.p.stdout, r)
}

// printUpload writes the summary in one line.
func printUpload(w io.Writer, r upkeep.UploadResult) error {
	text := "sent " + sumText(r.Sent)
	if r.DryRun {
		text = "would send " + sumText(r.Lacks)
	}
	text += fmt.Sprintf(", %d already there", r.Exists.Objects)
	for _, part := range []struct {
		sum  upkeep.Sum
		text string
	}{
		{r.Changed, "changed or vanished meanwhile"},
		{r.Broken, "broken and not sent"},
		{r.Withheld, "withheld as signatures of other bytes"},
		{r.Failed, "failed"},
	} {
		if part.sum.Objects > 0 {
			text += fmt.Sprintf(", %d %s", part.sum.Objects, part.text)
		}
	}
	if r.Ignored > 0 {
		text += fmt.Sprintf("; %d other files left out", r.Ignored)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// uploadError is how upload ends after its summary.
func uploadError(ctx context.Context, name string, r upkeep.UploadResult, err error) error {
	const again = "run it again: what is there is not sent twice"
	switch {
	case err != nil && ctx.Err() != nil:
		return &failure{code: exitFailed, err: fmt.Errorf("%s: interrupted", name), hint: again}
	case err != nil:
		return &failure{code: exitCode(err), err: fmt.Errorf("%s: %w", name, err), hint: again}
	case r.Failed.Objects > 0:
		return &failure{code: exitPart, err: fmt.Errorf("%s: %s not sent", name, objects(r.Failed.Objects)), hint: again}
	}
	return nil
}
