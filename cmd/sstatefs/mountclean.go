package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sstatefs/cmd/sstatefs/internal/amount"
	"sstatefs/ctl"
	"sstatefs/ctl/upkeep"
)

// cleanMarker is the file in a cache directory that remembers when the mount
// cleaned its remote last.
const cleanMarker = "cleaned.json"

// regularFlags are the flags of a mount that cleans its remote by itself.
type regularFlags struct {
	every ageValue
	ruleFlags
}

func (f *regularFlags) add(cmd *cobra.Command) {
	f.every.min = time.Second
	cmd.Flags().Var(&f.every, "clean-every", "clean the remote that often by the rules that follow (default never)")
	cmd.Flags().Lookup("clean-every").DefValue = ""
	f.ruleFlags.add(cmd, "clean-")
}

// check finds rules that contradict one another or the rest of the mount.
func (f *regularFlags) check(mount *mountFlags) error {
	o := f.options()
	wanted := o.MaxAge > 0 || o.MaxSigAge > 0 || o.MaxSize > 0
	bad := func(format string, args ...any) error {
		return usage("sstatefs mount --help", "mount: "+format, args...)
	}
	switch {
	case f.every.d == 0 && wanted:
		return bad("--clean-max-age and the like are of no use without --clean-every")
	case f.every.d == 0:
		return nil
	case o.MaxAge <= 0 && o.MaxSize <= 0:
		return bad("--clean-every needs --clean-max-age or --clean-max-size")
	case mount.readOnly:
		return bad("--clean-every and --read-only exclude each other")
	}
	err := o.Check(&upkeep.Target{TouchInterval: mount.touchInterval.d})
	var young upkeep.TooYoung
	if errors.As(err, &young) {
		return bad("--clean-max-age: an age below %s may remove what is in use", amount.AgeFlag(young.Least))
	}
	if err != nil {
		return bad("--clean-max-sig-age: %v", err)
	}
	return nil
}

// startCleaning begins to clean the remote regularly, if that is wanted. The
// function it returns ends that and waits; it comes before the end of the store.
func (s *serving) startCleaning() (stop func()) {
	flags := &s.flags.regular
	if flags.every.d == 0 {
		return func() {}
	}
	regular := &upkeep.Regular{
		Target: &upkeep.Target{Remote: s.store.Shared(), Now: time.Now, TouchInterval: s.flags.touchInterval.d},
		Every:  flags.every.d, Options: flags.options(),
		Marker: filepath.Join(s.plan.cacheDir, cleanMarker), Logger: s.log,
	}
	s.session.ShowCleaning(func() ctl.CleanStatus {
		r := regular.Status()
		return ctl.CleanStatus{EverySeconds: r.EverySeconds, Running: r.Running, Next: r.Next, Last: (*ctl.CleanRun)(r.Last)}
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { regular.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// cleaningText is the row of status about a mount that cleans.
func cleaningText(c *ctl.CleanStatus, now time.Time) string {
	text := fmt.Sprintf("every %s", amount.Age(time.Duration(c.EverySeconds*float64(time.Second))))
	switch last := c.Last; {
	case last == nil:
		text += ", not yet"
	case last.Error != "":
		text += fmt.Sprintf(", failed %s ago: %s", amount.Age(now.Sub(last.Begun)), last.Error)
	default:
		text += fmt.Sprintf(", %s ago: removed %s (%s) of %d", amount.Age(now.Sub(last.Begun)),
			objects(last.Removed), amount.Size(last.Bytes), last.LookedAt)
		if last.Failed > 0 {
			text += fmt.Sprintf(", %d could not be", last.Failed)
		}
	}
	if c.Running {
		return text + "; running"
	}
	return text + fmt.Sprintf("; next in %s", amount.Age(c.Next.Sub(now)))
}
