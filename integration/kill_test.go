package integration

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// crash is one round of a kill test.
type crash struct {
	t     *testing.T
	s     *site
	m     *mount
	r     *rand.Rand
	keys  [][]string // per publisher
	verbs []string
}

// crashRounds is how often each kill test kills.
const crashRounds = 4

// TestKill kills the daemon while publishers work. What they were told is
// published is on the remote after the next mount of the cache, and nothing
// partial is anywhere.
func TestKill(t *testing.T) {
	forEachMode(t, here(), func(t *testing.T, s *site, mode string) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		c := &crash{t: t, s: s, r: rand.New(rand.NewPCG(seed, 1)), m: s.mount("a", "--publish="+mode)}
		for round := range crashRounds {
			if round > 0 {
				c.m.restart()
			}
			c.plan(round)
			c.round()
		}
	})
}

// plan gives each publisher its own names.
func (c *crash) plan(round int) {
	c.verbs = []string{"archive", "archive", "shell", "signed"}
	c.keys = nil
	for i, verb := range c.verbs {
		names := archives(verb+string(rune('a'+i))+string(rune('a'+round)), 12)
		var keys []string
		for _, name := range names {
			keys = append(keys, name+".siginfo", name)
		}
		c.keys = append(c.keys, keys)
	}
}

func (c *crash) round() {
	t := c.t
	t.Helper()
	var builds []*build
	for i, verb := range c.verbs {
		builds = append(builds, c.s.begin(os.Getuid(), verb, c.m.point, c.keys[i]))
	}
	after := 1 + c.r.IntN(70) // without any publish some servers have no folder to look at
	eventually(t, startLimit, "publishes", func() bool { return acknowledgedBy(builds) >= after })
	c.m.kill()
	want := map[string]string{}
	for _, b := range builds {
		_ = b.cmd.Wait() // fails: its file system is gone
		want = merge(t, want, b.acknowledged())
	}
	t.Logf("killed after %d of %d publishes", len(want), 8*12)

	c.m.restart() // over the dead mount
	c.m.flush()
	c.s.sharesAll(want)
	mustHoldAll(t, c.m.point, want)
	for _, dir := range []string{c.s.plain(), c.m.point, c.m.cache + "/objects"} {
		c.mustBeWhole(dir)
	}
	c.again()
	c.m.stop()
	c.mustBeClean()
}

func acknowledgedBy(builds []*build) int {
	n := 0
	for _, b := range builds {
		n += len(b.acknowledged())
	}
	return n
}

// leftover is what a killed writer leaves on the remote; clean removes it after
// a day.
var leftover = regexp.MustCompile(`(^|/)\.sstatefs-[0-9a-f]{16}$`)

// mustBeWhole decodes every object in a folder and compares it with what its
// key stands for.
func (c *crash) mustBeWhole(dir string) {
	c.t.Helper()
	var archives, infos []string
	for _, name := range files(c.t, dir) {
		switch {
		case strings.HasSuffix(name, ".tar.zst"):
			archives = append(archives, name)
		case strings.HasSuffix(name, ".siginfo"):
			infos = append(infos, filepath.Join(dir, name))
		case strings.HasSuffix(name, ".sig"), dir != c.m.point && leftover.MatchString(name):
		default:
			c.t.Errorf("%s holds %s", dir, name)
		}
	}
	if len(archives) > 0 {
		c.s.build("unpack", dir, archives).all(c.t, "restored", archives)
	}
	if len(infos) > 0 {
		c.s.must("zstd", append([]string{"-q", "-t"}, infos...)...)
	}
}

// again runs the builds again, as a user does after a crash.
func (c *crash) again() {
	c.t.Helper()
	for i, verb := range c.verbs {
		b := c.s.build(verb, c.m.point, c.keys[i])
		for key, outcome := range b.outcomes() {
			if outcome != "published" && outcome != "exists" {
				c.t.Errorf("%s after the crash: %s", key, outcome)
			}
		}
	}
	c.m.flush()
	for _, keys := range c.keys {
		for _, key := range keys {
			if c.s.sum(key) != sum(c.m.path(key)) {
				c.t.Errorf("%s differs between mount and remote", key)
			}
		}
	}
}

// mustBeClean looks into the cache of a stopped daemon.
func (c *crash) mustBeClean() {
	c.t.Helper()
	for _, part := range []string{"queue", "fetch", "scratch", "broken"} {
		if left := files(c.t, c.m.cache+"/"+part); len(left) > 0 {
			c.t.Errorf("%s holds %v", part, left)
		}
	}
}

// TestKillWhileFetching kills the daemon of a host that restores.
func TestKillWhileFetching(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		maker := s.mount("a")
		keys := archives("fetched", 30)
		s.build("archive", maker.point, keys)
		user := s.mount("b")
		user.learn()
		b := s.begin(os.Getuid(), "restore", user.point, keys)
		eventually(t, startLimit, "some are fetched", func() bool { return len(files(t, user.cache+"/objects")) > 5 })
		user.kill()
		_ = b.cmd.Wait()
		user.restart()
		s.build("restore", user.point, keys).all(t, "restored", keys)
		user.stop()
		s.build("restore", user.cache+"/objects", keys).all(t, "restored", keys)
		if left := files(t, user.cache+"/fetch"); len(left) > 0 {
			t.Errorf("fetch holds %v", left)
		}
	})
}

// TestKillKeepsScratch mounts again after a kill: what is private stays, but
// for temporaries.
func TestKillKeepsScratch(t *testing.T) {
	s := newSite(t)
	m := s.mount("a")
	a := s.self()
	key := archives("scratch", 1)[0]
	leaf := filepath.Dir(key)
	a.do("makedirs", m.path(leaf))
	a.do("makedirs", m.path("own/folder"))
	a.do("write_file", m.path("own/folder/file"), "kept")
	a.do("symlink", "/mirror/object", m.path(key))
	for _, name := range []string{key + "abcd1234", leaf + "/sigtask.x8s_kd9a", leaf + "/CuAbCdEf", key + ".AbCdEfGh"} {
		a.do("write_file", m.path(name), "temporary")
	}
	a.do("makedirs", m.path(leaf, "tmpab12cd34"))
	a.do("write_file", m.path(leaf, "tmpab12cd34", filepath.Base(key)), "temporary")
	m.kill()
	m.restart()
	want := []string{key, "own/folder/file"}
	got := files(t, m.point)
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("the mount holds %v, want %v", got, want)
	}
	if target, err := os.Readlink(m.path(key)); err != nil || target != "/mirror/object" {
		t.Errorf("link: %q %v", target, err)
	}
}

// TestDamageAfterKill damages files after a kill, as a power cut does. What was
// fetched is fetched again; what was queued is not sent.
func TestDamageAfterKill(t *testing.T) {
	forEachRemote(t, func(t *testing.T, s *site) {
		m := s.mount("a", "--publish=queue")
		theirs, ours := archives("theirs", 3), archives("ours", 3)
		made := s.fill(theirs...)
		m.learn()
		s.build("restore", m.point, theirs).all(t, "restored", theirs)
		s.hide()
		queued := s.build("archive", m.point, ours)
		queued.all(t, "published", ours)
		m.kill()
		s.sh(`truncate -s 100 "$1"; dd if=/dev/zero of="$2" bs=1 count=50 seek=60 conv=notrunc status=none`,
			m.cache+"/objects/"+theirs[0], m.cache+"/objects/"+ours[0])
		s.show()
		m.restart()
		r := s.run(os.Getuid(), binary, "flush", m.point)
		t.Logf("flush: exit %d, %s%s", r.code, r.stdout, r.stderr)
		for key, sum := range queued.acknowledged() {
			if key != ours[0] {
				made[key] = sum
			}
		}
		s.shares(made)
		m.holds(made)
		s.build("restore", m.point, theirs).all(t, "restored", theirs)
		s.self().want("ENOENT", "stat", m.path(ours[0]))
		if n := m.status().number(t, "queue.failed"); n != 1 {
			t.Errorf("status says that %d objects are damaged, want 1", n)
		}
		b := s.build("build", m.point, ours[:1]) // the next build mends it
		b.all(t, "published", ours[:1])
		m.flush()
		s.sharesAll(b.acknowledged())
	})
}
