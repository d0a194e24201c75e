package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"sstatefs/ctl"
	"sstatefs/remote"
	"sstatefs/store"
)

// Bounds of what doctor does with a remote.
const (
	openLimit   = 30 * time.Second
	rightsLimit = time.Minute
	closeLimit  = 500 * time.Millisecond // less than a person waits after Ctrl-C
)

// remote checks a remote. Its error is one of usage; what is wrong with the
// remote is noted.
func (d *diagnosis) remote(ctx context.Context, flags *doctorFlags, target string) error {
	if err := openers().Check(target); err != nil {
		return addressError(target, err, "sstatefs doctor --help")
	}
	access, err := flags.accessFlags.access()
	if err != nil {
		return err
	}
	clean, err := remote.Clean(target)
	if err != nil {
		return err
	}
	d.Remote = &remoteDiagnosis{URL: clean}
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	r, err := openers().Open(opening, target, remote.OpenOptions{ReadOnly: flags.readOnly, Access: access})
	if err != nil {
		return d.notOpened(ctx, remoteError(target, err))
	}
	d.examine(ctx, r, flags.readOnly)
	return nil
}

// notOpened tells an address that makes no sense from a remote that is not
// there.
func (d *diagnosis) notOpened(ctx context.Context, err error) error {
	code := exitCode(err)
	if code == exitUsage || ctx.Err() != nil {
		return err
	}
	d.blameRemote("reachable", err)
	d.unreachable = code == exitUnreachable
	return nil
}

// examine asks a remote that was opened, and closes it.
func (d *diagnosis) examine(ctx context.Context, r remote.Remote, readOnly bool) {
	guard := remote.NewGuard(r, remote.GuardOptions{})
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		_ = guard.Close(closing) // what still hangs ends with the process
		if closer, ok := r.(io.Closer); ok {
			closer.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, rightsLimit)
	defer cancel()
	p := patient{guard: guard, inner: r, d: d}
	if !p.reach(ctx) {
		return
	}
	p.list(ctx)
	p.read(ctx)
	p.write(ctx, readOnly)
	if !readOnly {
		p.explore(ctx)
	}
	p.clock()
	d.abilities(store.TraitsOf(r), store.AbilitiesOf(r))
}

// abilities notes what the remote found out about itself, and warns of what a
// site should know.
func (d *diagnosis) abilities(traits store.RemoteTraits, all []store.RemoteAbility) {
	d.Remote.Traits, d.Remote.Abilities = &traits, all
	touch := false
	for _, a := range all {
		if a.Name == "clock" && d.noted("remote", a.Name) {
			continue // measured just now
		}
		v := verdictOK
		if a.Warn != "" {
			v = verdictWarn
		}
		d.note("ability", a.Name, v, a.Value)
		d.mend(a.Warn)
		touch = touch || a.Name == "touch" && a.Warn != ""
	}
	if traits.Touch == "never" && !traits.ReadOnly && !touch {
		d.note("ability", "touch", verdictWarn, "times cannot be refreshed: what is used looks unused")
		d.mend("do not clean this remote by age")
	}
}

// blameRemote notes a check of the remote that failed, with a mend in any case.
func (d *diagnosis) blameRemote(check string, err error) {
	d.blame("remote", check, verdictFail, err)
	if d.Findings[len(d.Findings)-1].Mend == "" {
		d.mend(mendRemote(check, err))
	}
}

// mendRemote is what to do when a remote that was opened fails a check.
func mendRemote(check string, err error) string {
	if !errors.Is(err, remote.ErrPermission) {
		return "check the address, the network and the server; its log may have the reason"
	}
	switch check {
	case "list":
		return "let this user list (of S3: s3:ListBucket), else each name is a request"
	case "read":
		return "let this user read (of S3: s3:GetObject)"
	case "write":
		return "let this user write (of S3: s3:PutObject), or mount --read-only"
	case "delete":
		return "let this user delete (of S3: s3:DeleteObject): clean and remove need it"
	}
	return "check the user, its password or keys, and what the server lets it do"
}

// noted tells whether a check was made.
func (d *diagnosis) noted(area, check string) bool {
	return slices.ContainsFunc(d.Findings, func(f finding) bool { return f.Area == area && f.Check == check })
}

// mounted notes what a mount knows of its remote.
func (d *diagnosis) mounted(status ctl.Status) {
	d.Remote = &remoteDiagnosis{URL: status.Remote.URL, Reachable: status.Remote.State != store.StateOffline}
	text := because(fmt.Sprintf("%s is %s", status.Remote.URL, status.Remote.State), status.Remote.Reason)
	switch status.Remote.State {
	case store.StateOffline:
		d.note("remote", "reachable", verdictFail, text)
		d.unreachable = true
	case store.StateDegraded:
		d.note("remote", "reachable", verdictWarn, text)
		d.mend("sstatefs status " + status.Mount.Mountpoint)
	default:
		d.note("remote", "reachable", verdictOK, text)
	}
	d.abilities(status.Remote.Traits, status.Remote.Abilities)
}
