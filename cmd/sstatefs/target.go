package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
	"sstatefs/remote"
)

// target is what a verb of upkeep was given: a mountpoint, a URL or a
// directory, opened.
type target struct {
	*upkeep.Target

	name   string      // as a person knows it, without credentials
	client *ctl.Client // nil unless it is a mountpoint
	close  func()
}

// targetOptions says how a target is opened.
type targetOptions struct {
	readOnly bool // nothing will be written
	create   bool // make the root of a remote that is missing
	later    bool // try nothing at first: only lists and deletes are wanted
}

// openTarget opens what the argument names. The caller closes it.
func (p *program) openTarget(ctx context.Context, arg string, access *accessFlags, o targetOptions) (*target, error) {
	mountpoint, err := mountpointOf(arg)
	if err != nil {
		return nil, err
	}
	if mountpoint != "" {
		return p.openMount(ctx, mountpoint)
	}
	return p.openRemote(ctx, arg, access, o)
}

// mountpointOf is the mountpoint that an argument names, empty if it names
// something else. No system call goes into a mount, which might hang. What is
// below a mountpoint is a part of what the mount shows, and no remote.
func mountpointOf(arg string) (string, error) {
	dir, _, err := remote.Directory(arg)
	if err != nil {
		return "", nil // a URL, or nonsense that openRemote words
	}
	table, err := ctl.ReadTable()
	if err != nil {
		return "", err
	}
	path, err := table.Resolve(dir)
	if err != nil {
		return "", nil // a directory that openRemote looks at
	}
	entry, there := table.Above(path)
	switch {
	case !there || !entry.Ours():
		return "", nil
	case entry.Mountpoint != path:
		return "", usage("give the mountpoint itself: "+entry.Mountpoint,
			"%s is below the mountpoint %s of sstatefs", arg, entry.Mountpoint)
	}
	return path, nil
}

// openMount opens the remote of a mount, which is asked for everything.
func (p *program) openMount(ctx context.Context, mountpoint string) (*target, error) {
	client, err := p.host.Dial(mountpoint)
	if err != nil {
		return nil, err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return nil, err
	}
	r, err := client.Remote(ctx)
	if err != nil {
		return nil, err
	}
	return &target{
		Target: &upkeep.Target{
			Remote: r, Now: time.Now,
			TouchInterval: time.Duration(status.TouchInterval * float64(time.Second)),
		},
		name: mountpoint, client: client, close: func() {},
	}, nil
}

// dial asks the mount that an argument names.
func (p *program) dial(arg string) (*ctl.Client, error) {
	dir, err := mountDir(arg)
	if err != nil {
		return nil, err
	}
	return p.host.Dial(dir)
}

// mountDir is the path of an argument that must be a MOUNTPOINT. A URL is not
// repeated as if it were a path: it may hold a password. Of a path nothing is
// looked at: the working directory may be in a mount that hangs.
func mountDir(arg string) (string, error) {
	if !strings.Contains(arg, "://") {
		return arg, nil
	}
	dir, _, err := remote.Directory(arg)
	if err != nil {
		return "", usage("sstatefs status", "want a MOUNTPOINT: %w", err)
	}
	return dir, nil
}

// openRemote opens a URL or a directory.
func (p *program) openRemote(ctx context.Context, address string, flags *accessFlags, o targetOptions) (*target, error) {
	if err := openers().Check(address); err != nil {
		return nil, addressError(address, err, "")
	}
	access, err := flags.access()
	if err != nil {
		return nil, err
	}
	clean, err := remote.Clean(address)
	if err != nil {
		return nil, err
	}
	opening, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	r, err := openers().Open(opening, address, remote.OpenOptions{ReadOnly: o.readOnly, Create: o.create, Later: o.later, Access: access})
	if err != nil {
		return nil, targetError(address, err)
	}
	guard := remote.NewGuard(r, remote.GuardOptions{})
	closeAll := func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
		defer cancel()
		_ = guard.Close(closing) // what still hangs ends with the process
		if closer, ok := r.(io.Closer); ok {
			closer.Close()
		}
	}
	return &target{Target: &upkeep.Target{Remote: guard, Now: time.Now}, name: clean, close: closeAll}, nil
}

// onTarget is the body of a command with one TARGET as its first argument.
func (p *program) onTarget(
	cmd *cobra.Command, arg string, access *accessFlags, o targetOptions, run func(ctx context.Context, t *target) error,
) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	t, err := p.openTarget(ctx, arg, access, o)
	if err != nil {
		return whenStopped(ctx, cmd.Name(), err)
	}
	defer t.close()
	return workError(cmd.Name(), arg, t, run(ctx, t))
}

// whenStopped words the error of what a person ended before there was a result.
func whenStopped(ctx context.Context, what string, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: interrupted", what)
	}
	return err
}
