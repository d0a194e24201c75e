package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sstatefs/ctl"
	fusefs "sstatefs/fs"
)

const unmountText = `unmount sends what is queued while the mount still works, for --drain-timeout at
most, then unmounts. What could not be sent is told (exit 3); it stays in the
cache directory and is sent by the next mount of it.

A mount that is in use is refused and goes on. --lazy takes its name away after
the sending and lets it end with its last user. --force ends it after the
sending (with --drain-timeout 0s at once) whoever uses it: files that are open
in it fail. Where the daemon does not answer, it waits some seconds more and
ends the mount without it.`

const unmountExample = `  sstatefs unmount /srv/sstate
  sstatefs unmount --drain-timeout 20m /srv/sstate
  sstatefs unmount --lazy /srv/sstate
  sstatefs unmount --force --drain-timeout 0s /srv/sstate`

// forceGrace is how long --force waits for the daemon beyond --drain-timeout.
const forceGrace = 15 * time.Second

// endGrace is how long it waits for the end of a daemon that has answered: other
// commands may be under way in it for 5 s.
const endGrace = 6 * time.Second

type unmountFlags struct {
	drainTimeout ageValue
	force        bool
	lazy         bool
}

func (p *program) unmountCommand() *cobra.Command {
	flags := unmountFlags{drainTimeout: ageValue{d: 5 * time.Minute}}
	cmd := &cobra.Command{
		Use:     "unmount [flags] MOUNTPOINT",
		Aliases: []string{"umount"},
		Short:   "send what is left and unmount",
		Long:    unmountText,
		Example: unmountExample,
		Args:    wantArgs("MOUNTPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if flags.force && flags.lazy {
				return usage(helpOf(cmd), "unmount: --force and --lazy exclude each other")
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return p.unmount(ctx, &flags, args[0])
		},
	}
	cmd.Flags().Var(&flags.drainTimeout, "drain-timeout", "longest wait for what is not sent")
	cmd.Flags().BoolVar(&flags.lazy, "lazy", false, "detach a mount that is in use, it ends with its last user")
	cmd.Flags().BoolVar(&flags.force, "force", false, "end it whoever uses it and whatever its daemon does")
	return cmd
}

func (f *unmountFlags) policy() ctl.BusyPolicy {
	switch {
	case f.force:
		return ctl.BusyForce
	case f.lazy:
		return ctl.BusyLazy
	}
	return ctl.BusyRefuse
}

func (p *program) unmount(ctx context.Context, flags *unmountFlags, path string) error {
	table, err := ctl.ReadTable()
	if err != nil {
		return err
	}
	if path, err = mountDir(path); err != nil {
		return err
	}
	if path, err = table.Resolve(path); err != nil {
		return err
	}
	_ = os.Chdir("/") // called from within the mount, this process must not be what keeps it busy
	client, err := p.dial(path)
	if err == nil {
		err = p.unmountThrough(ctx, client, flags)
	}
	var e *ctl.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Kind == ctl.KindDead, e.Kind == ctl.KindUnreachable && flags.force:
		return p.unmountWithout(path, flags, e)
	}
	return err
}

// unmountThrough has the daemon do it.
func (p *program) unmountThrough(ctx context.Context, client *ctl.Client, flags *unmountFlags) error {
	drain := flags.drainTimeout.d
	if flags.force {
		// A daemon that tells progress for ever must not keep --force waiting.
		limited, cancel := context.WithTimeout(ctx, drain+forceGrace)
		defer cancel()
		ctx = limited
	}
	var status ctl.Status
	if !flags.force { // which waits for nobody
		status, _ = client.Status(ctx) // without an answer the unmount fails too
	}
	daemon, unseen := unix.PidfdOpen(client.Info().PID, 0) // Linux 5.3
	if unseen == nil {
		defer unix.Close(daemon)
	}
	sending := p.newSending()
	result, err := client.Unmount(ctx, ctl.UnmountRequest{DrainTimeout: ctl.Duration(drain), Busy: flags.policy()}, sending.show)
	sending.done()
	if err != nil {
		return sending.ended(client.Info().Mountpoint, stillMounted(client.Info().Mountpoint), err)
	}
	if flags.force && unseen == nil {
		// In use it keeps the cache to its end, and who is told may mount again at once.
		hasEnded(daemon, endGrace)
	}
	return p.unmounted(result, client.Info().CacheDir, unmountedText(status.ReadOnly))
}

// stillMounted tells of a mount whose unmount was interrupted.
func stillMounted(mountpoint string) string {
	table, err := ctl.ReadTable()
	if entry, there := table.At(mountpoint); err == nil && there && entry.Ours() {
		return ", it stays mounted"
	}
	return ", it is unmounted"
}

// unmounted tells how it went: text, if all went well.
func (p *program) unmounted(result ctl.UnmountResult, cacheDir, text string) error {
	if p.json {
		if err := p.printJSON(result); err != nil {
			return err
		}
	}
	hint := "the next mount with --cache-dir " + cacheDir + " sends them"
	if err := leftError(result.Mountpoint, result.Left, hint); err != nil {
		return err
	}
	switch {
	case p.json:
	case result.Ended:
		fmt.Fprintf(p.stderr, "sstatefs: %s is %s\n", result.Mountpoint, text)
	default:
		fmt.Fprintf(p.stderr, "sstatefs: %s is detached, its daemon ends when the last file in it is closed\n", result.Mountpoint)
	}
	return nil
}

// unmountWithout detaches a mount whose daemon is gone, or, with --force, one
// whose daemon does not answer.
func (p *program) unmountWithout(mountpoint string, flags *unmountFlags, why *ctl.Error) error {
	table, err := ctl.ReadTable()
	if err != nil {
		return err
	}
	entry, ok := table.At(mountpoint)
	if !ok || !entry.Ours() {
		return why // the daemon of a mount that is no more
	}
	if !flags.force && !flags.lazy {
		if dead, err := fusefs.CheckMountpoint(mountpoint); !dead {
			return livesWithoutSocket(mountpoint, err)
		}
	}
	if flags.force {
		// Without fusectl who waits in it waits for the daemon to end. After the
		// detaching the number may be that of another mount.
		_ = abortConnection(entry.Connection)
	}
	if err := fusefs.DetachDead(mountpoint); err != nil {
		return err
	}
	return p.detached(mountpoint)
}

// livesWithoutSocket is the error for a mount that answers, or hangs, while
// its daemon cannot be asked to end it.
func livesWithoutSocket(mountpoint string, err error) error {
	return &failure{
		code: exitUnreachable,
		err:  fmt.Errorf("%s: its daemon cannot be found: %w", mountpoint, err),
		hint: "sstatefs unmount --force " + mountpoint,
	}
}

func (p *program) detached(mountpoint string) error {
	if p.json {
		return p.printJSON(ctl.UnmountResult{Mountpoint: mountpoint, Ended: true})
	}
	fmt.Fprintf(p.stderr, "sstatefs: %s is detached without its daemon; what it had not sent is sent by the next mount of its cache directory\n", mountpoint)
	return nil
}
