package integration

import (
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sstatefs/integration/proxy"
)

// freed bounds the end of a client that is killed while it waits: a second is
// promised, the rest is for a busy machine.
const freed = time.Second + 3*time.Second

// waits is how long a call must wait to count as waiting for a remote that does
// not answer.
const waits = 300 * time.Millisecond

// client is a process that makes one call in the mount, and is killed.
type client struct {
	*actor
	pid  int
	what string

	answered bool
}

// client starts one.
func (s *site) client(what string) *client {
	s.t.Helper()
	c := &client{actor: s.self(), what: what}
	c.pid = int(integer(c.do("default_signals")))
	return c
}

// kills sends each client, which all wait, a signal, and wants them to end.
func kills(t *testing.T, clients []*client, signal unix.Signal) {
	t.Helper()
	for _, c := range clients {
		if v, errno, done := c.poll(waits / time.Duration(len(clients))); done {
			t.Errorf("%s did not wait: %v %q", c.what, v, errno)
		}
	}
	begun := time.Now()
	for _, c := range clients {
		if err := unix.Kill(c.pid, signal); err != nil {
			t.Errorf("%s: kill: %v", c.what, err)
		}
	}
	for _, c := range clients {
		c.ends(freed - time.Since(begun))
	}
}

// waits checks that a client does not get its answer.
func (c *client) waits() {
	c.s.t.Helper()
	if v, errno, done := c.poll(waits / 3); done {
		c.s.t.Errorf("%s did not wait: %v %q", c.what, v, errno)
	}
}

// ends waits for the end of a client that was killed.
func (c *client) ends(limit time.Duration) {
	c.s.t.Helper()
	select {
	case line, ok := <-c.lines:
		if ok {
			c.s.t.Errorf("%s: answered %s instead of being killed", c.what, line)
		}
	case <-time.After(limit):
		c.s.t.Errorf("%s: the killed process is still there after %v", c.what, freed)
		c.s.mounts[len(c.s.mounts)-1].abort() // or the test never ends
	}
}

// TestKilledClients kills processes that wait for a server that accepts
// everything and answers nothing, each in another call. They all wait at the
// same time, since the first that waits long enough makes the mount believe
// that its remote is offline.
func TestKilledClients(t *testing.T) {
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGINT} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			onRemotes(t, near()[1:], func(t *testing.T, s *site) {
				w := newStall(t, s)
				clients := w.allWait()
				w.nobodyElseWaits()
				kills(t, clients[:1], signal) // while the one before it waits on
				kills(t, clients[1:], signal)
				w.lock.end()
				w.goesOn()
			})
		})
	}
}

// stall is a mount whose server stalls.
type stall struct {
	t    *testing.T
	s    *site
	p    *proxy.Proxy
	m    *mount
	lock *actor            // holds a file's locks
	keys []string          // on the server
	made map[string]string // the same, and what is published meanwhile
	big  string            // does not fit into the cache
}

// newStall mounts and stalls the server. The names that will be needed are known to
// the mount, and one object is cached.
func newStall(t *testing.T, s *site, flags ...string) *stall {
	t.Helper()
	w := &stall{t: t, s: s, p: s.breakable(), keys: archives("stalled", 10), big: archives("toobig", 1)[0]}
	w.made = s.fill(w.keys...)
	const limit = 200 << 10
	w.made[w.big] = s.noise(w.big, 3*limit)
	flags = append([]string{"--cache-size=200K", "--publish-timeout=25s", "--drain-timeout=1s"}, flags...)
	w.m = s.mount("a", flags...)
	w.m.refresh()
	a := s.self()
	defer a.end()
	for _, key := range append([]string{w.big}, w.keys...) {
		a.do("makedirs", w.m.path(filepath.Dir(key)), 0o775, true)
		a.do("stat", w.m.path(key))
	}
	for _, key := range w.keys[6:] { // each in a folder of its own: the kernel locks it
		a.do("write_file", w.m.path(filepath.Dir(key), "new"), "new content")
	}
	a.do("read_file", w.m.path(w.keys[0]))
	a.do("write_file", w.m.path("locked"), "x")
	w.m.flush()
	w.p.Set(proxy.BlackHole())
	return w
}

// allWait starts a client for every call that may wait for the remote or for
// another process. The first one waits for the one behind it.
func (w *stall) allWait() []*client {
	m, keys := w.m, w.keys
	w.made[keys[6]+".siginfo"] = sum(m.path(filepath.Dir(keys[6]), "new"))
	w.made[keys[7]+".siginfo"] = w.made[keys[6]+".siginfo"]
	delete(w.made, keys[8])
	calls := []struct {
		what string
		args []any
	}{
		{"open of what is fetched", []any{"open", m.path(keys[1]), unix.O_RDONLY}},
		{"open of what another fetches", []any{"open", m.path(keys[1]), unix.O_RDONLY}},
		{"link of an object into scratch", []any{"link", m.path(keys[2]), m.path(filepath.Dir(keys[2]), "linked")}},
		{"publish by link", []any{"link", m.path(filepath.Dir(keys[6]), "new"), m.path(keys[6]) + ".siginfo"}},
		{"publish by rename", []any{"rename", m.path(filepath.Dir(keys[7]), "new"), m.path(keys[7]) + ".siginfo"}},
		{"unlink", []any{"unlink", m.path(keys[8])}},
	}
	writer, behind := w.s.client("the first write of an object"), w.s.client("O_TRUNC while another writes")
	writer.begin("pwrite", writer.open(m.path(keys[3]), unix.O_RDWR), "more", 0)
	writer.waits()
	behind.begin("open", m.path(keys[3]), unix.O_WRONLY|unix.O_TRUNC) // a write waits for the kernel's lock of the file
	clients := []*client{behind, writer}
	for _, call := range calls {
		c := w.s.client(call.what)
		c.begin(call.args[0].(string), call.args[1:]...)
		clients = append(clients, c)
	}
	return append(clients, w.lockers()...)
}

// lockers wait for locks of a process that keeps them.
func (w *stall) lockers() []*client {
	path := w.m.path("locked")
	w.lock = w.s.self()
	fd := w.lock.open(path, unix.O_RDWR)
	w.lock.do("setlk", fd, "w", 0, 1)
	w.lock.do("flock", fd, unix.LOCK_EX)
	record, whole := w.s.client("fcntl(F_SETLKW)"), w.s.client("flock")
	record.begin("setlkw", record.open(path, unix.O_RDWR), "w", 0, 1)
	whole.begin("flock", whole.open(path, unix.O_RDWR), unix.LOCK_EX)
	return []*client{record, whole}
}

// nobodyElseWaits makes the calls that the stalled remote must not hold, while
// others wait for it.
func (w *stall) nobodyElseWaits() {
	t, m, a := w.t, w.m, w.s.self()
	t.Helper()
	defer a.end()
	cached, scratch := m.path(w.keys[0]), m.path("locked")
	o := &outage{s: w.s, t: t, m: m, a: a}
	for what, call := range map[string][]any{
		"stat of a cached object":     {"stat", cached},
		"stat of a listed object":     {"stat", m.path(w.keys[4])},
		"utimens of a cached object":  {"utime", cached},
		"utimens of a listed object":  {"utime", m.path(w.keys[4])},
		"touch of a listed object":    {"touch", m.path(w.keys[4])},
		"reading a cached object":     {"read_file", cached},
		"ls of the mount":             {"listdir", m.point},
		"ls of a folder":              {"listdir", filepath.Dir(cached)},
		"statfs":                      {"statvfs", m.point},
		"statfs of a listed object":   {"statvfs", m.path(w.keys[4])},
		"mkdir":                       {"mkdir", m.path("folder")},
		"writing scratch":             {"write_file", m.path("scratch"), "scratch"},
		"fcntl(F_GETLK)":              {"getlk", a.open(scratch, unix.O_RDWR), "w", 0, 1},
		"fsync":                       {"fsync", a.open(scratch, unix.O_RDWR)},
		"rename of scratch":           {"rename", m.path(filepath.Dir(w.keys[9]), "new"), m.path("moved")},
		"a listing of what is listed": {"listdir", m.path(filepath.Dir(w.keys[4]))},
	} {
		o.timed(what, quick, func() { a.do(call[0].(string), call[1:]...) })
	}
	o.timed("df", quick, func() { w.s.must("df", m.point) })
	o.timed("status", quick, func() { m.status() })
}

// goesOn heals the server: everything that was waited for is done.
func (w *stall) goesOn() {
	w.t.Helper()
	w.p.Heal()
	eventually(w.t, time.Minute, "everything is sent", func() bool {
		st := w.m.status()
		return st.number(w.t, "queue.objects") == 0 && st.text("remote.state") == "ok"
	})
	w.s.shares(w.made)
	delete(w.made, w.big)
	w.m.holds(w.made)
	w.m.stop()
}

// TestKilledReader kills who reads an object that is not kept, while its body
// stalls.
func TestKilledReader(t *testing.T) {
	onRemotes(t, near(), func(t *testing.T, s *site) {
		w := newStall(t, s)
		w.p.Heal()
		c, other := s.client("read of a body that stalls"), s.client("read behind another's")
		fd := c.open(w.m.path(w.big), unix.O_RDONLY)
		c.do("pread", fd, 1000, 0)
		w.p.Set(proxy.Stall(1000))
		far := s.client("first read of a body that stalls")
		far.begin("pread", far.open(w.m.path(w.big), unix.O_RDONLY), 100<<10, 300<<10)
		c.begin("pread", fd, 100<<10, 400<<10)
		other.begin("read_file", w.m.path(w.big))
		kills(t, []*client{far, c, other}, unix.SIGKILL)
		w.p.Heal()
		w.m.holds(map[string]string{w.big: w.made[w.big]})
		w.m.stop()
	})
}

// TestKilledBeforeListing kills processes that look into a mount whose remote
// has never been listed, and hangs.
func TestKilledBeforeListing(t *testing.T) {
	onRemotes(t, near()[:1], func(t *testing.T, s *site) {
		p := s.breakable()
		keys := archives("there", 2)
		s.fill(keys...)
		m := s.mount("a", "--drain-timeout=1s")
		m.stop()
		for _, file := range files(t, m.cache+"/index") {
			s.must("rm", m.cache+"/index/"+file)
		}
		p.Set(proxy.BlackHole().On("LIST"))
		m.restart()
		var clients []*client
		for _, call := range [][]any{{"stat", m.path(keys[0])}, {"listdir", m.point}, {"mkdir", m.path(keys[1][:2])}} {
			c := s.client(call[0].(string))
			c.begin(call[0].(string), call[1:]...)
			clients = append(clients, c)
		}
		kills(t, clients, unix.SIGKILL)
		o := &outage{s: s, t: t, m: m}
		o.timed("df", quick, func() { s.must("df", m.point) })
		o.timed("status", quick, func() { m.status() })
	})
}
