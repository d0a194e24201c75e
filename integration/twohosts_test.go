package integration

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// TestTwoHosts lets four builds on two hosts publish and restore the same
// objects at the same time, then lets others read what is left.
func TestTwoHosts(t *testing.T) {
	forEachMode(t, append(here(), indexed()), twoHosts)
	t.Run("elsewhere", func(t *testing.T) {
		onRemotes(t, append(distant(), others()...), func(t *testing.T, s *site) { twoHosts(t, s, "through") })
	})
}

func twoHosts(t *testing.T, s *site, mode string) {
	t.Helper()
	s.forSeveral()
	var hosts []*mount
	for _, name := range []string{"a", "b"} {
		hosts = append(hosts, s.mount(name, "--publish="+mode, "--refresh=1s"))
	}
	keys := archives("shared", 30)
	acknowledged := buildEverywhere(t, s, hosts, keys)
	for _, m := range hosts {
		m.flush()
		m.mustCount("queue.objects", 0, "queue.bytes", 0, "queue.held", 0, "remote.errors", 0)
	}
	theirs := onRemote(t, s, keys, acknowledged)
	for _, m := range hosts {
		m.refresh()
		eventuallyHolds(t, m.point, theirs)
		mustHold(t, m.point, theirs)
		s.build("restore", m.point, keys).all(t, "restored", keys)
	}

	s.build("restore", s.plain(), keys).all(t, "restored", keys) // the remote is a plain SSTATE_DIR
	s.shares(theirs)
	for _, m := range hosts {
		m.stop()
		s.build("restore", m.cache+"/objects", keys).all(t, "restored", keys) // and so is the cache
	}
}

// buildEverywhere runs two builds on each host, in different orders. It returns
// every content that a build was told is published.
func buildEverywhere(t *testing.T, s *site, hosts []*mount, keys []string) map[string][]string {
	t.Helper()
	var builds []*build
	for i := range 2 * len(hosts) {
		order := append([]string(nil), keys...)
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		builds = append(builds, s.begin(os.Getuid(), "build", hosts[i%len(hosts)].point, order))
	}
	acknowledged := map[string][]string{}
	for _, b := range builds {
		for key, outcome := range b.finish() {
			switch outcome {
			case "restored", "published", "lost", "exists":
			default:
				t.Errorf("build of %s: %s", key, outcome)
			}
		}
		for key, sum := range b.acknowledged() {
			acknowledged[key] = append(acknowledged[key], sum)
		}
	}
	return acknowledged
}

// onRemote checks that the remote holds each key as one of its publishers made
// it, and nothing else.
func onRemote(t *testing.T, s *site, keys []string, acknowledged map[string][]string) map[string]string {
	t.Helper()
	want := map[string]string{}
	for _, key := range append(with(keys, ".siginfo"), keys...) {
		got := s.sum(key)
		want[key] = got
		known := false
		for _, sum := range acknowledged[key] {
			known = known || sum == got
		}
		if !known {
			t.Errorf("%s on the remote is %s; published were %v", key, got, acknowledged[key])
		}
	}
	s.shares(want)
	return want
}

// TestTwoBuilds counts what two builds in a row on one mount find.
func TestTwoBuilds(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		const n = 25
		m := s.mount("a")
		keys := archives("counted", n)
		s.build("check", m.point, keys).all(t, "missing", keys)
		s.build("build", m.point, keys).all(t, "published", keys)
		m.mustCount("lookups.miss", n, "lookups.hit", 0, "published.objects", 2*n, "fetched.objects", 0)

		s.build("check", m.point, keys).all(t, "found", keys)
		s.build("build", m.point, keys).all(t, "restored", keys)
		m.mustCount("lookups.miss", n, "lookups.hit", n, "published.objects", 2*n, "fetched.objects", 0, "touches.sent", 0)
		stats := m.stats()
		if got := stats.number(t, "lookups.by_task.package.hit"); got != n/5 {
			t.Errorf("hits of task package: %d, want %d", got, n/5)
		}
		if got := stats.number(t, "lookups.by_recipe.counted.miss"); got != n {
			t.Errorf("misses of the recipe: %d, want %d", got, n)
		}
	})
}

// TestTouchesSent refreshes times on the remote that are older than the touch
// interval, once.
func TestTouchesSent(t *testing.T) {
	forEachLookup(t, func(t *testing.T, s *site) {
		old, fresh := archives("old", 12), archives("fresh", 12)
		s.writePlain(append(append(with(old, ".siginfo"), old...), fresh...))
		s.age(append(with(old, ".siginfo"), old...), 3*time.Hour)
		s.age(fresh, time.Hour/2)
		m := s.mount("a", "--touch-interval=1h")
		s.build("check", m.point, append(old, fresh...)).all(t, "found", old)
		m.awaitCount("touches.sent", 24)
		m.mustCount("touches.local", 36, "remote.errors", 0)
		for _, key := range append(with(old, ".siginfo"), old...) {
			if a := s.ageOf(key); a > 5*time.Minute {
				t.Errorf("%s is %v old on the remote after a use", key, a)
			}
		}
		for _, key := range fresh {
			if a := s.ageOf(key); a < 20*time.Minute {
				t.Errorf("%s was touched on the remote without need", key)
			}
		}
		s.build("check", m.point, append(old, fresh...)).all(t, "found", fresh)
		if got := m.count("touches.sent"); got != 24 {
			t.Errorf("a second use sent touches again: %d", got)
		}
	})
}

// TestRestoreTouches counts reading as a use, also where BitBake touches
// nothing (kirkstone and Isar in the availability check).
func TestRestoreTouches(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		maker := s.mount("a")
		keys := archives("read", 5)
		s.build("archive", maker.point, keys)
		maker.stop() // its own touches of what it made are on their way
		s.age(keys, 40*24*time.Hour)
		user := s.mount("b")
		for _, key := range keys {
			s.must("cat", user.path(key))
		}
		user.awaitCount("touches.sent", int64(len(keys)))
		for _, key := range keys {
			if a := s.ageOf(key); a > 5*time.Minute {
				t.Errorf("%s is %v old on the remote after it was read", key, a)
			}
		}
	})
}

// ageOf is how long ago an object was last used.
func (s *site) ageOf(key string) time.Duration {
	s.t.Helper()
	return time.Since(s.usedAt(key))
}
