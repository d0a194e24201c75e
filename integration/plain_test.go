package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sstatefs/integration/servers"
)

// rclone is a run of rclone on the site's remote, which it calls "far:". It
// knows nothing but the environment.
func (s *site) rclone(args ...string) string {
	s.t.Helper()
	program := filepath.Join(servers.Programs(), "rclone")
	config := s.path("rclone.conf")
	text := "[server]\ntype = webdav\nvendor = other\nurl = " + s.server.URL + "/sstate\n\n[far]\ntype = alias\nremote = server:" + rootName + "\n"
	if s.place.kind.IsS3() {
		text = "[server]\ntype = s3\nprovider = Other\nenv_auth = true\nendpoint = " + s.server.URL +
			"\n\n[far]\ntype = alias\nremote = server:" + s.server.Bucket + "/" + rootName + "\n"
	}
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return s.must(program, append([]string{"--config", config, "--retries", "1"}, args...)...)
}

// curl is a run of curl for an object, signed for an object store.
func (s *site) curl(key string, args ...string) string {
	s.t.Helper()
	args = append([]string{"-fsS", "--path-as-is"}, args...)
	if s.place.kind.IsS3() {
		user := s.server.Getenv("AWS_ACCESS_KEY_ID") + ":" + s.server.Getenv("AWS_SECRET_ACCESS_KEY")
		// curl before 8 does not send this header by itself, which versitygw wants.
		args = append(args, "-H", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", user)
	}
	return s.must("curl", append(args, s.root.ObjectURL(key))...)
}

// mirrored fetches an object as BitBake's wget fetcher does from SSTATE_MIRRORS:
// it looks with HEAD whether it is there, and gets it.
const mirrored = `
import hashlib, sys, urllib.request
for url in sys.argv[1:]:
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
        size = int(answer.headers["Content-Length"])
    with urllib.request.urlopen(url) as answer:
        content = answer.read()
    assert len(content) == size, (url, len(content), size)
    print(hashlib.sha256(content).hexdigest())
`

// TestReadByOthers reads with other tools what a mount has published.
func TestReadByOthers(t *testing.T) {
	onRemotes(t, append(near(), others()...), func(t *testing.T, s *site) {
		keys := archives("plain", 5)
		b := s.build("build", s.mount("a").point, keys)
		b.all(t, "published", keys)
		published := b.acknowledged()

		copied := s.mkdir("copied", 0o755)
		s.rclone("copy", "far:", copied)
		mustHold(t, copied, published)
		s.build("restore", copied, keys).all(t, "restored", keys)
		listed := strings.Fields(s.rclone("lsf", "-R", "--files-only", "far:"))
		if len(listed) != len(published) {
			t.Errorf("rclone lists %d objects, want %d", len(listed), len(published))
		}
		for key, want := range published {
			file := filepath.Join(s.path("work"), "curl")
			s.curl(key, "-o", file)
			if got := sum(file); got != want {
				t.Errorf("curl gets %s as %s, want %s", key, got, want)
			}
			if s.place.kind.IsS3() {
				continue // a mirror over http wants a bucket that all may read
			}
			if got := strings.TrimSpace(s.must(python, "-c", mirrored, s.root.ObjectURL(key))); got != want {
				t.Errorf("a mirror's user gets %s as %s, want %s", key, got, want)
			}
		}
	})
}

// TestFilledByOthers restores what other tools have uploaded: the keys are the
// paths of an sstate directory, as isar-sstate has them too.
func TestFilledByOthers(t *testing.T) {
	onRemotes(t, append(near(), others()...), func(t *testing.T, s *site) {
		made := map[string]string{}
		sets := map[string][]string{"rclone": archives("rclone", 4), "curl": archives("curl", 4), "plain": archives("plain", 4)}
		for _, name := range []string{"rclone", "curl"} {
			dir, keys := s.mkdir("by-"+name, 0o755), sets[name]
			made = merge(t, made, s.build("archive", dir, append(with(keys, ".siginfo"), keys...)).acknowledged())
		}
		s.rclone("copy", s.path("by-rclone"), "far:")
		for _, key := range append(with(sets["curl"], ".siginfo"), sets["curl"]...) {
			if !s.place.kind.IsS3() {
				s.must("curl", "-sS", "-o", "/dev/null", "-X", "MKCOL", s.root.ObjectURL(key[:strings.LastIndexByte(key, '/')-3]+"/"))
				s.must("curl", "-sS", "-o", "/dev/null", "-X", "MKCOL", s.root.ObjectURL(filepath.Dir(key)+"/"))
			}
			s.curl(key, "-T", s.path("by-curl", key))
		}
		made = merge(t, made, s.fill(append(with(sets["plain"], ".siginfo"), sets["plain"]...)...))

		m := s.mount("a")
		for name, keys := range sets {
			s.build("check", m.point, keys).all(t, "found", keys)
			s.build("restore", m.point, keys).all(t, "restored", keys)
			s.build("build", m.point, keys).all(t, "restored", keys)
			t.Logf("what %s put is served", name)
		}
		m.holds(made)
		s.shares(made)
	})
}

// mirror is a site whose remote is a plain web server over a folder of objects.
func mirror(t *testing.T, there []string) (*site, map[string]string) {
	t.Helper()
	s := makeSite(t)
	s.place = place{name: "mirror", kind: servers.Mirror}
	s.remote = s.mkdir("remote", 0o755)
	made := s.build("archive", s.remote, append(with(there, ".siginfo"), there...)).acknowledged()
	s.server = servers.Start(t, servers.Mirror, servers.Over(s.remote))
	s.root, s.address = &s.server.Root, s.server.Address
	t.Cleanup(s.close)
	return s, made
}

// TestMirror mounts a web server without WebDAV: a remote that can be read, and
// nothing else.
func TestMirror(t *testing.T) {
	there := archives("there", 12)
	s, made := mirror(t, there)
	p := s.breakable()
	m := s.mount("a")
	absent := archives("absent", 60)
	s.build("check", m.point, append(append([]string{}, there...), absent...)).all(t, "found", there)
	before := p.Counts()
	s.build("check", m.point, absent).all(t, "missing", absent) // known by now
	if n := p.Counts()["HEAD"] - before["HEAD"]; n > len(absent)/2 {
		t.Errorf("%d requests for %d misses that are known", n, len(absent))
	}
	s.build("restore", m.point, there).all(t, "restored", there)
	m.holds(made)

	keys := archives("ours", 5)
	b := s.build("build", m.point, keys)
	b.all(t, "published", keys)
	s.build("build", m.point, keys).all(t, "restored", keys)
	s.must("rm", m.path(there[0]))
	m.stop()
	m.restart()
	m.holds(b.acknowledged())
	s.build("check", m.point, keys).all(t, "found", keys)
	s.build("check", m.point, there[:1]).all(t, "missing", there[:1])
	if v, err := m.status().find("remote.traits.read_only"); v != true {
		t.Errorf("status says read_only is %v (%v)", v, err)
	}
	s.shares(made)
	for verb, n := range p.Counts() {
		if verb != "GET" && verb != "HEAD" && verb != "OPTIONS" && verb != "PROPFIND" {
			t.Errorf("%d requests %s to a server that can only be read", n, verb)
		}
	}
}

// TestMirrorGone takes the web server away.
func TestMirrorGone(t *testing.T) {
	there := archives("there", 8)
	s, _ := mirror(t, there)
	m := s.mount("a")
	s.build("restore", m.point, there[:4]).all(t, "restored", there[:4])
	s.server.Stop()
	s.build("restore", m.point, there[:4]).all(t, "restored", there[:4])
	absent := archives("absent", 40)
	s.build("check", m.point, absent).all(t, "missing", absent)
	s.server.Restart()
	eventually(t, seenWithin, "what is on the server is found again", func() bool { return foundAll(s, m, there) })
	s.build("restore", m.point, there).all(t, "restored", there)
}
