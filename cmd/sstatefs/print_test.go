package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"sstatefs/ctl"
	"sstatefs/remote"
	"sstatefs/store"
)

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{usage("", "x"), 2},
		{fmt.Errorf("wrapped: %w", usage("", "x")), 2},
		{leftError("/m", store.Left{Held: 1}, ""), 3},
		{&ctl.Error{Kind: ctl.KindUnsupported}, 3},
		{&remote.Error{Kind: remote.ErrUnsupported}, 3},
		{&ctl.Error{Kind: ctl.KindBusy}, 1},
		{&ctl.Error{Kind: ctl.KindNotMounted}, 4},
		{&ctl.Error{Kind: ctl.KindDead}, 4},
		{&ctl.Error{Kind: ctl.KindUnreachable}, 4},
		{&ctl.Error{Kind: ctl.KindRemote}, 4},
		{&remote.Error{Kind: remote.ErrUnavailable}, 4},
		{context.Canceled, 1},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("exitCode(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}

func TestLeftError(t *testing.T) {
	if err := leftError("/m", store.Left{}, ""); err != nil {
		t.Errorf("leftError() of nothing = %v", err)
	}
	left := store.Left{Objects: 3, Bytes: 2048, Held: 1, Reason: "disk quota exceeded"}
	err := leftError("/m", left, "")
	want := "/m: 3 objects (2.0 KiB) not sent, 1 object refused by the remote: disk quota exceeded"
	if err.Error() != want {
		t.Errorf("leftError() = %q, want %q", err, want)
	}
}

// statusOfTrouble has everything that status can show.
func statusOfTrouble(now time.Time) ctl.Status {
	var s ctl.Status
	s.Mount.Mountpoint, s.Mount.PID, s.Mount.Version = "/srv/sstate", 42, "1.0"
	s.Mount.Phase, s.Mount.UptimeSeconds = ctl.PhaseDraining, 7200
	s.Remote.URL, s.Remote.State, s.Remote.Reason = "file:///nfs/sstate", store.StateDegraded, "held: access denied"
	s.Remote.Since = now.Add(-90 * time.Second)
	s.Remote.Abilities = []store.RemoteAbility{
		{Name: "create", Value: "conditional PUT"},
		{Name: "versions", Value: "kept", Warn: "each touch is a version"},
	}
	s.Cache.Dir, s.Cache.Objects, s.Cache.Bytes, s.Cache.LimitBytes = "/c", 1, 1024, 20<<30
	s.Cache.FreeBytes, s.Cache.MinFree = 1<<20, 1<<30
	s.Queue = store.QueueStatus{
		Objects: 2, Bytes: 4096, OldestSeconds: 61, Held: 1, HeldReason: "access denied", Failed: 3, LastErr: "no route",
	}
	s.Index = store.IndexStatus{Objects: 5, Listed: now.Add(-time.Hour), Suspect: true}
	s.ReadOnly, s.Publish, s.Unlink = true, store.PublishQueue, store.UnlinkLocal
	return s
}

func TestPrintStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out bytes.Buffer
	if err := printStatus(&out, statusOfTrouble(now), now); err != nil {
		t.Fatal(err)
	}
	want := `/srv/sstate
  remote    file:///nfs/sstate
  state     degraded for 1m: held: access denied
  versions  kept: each touch is a version
  queue     2 objects (4.0 KiB) to send, oldest 1m: no route
  held      1 object refused by the remote, tried again hourly: access denied
  damaged   3 objects set aside, see the log
  cache     1 object, 1.0 KiB of 20 GiB, disk nearly full (1.0 MiB free), /c
  index     5 objects, listed 1h ago, not complete, suspect: half of it vanished at once
  mode      read-only: nothing is sent, publish=queue, unlink=local
  daemon    pid 42, up 2h, 1.0, ending: sends what is left
`
	if out.String() != want {
		t.Errorf("printStatus() =\n%swant\n%s", out.String(), want)
	}
}

func TestStatusWarnsWhereNothingCanBeTouched(t *testing.T) {
	var s store.Status
	s.Remote.Traits.Touch = "put"
	if got := touchText(s); got != "" {
		t.Errorf("touchText() = %q for a remote that can be touched", got)
	}
	s.Remote.Traits.Touch = "never"
	if got := touchText(s); !strings.Contains(got, "cleaning by age would remove what is in use") {
		t.Errorf("touchText() = %q", got)
	}
	s.ReadOnly = true // no use is told to anybody
	if got := touchText(s); got != "" {
		t.Errorf("touchText() = %q for a mount that sends nothing", got)
	}
}

func TestPrintFindings(t *testing.T) {
	var out bytes.Buffer
	err := printFindings(&out, []finding{
		{Area: "machine", Check: "fuse-device", Verdict: verdictOK, Text: "/dev/fuse can be opened"},
		{Area: "cache", Check: "xattrs", Verdict: verdictWarn, Text: "none", Mend: "another disk"},
		{Area: "remote", Check: "list", Verdict: verdictFail, Text: "access denied", Mend: "allow it"},
	})
	want := `ok    fuse-device  /dev/fuse can be opened
warn  xattrs       none
                   mend: another disk
FAIL  list         access denied
                   mend: allow it
`
	if err != nil || out.String() != want {
		t.Errorf("printFindings() = %v\n%swant\n%s", err, out.String(), want)
	}
}

func TestKernelSince(t *testing.T) {
	for release, want := range map[string]bool{
		"6.1.0-18-amd64": false, "6.9.0": true, "6.12.4-arch1": true, "7.0": true, "5.15": false, "strange": false,
	} {
		if got := kernelSince(release, 6, 9); got != want {
			t.Errorf("kernelSince(%q) = %v, want %v", release, got, want)
		}
	}
}

func TestPrintStats(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var s store.Stats
	s.Since = now.Add(-3 * time.Hour)
	s.Lookups.Hit, s.Lookups.Miss = 3, 1
	s.Lookups.ByTask = map[string]store.TaskCount{"package": {Hit: 3}, "populate_sysroot": {Miss: 1}}
	s.Lookups.ByRecipe = map[string]store.TaskCount{}
	for i := range shownRecipes + 2 {
		s.Lookups.ByRecipe[fmt.Sprintf("recipe%02d", i)] = store.TaskCount{Hit: 1}
	}
	s.Cache.LimitBytes = 20 << 30
	s.Remote.State = store.StateOK
	s.Touches.Local, s.Touches.Sent, s.Touches.Skipped, s.Touches.Failed, s.Touches.Pending = 9, 5, 3, 1, 2
	s.EventsLost = 4
	var out bytes.Buffer
	if err := printStats(&out, s, now); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"since      3h ago\n", "lookups    3 hits, 1 misses (75% found)\n", "queue      empty\n",
		"remote     ok, 0 errors\n", "touches    9 here, 5 sent, 3 skipped, 1 failed, 2 to send\n", "events     4 lost by slow listeners\n",
		"by task             hits  misses\n  populate_sysroot  0     1\n  package           3     0\n",
		"  and 2 more",
	} {
		if !bytes.Contains(out.Bytes(), []byte(line)) {
			t.Errorf("printStats() lacks %q:\n%s", line, out.String())
		}
	}
}

func TestIndexText(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, test := range []struct {
		index store.IndexStatus
		want  string
	}{
		{store.IndexStatus{}, "nothing listed yet"},
		{store.IndexStatus{Objects: 9}, "9 objects from the last mount, not listed yet"},
		{store.IndexStatus{Objects: 9, Complete: true, Listed: now}, "9 objects, listed 0s ago"},
	} {
		if got := indexText(test.index, now); got != test.want {
			t.Errorf("indexText(%+v) = %q, want %q", test.index, got, test.want)
		}
	}
}
