package ctl

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"
)

func TestUnmountSendsThenEnds(t *testing.T) {
	m := serveFakes(t)
	close(m.store.sent)
	result, err := m.client.Unmount(testContext(t), UnmountRequest{DrainTimeout: Duration(time.Minute)}, nil)
	if err != nil || !result.Ended || result.Left.Objects != 0 {
		t.Errorf("Unmount() = %+v, %v", result, err)
	}
	<-m.session.Ended()
	if _, err := os.Stat(m.client.info.Socket); !os.IsNotExist(err) {
		t.Errorf("socket after unmount: %v, want it gone", err)
	}
	// Whoever has the answer may mount again at once.
	claim, err := m.host.Claim(MountInfo{Mountpoint: "/mnt/sstate"})
	if err != nil {
		t.Fatalf("Claim() after unmount = %v", err)
	}
	claim.Release()
}

func TestUnmountTellsWhatIsLeft(t *testing.T) {
	m := serveFakes(t)
	result, err := m.client.Unmount(testContext(t), UnmountRequest{DrainTimeout: Duration(time.Millisecond)}, nil)
	if err != nil || !result.Ended || result.Left.Objects != 3 {
		t.Errorf("Unmount() = %+v, %v, want 3 objects left", result, err)
	}
}

func TestUnmountOfABusyMount(t *testing.T) {
	m := serveFakes(t)
	close(m.store.sent)
	m.mount.busy = true
	_, err := m.client.Unmount(testContext(t), UnmountRequest{}, nil)
	want := "/mnt/sstate: in use"
	if !IsKind(err, KindBusy) || err.Error() != want {
		t.Errorf("Unmount() = %v, want %q", err, want)
	}
	if phase := m.session.Status().Mount.Phase; phase != PhaseMounted || m.store.closeCalls() != 0 {
		t.Errorf("after the refusal: phase %s, store closed %d times", phase, m.store.closeCalls())
	}
}

// A container that has the mount too is served until it ends: nothing is closed,
// however often it is asked.
func TestUnmountOfAMountThatIsKept(t *testing.T) {
	m := serveFakes(t)
	close(m.store.sent)
	m.mount.kept = true
	for range 2 {
		result, err := m.client.Unmount(testContext(t), UnmountRequest{}, nil)
		if !IsKind(err, KindBusy) || result.Ended || !strings.Contains(err.Error(), "still in use") {
			t.Errorf("Unmount() = %+v, %v, want KindBusy", result, err)
		}
	}
	if n := m.store.closeCalls(); n != 0 {
		t.Errorf("store closed %d times while it is in use", n)
	}
	if _, err := m.client.Status(testContext(t)); err != nil {
		t.Errorf("Status() = %v", err)
	}
	result, err := m.client.Unmount(testContext(t), UnmountRequest{Busy: BusyForce}, nil)
	if err != nil || !result.Ended || m.store.closeCalls() != 1 {
		t.Errorf("Unmount(force) = %+v, %v", result, err)
	}
}

func TestUnmountNamesTheUserBeforeItDrains(t *testing.T) {
	m := serveFakes(t) // its queue never drains
	m.session.users = func(TableEntry) []User { return []User{{PID: 123, Command: "bash"}, {PID: 4}} }
	_, err := m.client.Unmount(testContext(t), UnmountRequest{DrainTimeout: Duration(time.Hour)}, nil)
	want := "/mnt/sstate: in use by pid 123 (bash) and 1 more"
	if !IsKind(err, KindBusy) || err.Error() != want {
		t.Errorf("Unmount() = %v, want %q", err, want)
	}
}

func TestLazyUnmountServesToTheLastUser(t *testing.T) {
	m := serveFakes(t)
	close(m.store.sent)
	m.mount.busy = true
	result, err := m.client.Unmount(testContext(t), UnmountRequest{Busy: BusyLazy}, nil)
	if err != nil || result.Ended || !m.mount.isDetached() || m.store.closeCalls() != 0 {
		t.Errorf("Unmount(lazy) = %+v, %v, detached %v, store closed %d times",
			result, err, m.mount.isDetached(), m.store.closeCalls())
	}
	m.mount.end()
	<-m.session.Gone()
}

// What is mounted at the mountpoint after the mount, or on top of it, is not ours to
// unmount.
func TestDetachSparesOtherMounts(t *testing.T) {
	const point = "/mnt/sstate"
	ours := TableEntry{Mountpoint: point, Type: fsType, Connection: 44}
	nfs := TableEntry{Mountpoint: point, Type: "nfs4", Connection: 44}
	for name, c := range map[string]struct {
		table Table
		want  bool // it is unmounted
		used  bool
		kind  Kind
	}{
		"there":       {Table{{Mountpoint: "/"}, ours}, true, false, ""},
		"detached":    {Table{{Mountpoint: "/"}}, false, true, ""},
		"replaced":    {Table{nfs}, false, true, ""},
		"new of ours": {Table{{Mountpoint: point, Type: fsType, Connection: 45}}, false, true, ""},
		"moved":       {Table{{Mountpoint: "/mnt/other", Type: fsType, Connection: 44}}, false, true, ""},
		"covered":     {Table{ours, nfs}, false, false, KindBusy},
	} {
		t.Run(name, func(t *testing.T) {
			m := serveFakes(t)
			m.session.place, m.session.table = ours, func() (Table, error) { return c.table, nil }
			used, err := m.session.Detach(BusyForce)
			if (c.kind == "") != (err == nil) || err != nil && !IsKind(err, c.kind) || used != c.used {
				t.Errorf("Detach() = %v, %v, want %v, %q", used, err, c.used, c.kind)
			}
			if got := m.mount.isDetached(); got != c.want {
				t.Errorf("unmounted: %v, want %v", got, c.want)
			}
		})
	}
}

func TestForcedUnmountEndsWhoeverUsesIt(t *testing.T) {
	m := serveFakes(t)
	m.mount.busy = true
	result, err := m.client.Unmount(testContext(t), UnmountRequest{Busy: BusyForce}, nil)
	if err != nil || !result.Ended || !m.mount.isDetached() || m.store.closeCalls() != 1 {
		t.Errorf("Unmount(force) = %+v, %v", result, err)
	}
}

func TestInterruptedUnmountLeavesTheMount(t *testing.T) {
	m := serveFakes(t)
	ctx, cancel := context.WithCancel(testContext(t))
	_, err := m.client.Unmount(ctx, UnmountRequest{DrainTimeout: Duration(time.Hour)}, func(Progress) { cancel() })
	if !IsKind(err, KindInterrupted) {
		t.Errorf("Unmount() = %v, want KindInterrupted", err)
	}
	if err := m.server.Close(); err != nil { // returns after the verb has
		t.Fatal(err)
	}
	if phase := m.session.Status().Mount.Phase; phase != PhaseMounted {
		t.Errorf("phase = %s, want mounted", phase)
	}
}

func TestSessionSeesAForeignUnmount(t *testing.T) {
	m := serveFakes(t)
	m.mount.end()
	<-m.session.Gone()
	if phase := m.session.Status().Mount.Phase; phase != PhaseDetached {
		t.Errorf("phase = %s, want detached", phase)
	}
	// A command that comes now waits for the same end.
	close(m.store.sent)
	result, err := m.client.Unmount(testContext(t), UnmountRequest{}, nil)
	if err != nil || !result.Ended {
		t.Errorf("Unmount() = %+v, %v", result, err)
	}
}
