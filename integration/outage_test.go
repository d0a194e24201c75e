package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// outage is a mount whose remote goes away in some way and comes back.
type outage struct {
	s      *site
	t      *testing.T
	m      *mount
	a      *actor
	cached []string // restored before the outage
	far    []string // on the remote only
	queued map[string]string
}

// quick bounds a call that must not wait for the remote. It is far below every
// timeout of the remote and far above a slow machine.
const quick = 3 * time.Second

// newOutage mounts as a user and fills the cache a little.
func newOutage(t *testing.T, s *site, uid int, flags ...string) *outage {
	t.Helper()
	if uid != os.Getuid() {
		openFuseDevice(t)
	}
	o := &outage{s: s, t: t, cached: archives("cached", 6), far: archives("far", 6)}
	s.fill(append(with(o.far, ".siginfo"), append(o.far, o.cached...)...)...)
	if uid != os.Getuid() && s.server == nil {
		s.must("chown", "-R", fmt.Sprint(uid), s.remote)
	}
	o.m = s.mountAs(uid, "a", append([]string{"--publish-timeout=3s"}, flags...)...)
	s.buildAs(uid, "restore", o.m.point, o.cached).all(t, "restored", o.cached)
	s.buildAs(uid, "check", o.m.point, o.far).all(t, "found", o.far)
	o.a = s.actor(uid)
	return o
}

// builds goes on as a build does while the remote is away.
func (o *outage) builds() {
	o.t.Helper()
	absent := archives("absent", 150)
	o.timed("the check of 150 missing names", 12*time.Second, func() {
		o.s.buildAs(o.m.uid, "check", o.m.point, absent).all(o.t, "missing", absent)
	})
	keys := archives("offline", 8)
	var b *build
	o.timed("publishing 16 objects", 15*time.Second, func() {
		b = o.s.buildAs(o.m.uid, "build", o.m.point, keys)
	})
	b.all(o.t, "published", keys)
	o.queued = b.acknowledged()
	if len(o.queued) != 2*len(keys) {
		o.t.Errorf("%d publishes were acknowledged, want %d", len(o.queued), 2*len(keys))
	}
	o.m.holds(o.queued)
	o.s.buildAs(o.m.uid, "build", o.m.point, keys).all(o.t, "restored", keys)
}

// stays checks that what is here stays usable, and quick.
func (o *outage) stays() {
	o.t.Helper()
	for _, key := range o.cached {
		o.timed("stat of a cached object", quick, func() { o.a.want("", "stat", o.m.path(key)) })
		o.timed("touch of a cached object", quick, func() { o.a.want("", "touch", o.m.path(key)) })
		o.timed("utime of a cached object", quick, func() { o.a.want("", "utime", o.m.path(key)) })
	}
	o.timed("restore of cached objects", 10*time.Second, func() {
		o.s.buildAs(o.m.uid, "restore", o.m.point, o.cached).all(o.t, "restored", o.cached)
	})
	o.timed("ls", quick, func() { o.s.mustAs(o.m.uid, "ls", "-l", o.m.point) })
	o.timed("ls of a folder", quick, func() { o.s.mustAs(o.m.uid, "ls", "-l", filepath.Dir(o.m.path(o.cached[0]))) })
	o.timed("df", quick, func() { o.s.mustAs(o.m.uid, "df", o.m.point) })
	o.timed("reading what is only on the remote", 12*time.Second, func() {
		_, errno := o.a.call("read_file", o.m.path(o.far[0]))
		if errno != "EIO" && errno != "ENOENT" {
			o.t.Errorf("reading an object of an absent remote: %q, want EIO or ENOENT", errno)
		}
	})
}

func (o *outage) timed(what string, limit time.Duration, f func()) {
	o.t.Helper()
	begun := time.Now()
	f()
	if took := time.Since(begun); took > limit {
		o.t.Errorf("%s took %v with the remote away, want at most %v", what, took.Round(time.Millisecond), limit)
	}
}

// says checks that status tells what is wrong, in one of the states.
func (o *outage) says(states ...string) {
	o.t.Helper()
	var status facts
	var state, reason string
	if !within(5*time.Second, func() bool {
		status = o.m.status()
		state, reason = status.text("remote.state"), status.text("remote.reason")
		return strings.Contains(strings.Join(states, " "), state) && reason != "" && !strings.Contains(reason, "\n")
	}) {
		o.t.Errorf("status says %q because of %q, want one of %v and a reason in one line", state, reason, states)
	}
	if n := status.number(o.t, "queue.objects") + status.number(o.t, "queue.held"); n < int64(len(o.queued)) {
		o.t.Errorf("status says that %d objects are queued, want %d", n, len(o.queued))
	}
	if human := o.s.mustAs(o.m.uid, binary, "status", o.m.point); !strings.Contains(human, state) {
		o.t.Errorf("status for people does not say %q:\n%s", state, human)
	}
}

// back waits until everything has been sent and the state is ok.
func (o *outage) back(limit time.Duration) {
	o.t.Helper()
	eventually(o.t, limit, "everything is sent and the remote ok", func() bool {
		status := o.m.status()
		return status.number(o.t, "queue.objects") == 0 && status.text("remote.state") == "ok"
	})
	o.s.sharesAll(o.queued)
	eventually(o.t, seenWithin, "what is on the remote is found again", func() bool {
		for _, key := range o.far {
			if _, errno := o.a.call("stat", o.m.path(key)); errno != "" {
				return false
			}
		}
		return true
	})
	o.s.buildAs(o.m.uid, "restore", o.m.point, o.far).all(o.t, "restored", o.far)
}

// TestRemoteGone takes the remote away and brings it back.
func TestRemoteGone(t *testing.T) {
	forEachMode(t, append(here(), indexed()), remoteGone)
	t.Run("elsewhere", func(t *testing.T) {
		onRemotes(t, append(distant(), others()...), func(t *testing.T, s *site) { remoteGone(t, s, "through") })
	})
}

func remoteGone(t *testing.T, s *site, mode string) {
	t.Helper()
	o := newOutage(t, s, os.Getuid(), "--publish="+mode)
	s.hide()
	o.builds()
	o.stays()
	o.says("offline", "degraded")
	o.a.do("unlink", o.m.path(o.cached[0]))
	o.a.want("ENOENT", "stat", o.m.path(o.cached[0]))
	if s.server == nil {
		if _, err := os.Stat(s.remote); err == nil {
			t.Errorf("the remote's root was made")
		}
	}
	s.show()
	o.back(startLimit)
	if s.has(o.cached[0]) {
		t.Errorf("the removal was not sent")
	}
}

// TestRemoteFlaps lets the remote go and come while builds work.
func TestRemoteFlaps(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		o := newOutage(t, s, os.Getuid(), "--publish="+mode)
		first, second := archives("one", 25), archives("two", 25)
		builds := []*build{s.begin(os.Getuid(), "build", o.m.point, first), s.begin(os.Getuid(), "build", o.m.point, second)}
		for i := 1; i <= 3; i++ {
			eventually(t, startLimit, "publishes", func() bool { return acknowledgedBy(builds) >= 20*i })
			s.hide()
			seen := acknowledgedBy(builds)
			eventually(t, startLimit, "publishes while it is away", func() bool { return acknowledgedBy(builds) >= min(seen+5, 100) })
			s.show()
		}
		for i, b := range builds {
			b.finish()
			b.all(t, "published", [][]string{first, second}[i])
			o.queued = merge(t, o.queued, b.acknowledged())
		}
		o.back(startLimit)
	})
}

// TestRemoteUnreadable takes all rights to the remote directory from an
// ordinary user's mount.
func TestRemoteUnreadable(t *testing.T) {
	needsRoot(t)
	o := newOutage(t, newSite(t), nobody)
	o.chmod(0)
	o.builds()
	o.stays()
	o.says("offline", "degraded")
	o.chmod(0o775)
	o.back(startLimit)
}

// TestRemoteUnwritable lets an ordinary user's mount read the remote only:
// what it publishes is held, and sent on request once it may.
func TestRemoteUnwritable(t *testing.T) {
	needsRoot(t)
	o := newOutage(t, newSite(t), nobody)
	o.s.must("chmod", "-R", "a-w", o.s.remote)
	o.builds()
	o.says("degraded")
	o.s.buildAs(nobody, "restore", o.m.point, o.far).all(t, "restored", o.far)
	o.s.must("chmod", "-R", "u+w", o.s.remote)
	o.m.flush()
	o.back(startLimit)
}

func (o *outage) chmod(mode os.FileMode) {
	o.t.Helper()
	if err := os.Chmod(o.s.remote, mode); err != nil {
		o.t.Fatal(err)
	}
}

// TestUnmountWithoutRemote says what could not be sent, and the next mount of
// the cache sends it.
func TestUnmountWithoutRemote(t *testing.T) {
	onRemotes(t, here(), func(t *testing.T, s *site) {
		o := newOutage(t, s, os.Getuid(), "--drain-timeout=2s")
		s.hide()
		o.builds()
		r := o.m.unmount("--drain-timeout=1s")
		if r.code != 3 || !strings.Contains(r.stderr, "not sent") {
			t.Errorf("unmount: exit %d, %q, want 3 and what is not sent", r.code, r.stderr)
		}
		o.m.restart()
		o.m.holds(o.queued)
		o.says("offline", "degraded")
		s.show()
		o.back(startLimit)
	})
}

// TestHangingServer stops every process of the server: connections are
// accepted and never answered. It is the black hole of TestFaults for the other
// servers.
func TestHangingServer(t *testing.T) {
	onRemotes(t, others(), func(t *testing.T, s *site) {
		o := newOutage(t, s, os.Getuid(), "--drain-timeout=1s")
		s.server.Pause()
		o.builds()
		o.stays()
		o.says("offline", "degraded")
		s.server.Resume()
		o.back(time.Minute)
	})
}

// TestHangingRemote uses a mount whose daemon is stopped as the remote of
// another, which is what a dead NFS server looks like.
func TestHangingRemote(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	hanging := s.mount("server")
	keys := archives("there", 20)
	s.build("archive", hanging.point, keys)
	m := s.mountOf(hanging.point, os.Getuid(), "a", "--publish-timeout=3s", "--drain-timeout=1s")
	s.build("restore", m.point, keys[:5]).all(t, "restored", keys[:5])
	hanging.signal("STOP")
	defer hanging.signal("CONT")
	o := &outage{s: s, t: t, m: m, a: s.self(), cached: keys[:5], far: keys[5:]}
	o.builds()
	for _, key := range o.cached {
		o.timed("stat of a cached object", quick, func() { o.a.want("", "stat", m.path(key)) })
	}
	o.says("offline", "degraded")
	hanging.signal("CONT")
	o.back(time.Minute)
}
