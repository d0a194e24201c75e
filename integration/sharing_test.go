package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// atomicCreate tells whether of several hosts exactly one makes an object.
func (m *mount) atomicCreate() bool {
	m.t.Helper()
	v, err := m.status().find("remote.traits.atomic_create")
	atomic, ok := v.(bool)
	if err != nil || !ok {
		m.t.Fatalf("status does not tell whether creating is atomic: %v (%v)", v, err)
	}
	return atomic
}

// TestCreateRace lets two hosts, with two processes each, link one name at the
// same time. What is shared then is what one of them wrote; where the remote
// can tell who was first both hosts read that.
func TestCreateRace(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *site) {
		s.forSeveral()
		hosts := []*mount{s.mount("a", "--refresh=1s"), s.mount("b", "--refresh=1s")}
		r := &race{t: t, s: s, hosts: hosts, written: map[string][]string{}}
		for range 4 {
			r.actors = append(r.actors, s.self())
		}
		keys := archives("race", 6)
		for _, key := range keys {
			r.run(key)
		}
		for _, m := range hosts {
			m.flush()
			m.learn()
		}
		for _, key := range keys {
			r.settled(key)
		}
		if got := s.names(); len(got) != len(keys) {
			t.Errorf("the remote holds %d files, want %d: %v", len(got), len(keys), got)
		}
	})
}

type race struct {
	t       *testing.T
	s       *site
	hosts   []*mount
	actors  []*actor
	written map[string][]string // sums by key
}

// run lets every actor write a file of its own and link it under the key.
func (r *race) run(key string) {
	r.t.Helper()
	host := func(i int) *mount { return r.hosts[i%len(r.hosts)] }
	tmp := func(i int) string { return host(i).path(key) + "writer_" + string(rune('a'+i)) }
	for i, a := range r.actors {
		a.call("makedirs", host(i).path(filepath.Dir(key)), 0o775)
		a.do("write_file", tmp(i), strings.Repeat(string(rune('a'+i)), 5000+i))
		r.written[key] = append(r.written[key], sum(tmp(i)))
	}
	for i, a := range r.actors {
		a.begin("link", tmp(i), host(i).path(key))
	}
	won := 0
	for i, a := range r.actors {
		switch _, errno := a.finish(); errno {
		case "":
			won++
		case "EEXIST":
		default:
			r.t.Errorf("link of writer %d: %s, want success or EEXIST", i, errno)
		}
	}
	if won == 0 || won > len(r.hosts) {
		r.t.Errorf("%d of %d writers on %d hosts won", won, len(r.actors), len(r.hosts))
	}
	for i, a := range r.actors {
		a.do("unlink", tmp(i))
	}
}

// settled checks what is left of a race.
func (r *race) settled(key string) {
	r.t.Helper()
	shared := r.s.sum(key)
	if !slices.Contains(r.written[key], shared) {
		r.t.Errorf("%s: the remote holds what nobody wrote: %s", key, shared)
	}
	for _, m := range r.hosts {
		if m.atomicCreate() {
			eventuallyHolds(r.t, m.point, map[string]string{key: shared})
		} else if got := sum(m.path(key)); !slices.Contains(r.written[key], got) {
			r.t.Errorf("%s: %v holds what nobody wrote: %s", key, m, got)
		}
	}
}

// TestLife follows objects from one host to another and to their end.
func TestLife(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *site) {
		maker, user := s.mount("a"), s.mount("b")
		keys := archives("life", 6)
		b := s.build("build", maker.point, keys)
		b.all(t, "published", keys)
		s.shares(b.acknowledged())
		user.learn()
		s.build("build", user.point, keys).all(t, "restored", keys)
		user.holds(b.acknowledged())

		for _, key := range keys[:3] {
			s.must("rm", user.path(key), user.path(key)+".siginfo")
		}
		user.flush()
		left := b.acknowledged()
		for _, key := range keys[:3] {
			delete(left, key)
			delete(left, key+".siginfo")
		}
		s.shares(left)
		maker.learn()
		s.build("check", maker.point, keys[:3]).all(t, "missing", keys[:3])

		again := s.build("build", maker.point, keys)
		again.all(t, "published", keys[:3])
		again.all(t, "restored", keys[3:])
		s.shares(merge(t, left, again.acknowledged()))
	})
}

// TestTouchSeenByOthers uses objects that have not been used for a while: the
// time that others see moves, and nothing else.
func TestTouchSeenByOthers(t *testing.T) {
	forEachServer(t, func(t *testing.T, s *site) {
		keys := archives("used", 4)
		made := s.fill(keys...)
		before := map[string]time.Time{}
		for _, key := range keys {
			before[key] = s.usedAt(key)
		}
		m := s.mount("a", "--touch-interval=1s")
		a := s.self()
		moved := func() bool {
			if m.status().text("remote.traits.touch") == "put" { // the first touch may find that out
				m.holds(made) // what is not here cannot be sent again
			}
			for _, key := range keys {
				a.do("utime", m.path(key))
			}
			m.flush()
			return !slices.ContainsFunc(keys, func(key string) bool { return !s.usedAt(key).After(before[key]) })
		}
		if !within(startLimit, moved) {
			t.Errorf("the remote's times do not move: touch is %q", m.status().text("remote.traits.touch"))
		}
		m.holds(made)
		if errors := m.count("remote.errors"); errors != 0 {
			t.Errorf("%d errors of the remote", errors)
		}
		m.stop()
		s.shares(made)
	})
}

// TestMissesAskNobody counts requests: a miss costs none.
func TestMissesAskNobody(t *testing.T) {
	onRemotes(t, append(near(), others()...), func(t *testing.T, s *site) {
		p := s.breakable()
		there := archives("there", 40)
		s.fill(there...)
		m := s.mount("a", "--refresh=1h")
		m.refresh()
		absent := append(renamed(there, "there", "absent"), archives("elsewhere", 200)...)
		before := p.Counts()
		s.build("check", m.point, absent).all(t, "missing", absent)
		after := p.Counts()
		for verb, n := range after {
			if n > before[verb]+2 { // somebody may look whether the server is there
				t.Errorf("the misses cost %d requests %s", n-before[verb], verb)
			}
		}
		s.build("check", m.point, there).all(t, "found", there)
	})
}

// TestReadOnlyChangesNothing counts requests of a mount that must not write:
// what the remote can do is not tried out then.
func TestReadOnlyChangesNothing(t *testing.T) {
	onRemotes(t, append(near(), others()...), func(t *testing.T, s *site) {
		p := s.breakable()
		made := s.fill(archives("there", 3)...)
		m := s.mount("a", "--read-only", "--touch-interval=1s")
		m.holds(made)
		keys := archives("ours", 3)
		s.build("build", m.point, keys).all(t, "published", keys)
		s.must("rm", m.path(archives("there", 1)[0]))
		m.stop()
		counts := p.Counts()
		for _, verb := range []string{"PUT", "POST", "DELETE", "COPY", "MOVE", "MKCOL", "PROPPATCH", "LOCK"} {
			if counts[verb] != 0 {
				t.Errorf("%d requests %s of a mount that is read-only", counts[verb], verb)
			}
		}
		s.shares(made)
		if counts["GET"] == 0 {
			t.Errorf("nobody came through the proxy: %v", counts)
		}
	})
}
