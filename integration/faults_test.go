package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
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
	name string // as in docs/SEMANTICS.md
	is   proxy.Fault
	own  func(tr *trial) (end func()) // instead of is: the server's own
	disk bool                         // it needs a disk of its own, too

	relist bool // it is one of listings, and one is made
	crawls bool // a large object would take minutes
	lies   bool // bytes are wrong, and lengths right

	only servers.Kind // empty for all
}

// faults are those of networks (a dead or silent server, connections that
// break), of servers (errors, refusals, full disks) and of what is in between (a
// proxy that answers with other bytes).
func faults() []fault {
	return []fault{
		{name: "held", is: proxy.Status(403).On("PUT", "MOVE", "COPY", "POST", "DELETE")},
		{name: "stall", is: proxy.Stall(100)},
		{name: "black hole", is: proxy.BlackHole()},
		{name: "late", is: proxy.Delay(10 * time.Second)},
		{name: "full", own: full, disk: true},
		{name: "gone", own: gone},
		{name: "lost answers", is: proxy.LoseAnswer()},
		{name: "refused", is: proxy.Refuse()},
		{name: "reset", is: proxy.Reset(100)},
		{name: "cut short", is: proxy.Drop(100)},
		{name: "500", is: proxy.Status(500)},
		{name: "503", is: proxy.Status(503)},
		{name: "503 now and then", is: proxy.Status(503).Every(3)},
		{name: "429", is: proxy.TooMany(time.Hour)},
		{name: "403", is: proxy.Status(403)},
		{name: "shortened", is: proxy.Truncate(100)},
		{name: "mangled", is: proxy.Mangle(), lies: true},
		{name: "slow", is: proxy.Slow(20 << 10), crawls: true},
		{name: "listed twice", is: proxy.Repeat(), relist: true},
		{name: "not listed", is: proxy.Omit(), relist: true},
		// A server of S3 whose clock is wrong refuses our signatures first, which
		// a proxy cannot play: TestSkewedClock of remote/s3.
		{name: "clock", is: proxy.Skew(5 * time.Hour), only: servers.Apache},
	}
}

// gone takes the bucket away, or the folder.
func gone(tr *trial) func() {
	move := func(from, to string) {
		if err := os.Rename(from, to); err != nil {
			tr.t.Fatal(err)
		}
	}
	dir := tr.s.server.Data
	move(dir, dir+".away")
	return func() { move(dir+".away", dir) }
}

// full leaves no room on the server's disk.
func full(tr *trial) func() {
	ballast := filepath.Join(tr.s.server.Data, "ballast")
	if r := tr.s.run(os.Getuid(), "dd", "if=/dev/zero", "of="+ballast, "bs=64k"); r.code == 0 {
		tr.t.Errorf("the server's disk does not get full")
	}
	return func() { _ = os.Remove(ballast) }
}

// TestFaults publishes and reads while the server is broken in each of the ways:
// nothing takes longer than docs/SEMANTICS.md says, status tells what is wrong,
// nobody sees a wrong byte, here or on the remote, and afterwards all is well by
// itself.
func TestFaults(t *testing.T) {
	t.Parallel()
	st, promised := newStock(t), promises(t)
	if got, want := len(promised), len(faults()); got != want {
		t.Errorf("docs/SEMANTICS.md has %d faults, tested are %d", got, want)
	}
	var all []*servers.Server
	for _, p := range near() {
		all = append(all, servers.Start(t, p.kind))
	}
	for _, f := range faults() {
		p, ok := promised[f.name]
		if !ok {
			t.Errorf("docs/SEMANTICS.md promises nothing for %q", f.name)
			continue
		}
		t.Run(strings.ReplaceAll(f.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, server := range all {
				if f.only != "" && f.only != server.Kind {
					continue
				}
				t.Run(string(server.Kind), func(t *testing.T) {
					t.Parallel() // most of it is waiting
					if f.own != nil {
						server = servers.Start(t, server.Kind)
					}
					newTrial(t, st, server, f).suffer(f, p)
				})
			}
		})
	}
}

// suffer goes through a fault and what comes after it.
func (tr *trial) suffer(f fault, p promise) {
	tr.t.Helper()
	begin := func() (end func()) { return f.own(tr) }
	if f.own == nil {
		way := tr.s.breakable()
		begin = func() func() {
			way.Set(f.is)
			return func() {
				if way.Hit() == 0 && f.name != "refused" { // who is refused cannot be counted
					tr.t.Errorf("no request met the fault: %v", way.Counts())
				}
				way.Heal()
			}
		}
	}
	if f.relist {
		tr.addMore()
	}
	tr.prepare()
	end := begin()
	if f.relist {
		tr.listed.refresh()
	}
	tr.keeps(f, p, tr.measure(f))
	tr.says(tr.listed, p)
	if !f.relist {
		tr.says(tr.fresh, p)
	}
	tr.isRight()
	end()
	tr.recovers(p)
	tr.isRight()
}

// keeps checks what was measured. What never waits for the remote is far below
// every timeout of it, also on a slow machine.
func (tr *trial) keeps(f fault, p promise, got map[string]outcome) {
	tr.t.Helper()
	const slack = 6 * time.Second
	for name, limit := range map[string]time.Duration{
		"listed": quick, "cached": quick, "touch": quick, "queue": quick,
		"new": p.fresh + slack, "open": p.open + slack, "stream": p.open + slack, "publish": p.publish + slack,
	} {
		tr.t.Logf("%s: %v", name, got[name].took.Round(time.Millisecond))
		if got[name].took > limit && limit != slack {
			tr.t.Errorf("%s took %v, want at most %v", name, got[name].took, limit)
		}
	}
	for name, errno := range map[string]string{"listed": "ENOENT", "new": "ENOENT", "cached": "", "touch": "", "queue": "", "publish": ""} {
		got[name].all(tr.t, name, errno)
	}
	tr.reads(got["cached"], cachedKeys())
	tr.reads(got["open"], farKeys()[1:2])
	tr.follows(f, got["stream"])
}

// follows checks what was read while it came: it is right as far as it goes, and
// ends with its end or an error. Bytes that are changed on the way are known at
// the end of all, to which nobody gets.
func (tr *trial) follows(f fault, o outcome) {
	tr.t.Helper()
	for i, e := range o.ends {
		key := largeKeys()[i]
		got, _ := e.OK.([]any)
		tr.t.Logf("stream: %v %s", e.OK, e.Errno)
		if len(got) != 3 || got[0] != true && !f.lies {
			tr.t.Errorf("reading %s while it comes: %v %s, want nothing wrong", key, e.OK, e.Errno)
			continue
		}
		st, err := os.Stat(filepath.Join(tr.stock.dir, key))
		if err != nil {
			tr.t.Fatal(err)
		}
		isWhole := got[0] == true && got[1] == float64(st.Size())
		switch got[2] {
		case "EIO", "EACCES", "ENOENT":
		case "end":
			if !isWhole {
				tr.t.Errorf("reading %s while it comes: %v at its end, want all of it or an error", key, got)
			}
		default:
			tr.t.Errorf("reading %s while it comes: %v, want an error that BitBake survives", key, got)
		}
	}
}

// reads checks digests: what was read to its end is right.
func (tr *trial) reads(o outcome, keys []string) (failed int) {
	tr.t.Helper()
	for i, e := range o.ends {
		switch {
		case e.Errno == "EIO" || e.Errno == "EACCES" || e.Errno == "ENOENT":
			failed++
		case e.Errno != "" || e.OK != tr.stock.sums[keys[i]]:
			tr.t.Errorf("reading %s: %v %q, want what was published, or an error that BitBake survives", keys[i], e.OK, e.Errno)
		}
	}
	return failed
}

// says checks what status tells: a state, and a reason in one line.
func (tr *trial) says(m *mount, p promise) {
	tr.t.Helper()
	var state, reason string
	if !within(startLimit, func() bool {
		status := m.status()
		state, reason = status.text("remote.state"), status.text("remote.reason")
		return slices.Contains(p.states, state) && !strings.Contains(reason, "\n") &&
			slices.ContainsFunc(p.words, func(word string) bool { return strings.Contains(reason, word) })
	}) {
		tr.t.Errorf("status of mount %s is %s: %q, want %v: %q", m.name, state, reason, p.states, p.words)
	}
}

// recovers waits until everything is sent and found, by itself. What is only
// tried again after a minute or more is made to be.
func (tr *trial) recovers(p promise) {
	tr.t.Helper()
	const long = 30 * time.Second
	begun := time.Now()
	for i, m := range []*mount{tr.listed, tr.fresh} {
		if p.again > 2*long { // what was found wrong is believed for that long, or until the next mount
			m.stop()
			m.restart()
		}
		a := tr.s.self()
		var unread int
		var status facts
		if !within(long+startLimit, func() bool {
			if p.again > long { // a try that is under way may still fail
				tr.s.run(m.uid, binary, "flush", m.point)
			}
			unread = tr.reads(a.timed(on(m, "digest", tr.far)...), tr.far)
			status = m.status()
			return unread == 0 && status.text("remote.state") == "ok" &&
				status.number(tr.t, "queue.objects")+status.number(tr.t, "queue.held") == 0
		}) {
			tr.t.Errorf("mount %s does not recover: %d of %d unread, %v", m.name, unread, len(tr.far), status)
		}
		keys := paired(afterwards[i], 1)
		a.timed(tr.publishing(m, keys)...).all(tr.t, "publishing afterwards", "")
		m.flush()
	}
	tr.t.Logf("well after %v", time.Since(begun).Round(time.Millisecond))
	tr.s.sharesAll(tr.stock.of(slices.Concat(cachedKeys(), tr.far, paired("through", 2), paired("queue", 2),
		paired(afterwards[0], 1), paired(afterwards[1], 1))))
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
