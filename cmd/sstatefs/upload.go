package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

const uploadText = `upload sends what TARGET lacks of SOURCE, and overwrites nothing. What is there is
found by one listing. SOURCE is an SSTATE_DIR, whose links into mirrors are
followed, or anything that TARGET can be: a mountpoint, a directory, a URL.

Only objects are sent, never temporaries or other files, and no archive that is
empty or no archive at all; --verify decodes each to its end first. Times are
kept where TARGET can. Signatures (.sig) are sent only for archives that hold
the same bytes there. An upload that was interrupted is run again.`

const uploadExample = `  sstatefs upload build/sstate-cache s3://sstate/main
  sstatefs upload --create build/sstate-cache /nfs/sstate
  sstatefs upload --dry-run s3://sstate/main s3://sstate/release`

// uploadPatience is how long an object waits for a server that does not answer
// before it counts as failed.
const uploadPatience = 15 * time.Second

type uploadFlags struct {
	accessFlags

	filter  upkeep.Filter
	create  bool
	dryRun  bool
	verify  bool
	verbose bool
	jobs    int
}

func (p *program) uploadCommand() *cobra.Command {
	var flags uploadFlags
	cmd := &cobra.Command{
		Use:     "upload [flags] SOURCE TARGET",
		Short:   "what TARGET lacks of a local sstate directory",
		Long:    uploadText,
		Example: uploadExample,
		Args:    wantArgs("SOURCE", "TARGET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFilter(cmd, &flags.filter); err != nil {
				return err
			}
			if flags.jobs < 1 {
				return usage(helpOf(cmd), "upload: --jobs %d: must be at least 1", flags.jobs)
			}
			return p.upload(cmd, &flags, args[0], args[1])
		},
	}
	set := cmd.Flags()
	set.BoolVar(&flags.create, "create", false, "make TARGET if it is missing (no bucket)")
	set.BoolVarP(&flags.dryRun, "dry-run", "n", false, "list what would be sent and send nothing")
	set.BoolVar(&flags.verify, "verify", false, "decode each archive to its end before it is sent")
	set.IntVarP(&flags.jobs, "jobs", "j", 16, "objects sent at a time")
	set.BoolVarP(&flags.verbose, "verbose", "v", false, "name every object that is sent, or is not")
	addFilterFlags(cmd, &flags.filter)
	flags.accessFlags.add(cmd)
	return cmd
}

// upload opens both sides. What can be wrong without asking a server comes
// first.
func (p *program) upload(cmd *cobra.Command, flags *uploadFlags, source, address string) error {
	if err := p.checkSides(cmd, source, address); err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	from, done, err := p.openOrigin(ctx, source, &flags.accessFlags)
	if err != nil {
		return whenStopped(ctx, cmd.Name(), err)
	}
	defer done()
	// A bucket is made by its owner: a prefix of it needs no making.
	create := flags.create && !flags.dryRun && !strings.HasPrefix(address, "s3:")
	t, err := p.openTarget(ctx, address, &flags.accessFlags, targetOptions{create: create, later: true})
	if flags.create && flags.dryRun && isMissingTarget(address, err) {
		t, err = nothingThere(address), nil
	}
	if err != nil {
		return whenStopped(ctx, cmd.Name(), missingTarget(err, flags.create, source, address))
	}
	defer t.close()
	err = p.uploadTo(ctx, from, t, flags)
	if errors.As(err, &upkeep.SourceError{}) {
		return workError(cmd.Name(), source, &target{name: from.String()}, err)
	}
	return workError(cmd.Name(), address, t, err)
}

// uploadTo does the work.
func (p *program) uploadTo(ctx context.Context, from upkeep.Origin, t *target, flags *uploadFlags) error {
	told := &uploadTold{p: p, verbose: flags.verbose, dryRun: flags.dryRun}
	report, done := p.working()
	result, err := upkeep.Upload(ctx, from, t.Target, upkeep.UploadOptions{
		Filter: flags.filter, DryRun: flags.dryRun, Verify: flags.verify, Jobs: flags.jobs, Patience: uploadPatience,
		Each: told.each(),
	}, report)
	done()
	result.Target = t.name
	if err != nil && ctx.Err() == nil && result.Sent.Objects+result.Failed.Objects == 0 {
		return err // nothing was done
	}
	if e := told.print(result); e != nil {
		return e
	}
	return uploadError(ctx, t.name, result, err)
}

// openOrigin opens what is to be uploaded.
func (p *program) openOrigin(ctx context.Context, source string, access *accessFlags) (upkeep.Origin, func(), error) {
	dir, _, err := remote.Directory(source)
	if err != nil || isOurMount(dir) {
		t, err := p.openTarget(ctx, source, access, targetOptions{readOnly: true})
		if err != nil {
			return nil, nil, err
		}
		return t.Target, t.close, nil
	}
	switch {
	case isMissing(dir):
		return nil, nil, &failure{code: exitUnreachable, err: fmt.Errorf("source %s: does not exist", dir)}
	case isFile(dir):
		return nil, nil, &failure{code: exitUsage, err: fmt.Errorf("source %s: not a directory", dir)}
	}
	folder, err := upkeep.OpenFolder(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("source: %w", err)
	}
	return folder, func() {}, nil
}

// isOurMount tells whether a directory is the mountpoint of a mount of ours.
func isOurMount(dir string) bool {
	table, err := ctl.ReadTable()
	if err != nil {
		return false
	}
	path, err := table.Resolve(dir)
	if err != nil {
		return false
	}
	entry, there := table.At(path)
	return there && entry.Ours()
}

// checkSides refuses to upload something to itself, or into itself.
func (p *program) checkSides(cmd *cobra.Command, source, target string) error {
	a, err := p.placeOf(source)
	if err != nil {
		return addressError(source, err, helpOf(cmd))
	}
	b, err := p.placeOf(target)
	if err != nil {
		return addressError(target, err, helpOf(cmd))
	}
	switch {
	case a == b:
		return usage(helpOf(cmd), "upload: SOURCE and TARGET are the same: %s", a)
	case isInside(a, b), isInside(b, a):
		return usage(helpOf(cmd), "upload: one of SOURCE and TARGET is inside the other: %s, %s", source, target)
	}
	return nil
}

// placeOf is the clean address behind an argument: of a mountpoint, that of its
// remote. Links in the path of a directory are followed.
func (p *program) placeOf(arg string) (string, error) {
	if err := openers().Check(arg); err != nil {
		return "", err
	}
	if dir, _, err := remote.Directory(arg); err == nil {
		if isOurMount(dir) {
			if client, err := p.host.Dial(dir); err == nil {
				arg = client.Info().Remote
			}
		} else if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			arg = resolved
		}
	}
	return remote.Clean(arg)
}

// isInside tells whether a directory is below another.
func isInside(inner, outer string) bool {
	return strings.HasPrefix(inner, "file:") && strings.HasPrefix(inner, strings.TrimSuffix(outer, "/")+"/")
}

// isMissingTarget tells that a target could not be opened because there is none.
func isMissingTarget(address string, err error) bool {
	return err != nil && (missingFolder(address) || strings.Contains(err.Error(), "no such folder"))
}

// nothingThere is the target that --create would make.
func nothingThere(address string) *target {
	name, err := remote.Clean(address)
	if err != nil {
		name = address
	}
	return &target{
		Target: &upkeep.Target{Remote: upkeep.Nothing{Name: name}, Now: time.Now}, name: name, close: func() {},
	}
}

// missingTarget says how a target that does not exist is made.
func missingTarget(err error, create bool, source, address string) error {
	var f *failure
	if !errors.As(err, &f) || create || !isMissingTarget(address, err) {
		return err
	}
	return &failure{code: f.code, err: f.err,
		hint: fmt.Sprintf("sstatefs upload --create %s %s (for a new cache; a share must be mounted first)", source, address)}
}
