package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sstatefs/integration/proxy"
)

// breakable puts a proxy between mounts to come and the server, that can break
// what passes.
func (s *site) breakable() *proxy.Proxy {
	s.t.Helper()
	p := proxy.Start(s.t, s.server.URL)
	s.address = s.root.AddressAt(p.URL)
	return p
}

// fault is one way in which a server or the way to it is broken.
type fault struct {
	name string
	is   proxy.Fault
	// away: nothing works, and status has to say so.
	away bool
	// refused: what is published is held, and sent when asked for.
	refused bool
	// remembered: what was found corrupt is a miss for a while, or until the
	// next mount.
	remembered bool
}

// faults are those of networks (a dead or silent server, connections that
// break), of servers (errors, refusals) and of what is in between (a proxy that
// answers with other bytes).
func faults() []fault {
	return []fault{
		{name: "refuse", is: proxy.Refuse(), away: true},
		{name: "black hole", is: proxy.BlackHole(), away: true},
		{name: "503", is: proxy.Status(503), away: true},
		{name: "503 now and then", is: proxy.Status(503).Every(3)},
		{name: "403", is: proxy.Status(403), refused: true},
		{name: "stall", is: proxy.Stall(100)},
		{name: "drop", is: proxy.Drop(100)},
		{name: "slow", is: proxy.Slow(20 << 10)},
		{name: "mangle", is: proxy.Mangle(), remembered: true},
		{name: "truncate", is: proxy.Truncate(300)},
		{name: "lose answers", is: proxy.LoseAnswer()},
		{name: "lose some answers", is: proxy.LoseAnswer().Every(2)},
	}
}

// TestFaults builds while the server is broken in each of the ways: the build
// neither fails nor hangs, nobody sees anything wrong, here or on the remote,
// and afterwards all is well by itself.
func TestFaults(t *testing.T) {
	for _, f := range faults() {
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			onRemotes(t, near(), func(t *testing.T, s *site) { broken(t, s, f) })
		})
	}
}

func broken(t *testing.T, s *site, f fault) {
	t.Helper()
	p := s.breakable()
	o := newOutage(t, s, os.Getuid(), "--drain-timeout=2s")
	known := o.sums()
	p.Set(f.is)
	o.builds()
	for _, key := range o.cached {
		o.timed("stat of a cached object", quick, func() { o.a.want("", "stat", o.m.path(key)) })
	}
	o.timed("restore of cached objects", 10*time.Second, func() {
		s.build("restore", o.m.point, o.cached).all(t, "restored", o.cached)
	})
	o.readsWell(known)
	o.sharedWell(known)
	if f.away || f.refused {
		o.says("offline", "degraded")
	}
	if p.Hit() == 0 && f.name != "refuse" { // who is refused cannot be counted
		t.Fatalf("no request met the fault: %v", p.Counts())
	}
	p.Heal()
	if f.refused {
		o.m.flush()
	}
	if f.remembered {
		o.m.stop()
		o.m.restart()
	}
	o.back(time.Minute)
	s.sharesAll(known)
	o.m.holds(known)
	o.cachedWell()
	o.m.stop()
}

// sums is what the remote holds.
func (o *outage) sums() map[string]string {
	o.t.Helper()
	all := map[string]string{}
	for _, name := range o.s.names() {
		all[name] = o.s.sum(name)
	}
	return all
}

// readsWell reads what is on the remote only: an error, or the right bytes. A
// body that stalls costs the limit of progress, 30 s, once and not per object.
func (o *outage) readsWell(known map[string]string) {
	o.t.Helper()
	o.timed("reading what is only on the remote", 40*time.Second, func() {
		for _, key := range o.far[:3] {
			r := o.s.run(o.m.uid, "sha256sum", o.m.path(key))
			got, _, _ := strings.Cut(r.stdout, " ")
			if r.code == 0 && got != known[key] {
				o.t.Errorf("%s reads as other bytes", key)
			}
		}
	})
}

// sharedWell looks at the remote: what was there is what it was, what is new is
// whole.
func (o *outage) sharedWell(known map[string]string) {
	o.t.Helper()
	for _, name := range o.s.names() {
		got, want := o.s.sum(name), known[name]
		if want == "" {
			want = o.queued[name]
		}
		if got != want && !leftover.MatchString(name) && o.s.has(name) {
			o.t.Errorf("%s on the remote is %q, published was %q", name, got, want)
		}
	}
}

// cachedWell compares the cache with the remote.
func (o *outage) cachedWell() {
	o.t.Helper()
	dir := filepath.Join(o.m.cache, "objects")
	for _, name := range files(o.t, dir) {
		if sum(filepath.Join(dir, name)) != o.s.sum(name) {
			o.t.Errorf("the cache holds other bytes of %s than the remote", name)
		}
	}
}

// TestLostAnswer loses the answer to a create that the server did: the second
// try finds the object, which is ours.
func TestLostAnswer(t *testing.T) {
	onRemotes(t, append(near(), others()...), func(t *testing.T, s *site) {
		p := s.breakable()
		m := s.mount("a")
		p.Set(proxy.LoseAnswer().Times(2))
		keys := archives("lost", 3)
		b := s.build("archive", m.point, keys)
		b.all(t, "published", keys)
		m.flush()
		s.shares(b.acknowledged())
		m.holds(b.acknowledged())
		m.mustCount("published.objects", len(keys), "queue.objects", 0, "queue.held", 0)
		if p.Hit() < 2 {
			t.Errorf("%d answers were there to be lost", p.Hit())
		}
	})
}
