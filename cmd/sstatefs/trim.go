package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
	"sstatefs/store"
)

const trimText = `trim removes the objects that were not used for longest from the local cache
until it is within --cache-size and --min-free. It happens by itself; the remote
keeps everything.

With --verify all that is cached is read from the disk first: what has another
checksum than was noted when it came, or does not decode, is set aside in the
folder broken of the cache directory, and fetched again when it is used next. What
was still to be sent is lost then, and its build has to make it again. Damage
found ends with exit code 1, objects that could not be read with 3.`

func (p *program) trimCommand() *cobra.Command {
	verify := false
	cmd := p.verb("trim [flags]", "shrink the local cache now", trimText,
		func(ctx context.Context, client *ctl.Client) error {
			if verify {
				return p.trimVerified(ctx, client)
			}
			return p.trim(ctx, client)
		})
	cmd.Flags().BoolVar(&verify, "verify", false, "read all that is cached first, set aside what is damaged")
	return cmd
}

func (p *program) trim(ctx context.Context, client *ctl.Client) error {
	result, err := client.Trim(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(result)
	}
	return printTrim(p.stdout, result)
}

func printTrim(w io.Writer, r store.TrimResult) error {
	_, err := fmt.Fprintf(w, "removed %s (%s), left %s (%s)\n",
		objects(r.Removed.Objects), amount.Size(r.Removed.Bytes),
		objects(r.Left.Objects), amount.Size(r.Left.Bytes))
	return err
}

func (p *program) trimVerified(ctx context.Context, client *ctl.Client) error {
	mountpoint := client.Info().Mountpoint
	report, done := p.working()
	var last store.VerifyResult
	result, err := client.TrimVerified(ctx, func(now store.VerifyResult) {
		last = now
		report(verifyProgress(now))
	})
	done()
	switch {
	case ctl.IsKind(err, ctl.KindInterrupted):
		return &failure{code: exitFailed, err: fmt.Errorf("%s: interrupted: this is not all: %s", mountpoint, verifiedCacheText(last))}
	case err != nil:
		return err
	case p.json:
		err = p.printJSON(result)
	default:
		if _, err = fmt.Fprintln(p.stdout, verifiedCacheText(*result.Verified)); err == nil {
			err = printTrim(p.stdout, result)
		}
	}
	if err != nil {
		return err
	}
	return verifiedCacheError(mountpoint, *result.Verified)
}

func verifyProgress(r store.VerifyResult) upkeep.Progress {
	return upkeep.Progress{
		Stage: "reading",
		Done:  r.Checked.Objects + r.Unchecked.Objects + r.Damaged.Objects + r.Unread, Total: r.Total.Objects,
		DoneBytes: r.Checked.Bytes + r.Unchecked.Bytes + r.Damaged.Bytes, TotalBytes: r.Total.Bytes,
	}
}

// verifiedCacheText sums up in one line what was read.
func verifiedCacheText(r store.VerifyResult) string {
	parts := []string{fmt.Sprintf("%s (%s) right", objects(r.Checked.Objects), amount.Size(r.Checked.Bytes))}
	if r.Unchecked.Objects > 0 {
		parts = append(parts, fmt.Sprintf("%d without a checksum and not to be decoded", r.Unchecked.Objects))
	}
	if r.Unread > 0 {
		parts = append(parts, fmt.Sprintf("%d could not be read", r.Unread))
	}
	parts = append(parts, fmt.Sprintf("%d damaged", r.Damaged.Objects))
	return strings.Join(parts, ", ")
}

// verifiedCacheError is how a verification that was said ends.
func verifiedCacheError(mountpoint string, r store.VerifyResult) error {
	switch {
	case r.Damaged.Objects > 0:
		return &failure{
			code: exitFailed,
			err:  fmt.Errorf("%s: %s damaged in the cache, set aside", mountpoint, objects(r.Damaged.Objects)),
			hint: "look at the disk of the cache directory, and at its folder broken; the log names the objects",
		}
	case r.Unread > 0:
		return &failure{code: exitPart, err: fmt.Errorf("%s: %s could not be read: %s", mountpoint, objects(r.Unread), r.Error)}
	}
	return nil
}
