package integration

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"sstatefs/integration/servers"
)

// canary is the password of the tests: it may be where its owner put it, and
// nowhere else. It has what has to be escaped in a URL.
const (
	canary     = "k4n4ry/of#the mine"
	canaryUser = "miner"
)

// canaryForms are all that would give it away.
func canaryForms(secret string) []string {
	pair := base64.StdEncoding.EncodeToString([]byte(canaryUser + ":" + secret))
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), pair, strconv.Quote(secret)[1 : len(secret)+1]}
}

// A front stands before a WebDAV server, speaks TLS, lets only the user with the
// canary in, and can go wrong in a manner that tells what it knows.
type front struct {
	*httptest.Server
	ca   string // file of its authority
	mode atomic.Pointer[string]
}

func (f *front) set(mode string) { f.mode.Store(&mode) }

func (s *site) front() *front {
	s.t.Helper()
	behind, err := url.Parse(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	f := &front{ca: s.path("ca.pem")}
	f.set("")
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Header.Del("Authorization")
		if to := r.In.Header.Get("Destination"); to != "" {
			r.Out.Header.Set("Destination", strings.Replace(to, f.URL, s.server.URL, 1))
		}
	}}
	f.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		mode := *f.mode.Load()
		switch {
		case user != canaryUser || password != canary || mode == "401":
			w.Header().Set("WWW-Authenticate", `Basic realm="sstate `+password+`"`)
			http.Error(w, "no entry with "+password, http.StatusUnauthorized)
		case mode == "redirect":
			w.Header().Set("Location", "https://"+url.UserPassword(user, password).String()+"@localhost:1/"+url.PathEscape(password))
			w.WriteHeader(http.StatusMovedPermanently)
		case mode != "":
			w.Header().Set("X-Echo", r.Header.Get("Authorization"))
			code, _ := strconv.Atoi(mode)
			http.Error(w, "failed with "+password+" "+r.Header.Get("Authorization"), code)
		default:
			forward.ServeHTTP(w, r)
		}
	}))
	s.t.Cleanup(f.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	if err := os.WriteFile(f.ca, text, 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.address = strings.Replace(s.root.AddressAt(f.URL), "https://", "https://"+canaryUser+"@", 1)
	return f
}

// A leakSearch looks for a secret in what a test has seen.
type leakSearch struct {
	t     *testing.T
	forms []string
	seen  int // places that were looked at
}

func (l *leakSearch) in(place string, text []byte) {
	l.t.Helper()
	l.seen++
	for _, form := range l.forms {
		if i := bytes.Index(text, []byte(form)); i >= 0 {
			l.t.Errorf("%s holds the secret: ...%q", place, text[max(0, i-120):min(len(text), i+len(form)+20)])
			return
		}
	}
}

// run runs a command of the program, whatever comes of it.
func (l *leakSearch) run(s *site, args ...string) result {
	l.t.Helper()
	r := s.run(os.Getuid(), binary, args...)
	l.in("sstatefs "+strings.Join(args, " ")+": stdout", []byte(r.stdout))
	l.in("sstatefs "+strings.Join(args, " ")+": stderr", []byte(r.stderr))
	return r
}

// folder looks at names and contents below a folder.
func (l *leakSearch) folder(dir string) {
	l.t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return nil // it went away
		}
		l.in("a name", []byte(path))
		if e.Type().IsRegular() {
			text, _ := os.ReadFile(path)
			l.in(path, text)
		}
		return nil
	})
	if err != nil {
		l.t.Error(err)
	}
}

// processes looks at the command lines of all processes, and the environment of
// those that the daemon has started.
func (l *leakSearch) processes(daemon int) {
	l.t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	children := 0
	for _, file := range lines {
		text, _ := os.ReadFile(file)
		dir := filepath.Dir(file)
		if strings.Contains(string(text), sitePrefix) || strings.Contains(string(text), binary) {
			l.in(file, text)
		}
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		_, rest, _ := bytes.Cut(stat, []byte(") "))
		if fields := strings.Fields(string(rest)); len(fields) > 1 && fields[1] == strconv.Itoa(daemon) {
			children++
			env, _ := os.ReadFile(filepath.Join(dir, "environ"))
			l.in(dir+"/environ", env)
		}
	}
	if children == 0 {
		l.t.Error("the daemon has no children: its lookout is missing")
	}
}

// secretWays are the ways to give a password. Each returns flags for mount.
func secretWays() map[string]func(s *site) []string {
	return map[string]func(s *site) []string{
		"environment": func(s *site) []string {
			s.server.Env = append(s.server.Env, "SSTATEFS_PASSWORD="+canary)
			return nil
		},
		"file": func(s *site) []string {
			file := s.path("password")
			if err := os.WriteFile(file, []byte(canary+"\n"), 0o600); err != nil {
				s.t.Fatal(err)
			}
			return []string{"--password-file=" + file}
		},
		"netrc": func(s *site) []string {
			s.env(os.Getuid()) // makes the home
			text := "machine 127.0.0.1 login " + canaryUser + " password \"" + canary + "\"\n"
			if err := os.WriteFile(s.path("home-"+strconv.Itoa(os.Getuid()), ".netrc"), []byte(text), 0o600); err != nil {
				s.t.Fatal(err)
			}
			return nil
		},
	}
}

// TestSecrets gives the password in every way, uses the mount in all states, and
// looks for the password in everything that others can see.
func TestSecrets(t *testing.T) {
	for way, give := range secretWays() {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newSiteOn(t, place{name: "apache", kind: servers.Apache})
			f := s.front()
			flags := append(give(s), "--ca-file="+f.ca)
			l := &leakSearch{t: t, forms: canaryForms(canary)}
			m := s.mount("a", append(flags, "--log-level=debug", "--publish-timeout=1s", "--drain-timeout=1s")...)
			follow := l.follow(m)
			keys := archives("secret", 3)
			s.build("build", m.point, keys).all(t, "published", keys)
			l.look(m, flags)
			for _, mode := range []string{"401", "403", "redirect", "500"} {
				f.set(mode)
				s.build("archive", m.point, archives("secret"+mode, 1))
				l.look(m, flags)
				mustNotMount(l, s, flags)
			}
			f.set("")
			follow()
			l.processes(m.cmd.Process.Pid)
			m.quit()
			l.in("the log, with the dump of all goroutines", mustRead(t, m.logFile()))
			l.folder(m.cache)
			l.folder(filepath.Join(s.path("home-"+strconv.Itoa(os.Getuid())), "sstatefs"))
			if l.seen < 50 {
				t.Errorf("only %d places were looked at", l.seen)
			}
		})
	}
}

// look runs what tells of a mount.
func (l *leakSearch) look(m *mount, flags []string) {
	l.t.Helper()
	for _, args := range [][]string{
		{"status", m.point}, {"status", "--json", m.point}, {"status"}, {"stats", m.point}, {"stats", "--json", m.point},
		{"refresh", m.point}, {"info", m.point}, {"doctor", "--json", m.point},
	} {
		l.run(m.s, args...)
	}
	l.run(m.s, append([]string{"doctor", m.s.address}, flags...)...)
}

// follow collects the events of a mount until the function it returns is called.
func (l *leakSearch) follow(m *mount) (end func()) {
	var out bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	cmd := m.s.command(ctx, m.uid, binary, "events", "--json", m.point)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	return func() {
		cancel()
		var ended *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
			l.t.Error(err)
		}
		l.in("the events", out.Bytes())
		if out.Len() == 0 {
			l.t.Error("no events")
		}
	}
}

// mustNotMount tries another mount of a remote that refuses or fails: it tells
// why in one line, without the secret.
func mustNotMount(l *leakSearch, s *site, flags []string) {
	l.t.Helper()
	args := append([]string{"mount", "--log-level=debug", "--cache-dir", s.path("cache-x")}, flags...)
	r := l.run(s, append(args, s.address, s.mkdir("mnt-x", 0o755))...)
	if r.code == 0 || !strings.HasPrefix(r.stderr, "sstatefs: ") || strings.Count(strings.TrimSpace(r.stderr), "\n") > 1 {
		l.t.Errorf("exit %d, %q, want a line, and perhaps a hint", r.code, r.stderr)
	}
}

// quit ends the daemon with a dump of its goroutines, as SIGQUIT does.
func (m *mount) quit() {
	m.t.Helper()
	m.ended = true
	if err := m.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		m.t.Fatal(err)
	}
	m.wait()
	m.alarm.Stop()
	if text := mustRead(m.t, m.logFile()); !bytes.Contains(text, []byte("goroutine ")) {
		m.t.Error("no dump of goroutines in the log")
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSecretKey does the same for the secret key of a bucket, the right one and a
// wrong one.
func TestSecretKey(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, place{name: "versitygw", kind: servers.Versitygw})
	key := s.server.Getenv("AWS_SECRET_ACCESS_KEY")
	l := &leakSearch{t: t, forms: canaryForms(key)}
	m := s.mount("a", "--log-level=debug")
	keys := archives("secret", 2)
	s.build("build", m.point, keys).all(t, "published", keys)
	l.look(m, nil)
	l.processes(m.cmd.Process.Pid)
	m.quit()
	l.in("the log", mustRead(t, m.logFile()))
	l.folder(m.cache)
	l.forms = canaryForms(canary)
	s.server.Env = append(s.server.Env, "AWS_SECRET_ACCESS_KEY="+canary, "AWS_SESSION_TOKEN="+canary)
	mustNotMount(l, s, nil)
	l.run(s, "doctor", s.address)
	l.run(s, "info", "--json", s.address)
}

// TestPasswordInAddress: one that stands in an address is refused, and not told
// again.
func TestPasswordInAddress(t *testing.T) {
	s := newSite(t)
	l := &leakSearch{t: t, forms: canaryForms(canary)}
	with := url.UserPassword(canaryUser, canary).String()
	for _, address := range []string{
		"https://" + with + "@127.0.0.1:1/sstate", "s3://bucket?endpoint=http://" + with + "@127.0.0.1:1",
		"s3://" + with + "@bucket/x", "https://" + with + "@[::1/sstate", canaryUser + ":" + canary + "@host:/sstate",
	} {
		for _, verb := range [][]string{{"mount", address, s.dir}, {"info", address}, {"doctor", address}, {"clean", "--max-age=30d", address}} {
			if r := l.run(s, verb...); r.code != 2 {
				t.Errorf("%s: exit %d, %q, want 2", verb[0], r.code, r.stderr)
			}
		}
	}
}

// TestTLS: a server whose certificate nobody vouches for is refused, unless it is
// believed explicitly, and then status says so.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, place{name: "apache", kind: servers.Apache})
	f := s.front()
	s.server.Env = append(s.server.Env, "SSTATEFS_PASSWORD="+canary)
	r := s.run(os.Getuid(), binary, "mount", "--cache-dir", s.path("cache-x"), s.address, s.mkdir("mnt-x", 0o755))
	if r.code == 0 || !strings.Contains(r.stderr, "certificate") || !strings.Contains(r.stderr, "\nhint: ") ||
		!strings.Contains(r.stderr, "--ca-file") || strings.Count(r.stderr, "\n") != 2 {
		t.Errorf("exit %d, %q, want a line about the certificate and a hint", r.code, r.stderr)
	}
	for flag, want := range map[string]bool{"--ca-file=" + f.ca: false, "--insecure": true} {
		name := strings.Trim(flag[:5], "-")
		m := s.mount(name, flag)
		text, json := s.must(binary, "status", m.point), s.must(binary, "status", "--json", m.point)
		if got := strings.Contains(text, "not verified"); got != want {
			t.Errorf("status with %s says so: %v, want %v\n%s", flag, got, want, text)
		}
		if got := strings.Contains(json, "not verified"); got != want {
			t.Errorf("status --json with %s says so: %v, want %v\n%s", flag, got, want, json)
		}
		m.stop()
	}
	if r := s.run(os.Getuid(), binary, "doctor", "--insecure", s.address); !strings.Contains(r.stdout, "not verified") {
		t.Errorf("doctor: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
