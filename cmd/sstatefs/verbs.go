package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/ctl"
)

// verb makes a command that asks the daemon of one mount.
func (p *program) verb(
	use, short, long string, run func(ctx context.Context, client *ctl.Client) error,
) *cobra.Command {
	return &cobra.Command{
		Use:   use + " MOUNTPOINT",
		Short: short,
		Long:  long,
		Args:  wantArgs("MOUNTPOINT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := p.dial(args[0])
			if err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return run(ctx, client)
		},
	}
}

func (p *program) flushCommand() *cobra.Command {
	timeout := ageValue{d: ctl.DefaultFlush, min: time.Second}
	cmd := p.verb("flush [flags]", "send what is queued now",
		"flush sends what is queued now, what the remote refused before included, and\nwaits for it. What is not sent in --timeout is told (exit 3) and stays queued.",
		func(ctx context.Context, client *ctl.Client) error { return p.flush(ctx, client, timeout.d) })
	cmd.Flags().Var(&timeout, "timeout", "longest wait")
	return cmd
}

func (p *program) flush(ctx context.Context, client *ctl.Client, timeout time.Duration) error {
	sending := p.newSending()
	left, err := client.Flush(ctx, timeout, sending.show)
	sending.done()
	if err != nil {
		return sending.ended(client.Info().Mountpoint, "", err)
	}
	if p.json {
		if err := p.printJSON(left); err != nil {
			return err
		}
	}
	mountpoint := client.Info().Mountpoint
	if err := leftError(mountpoint, left, "sstatefs status "+mountpoint); err != nil || p.json {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, "everything is sent")
	return err
}

func (p *program) refreshCommand() *cobra.Command {
	return p.verb("refresh", "list the remote again now",
		"refresh lists the remote again now, so that what others published or removed is\nknown here, and waits for it.", p.refresh)
}

func (p *program) refresh(ctx context.Context, client *ctl.Client) error {
	index, err := client.Refresh(ctx)
	if err != nil {
		return err
	}
	if p.json {
		return p.printJSON(index)
	}
	_, err = fmt.Fprintln(p.stdout, indexText(index, time.Now()))
	return err
}
