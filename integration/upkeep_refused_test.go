package integration

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"sstatefs/integration/proxy"
	"sstatefs/integration/servers"
)

// upkeepVerbs are the verbs with a target, as they change something if they
// can.
func upkeepVerbs(source string) [][]string {
	return [][]string{
		{"info", there},
		{"list", there},
		{"show", "app", there},
		{"clean", there, "--max-age=1s", "--force"},
		{"clean", there, "--max-size=1K"},
		{"clean", there, "--remove-duplicated"},
		{"remove", there, "sstate:*"},
		{"remove", there, archive("app", "package", 1)},
		{"upload", source, there},
		{"analyze", source, there},
		{"lint", there},
		{"verify", there, "--repair"},
	}
}

// A badTarget cannot be worked on.
type badTarget struct {
	name, address string
	code          int
	says          string // a regular expression for the line on stderr
	env           []string
}

// TestUpkeepRefused gives every verb a target with which something is wrong:
// one line and perhaps a hint, the right exit code, nothing on stdout, and
// nothing is changed.
func TestUpkeepRefused(t *testing.T) {
	t.Parallel()
	s := newSiteOn(t, place{name: "versitygw", kind: servers.Versitygw})
	source := s.mkdir("source", 0o755)
	all := goods{}
	all.parcel(t, archive("app", "package", 1), 1000, ".siginfo")
	all.write(t, source)
	bad := badTargets(t, s, all)
	t.Run("target", func(t *testing.T) {
		for _, b := range bad {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel() // silence is waited for
				refusedByAll(t, s, b, source)
			})
		}
	})
	k := &keeper{t: t, s: s}
	k.holds(all.keys()...)
	mustHoldKeys(t, s.path("behind"), all.keys())
	if content, err := os.ReadFile(s.path("file")); string(content) != "a file" {
		t.Errorf("the file was changed: %q, %v", content, err)
	}
	if _, err := os.Lstat(s.path("nowhere")); err == nil {
		t.Errorf("a folder was made")
	}
}

// badTargets are those, and what is behind them where something is.
func badTargets(t *testing.T, s *site, all goods) []badTarget {
	t.Helper()
	for key, content := range all {
		s.put(key, content)
	}
	file, behind := s.path("file"), s.mkdir("behind", 0o775)
	if err := os.WriteFile(file, []byte("a file"), 0o644); err != nil {
		t.Fatal(err)
	}
	all.write(t, behind)
	dead, stopped := s.mountOf(behind, os.Getuid(), "dead"), s.mountOf(behind, os.Getuid(), "stopped")
	dead.kill()
	stopped.alarm.Reset(5 * mountLimit) // who asks it waits for a turn beside other tests
	t.Cleanup(func() { _ = stopped.cmd.Process.Signal(syscall.SIGCONT) })
	if err := stopped.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	locked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="cache"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(locked.Close)
	silent, failing := proxy.Start(t, s.server.URL), proxy.Start(t, s.server.URL)
	silent.Set(proxy.BlackHole())
	failing.Set(proxy.Status(http.StatusServiceUnavailable))
	wrong := []string{"AWS_SECRET_ACCESS_KEY=wrong"}
	none := []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_EC2_METADATA_DISABLED=true"}
	return []badTarget{
		{"empty", "", 2, `address is empty`, nil},
		{"scheme", "gopher://host/x", 2, `unknown scheme "gopher"`, nil},
		{"parameter", s.address + "&colour=red", 2, `unknown parameter "colour"`, nil},
		{"password", "http://ci:geheim@127.0.0.1:1/x", 2, `password`, nil},
		{"file", file, 2, `not a directory`, nil},
		{"below-file", file + "/x", 2, `not a directory`, nil},
		{"missing", s.path("nowhere"), 4, `does not exist`, nil},
		{"missing-below", s.path("nowhere", "deep"), 4, `does not exist`, nil},
		{"dead-mount", dead.point, 4, `its daemon is gone`, nil},
		{"stopped-mount", stopped.point, 4, `does not answer`, nil},
		{"port-dav", "http://127.0.0.1:1/sstate", 4, `connection refused`, nil},
		{"port-s3", "s3://sstate/x?endpoint=http://127.0.0.1:1", 4, `connection refused`, nil},
		{"host-dav", "http://no-such-host.invalid/sstate", 4, `no-such-host.invalid`, nil},
		{"host-s3", "s3://sstate/x?endpoint=http://no-such-host.invalid", 4, `no-such-host.invalid`, nil},
		{"bucket", "s3://nosuch/x?endpoint=" + s.server.URL, 4, `bucket nosuch does not exist`, nil},
		{"secret", s.address, 1, `the secret key does not fit`, wrong},
		{"no-credentials", s.address, 1, `no credentials found`, none},
		{"silent", s.root.AddressAt(silent.URL), 4, ``, nil},
		{"failing", s.root.AddressAt(failing.URL), 4, ``, nil},
		{"silent-dav", silent.URL + "/x", 4, ``, nil},
		{"failing-dav", failing.URL + "/x", 4, ``, nil},
		{"password-wanted", locked.URL + "/sstate", 1, `password`, nil},
	}
}

// refusedByAll runs all verbs on a bad target.
func refusedByAll(t *testing.T, s *site, b badTarget, source string) {
	verbs := upkeepVerbs(source)
	if strings.HasSuffix(b.name, "-mount") {
		verbs = append(verbs, []string{"fetch", there})
	}
	var running sync.WaitGroup
	for _, args := range verbs {
		running.Go(func() { refused(t, s, b, args) })
	}
	running.Wait()
}

// refused runs one verb on a bad target.
func refused(t *testing.T, s *site, b badTarget, args []string) {
	k := &keeper{t: t, s: &site{t: t, dir: s.dir, address: b.address}}
	r := s.run(os.Getuid(), "env", slices.Concat(b.env, []string{binary}, k.aimed(args))...)
	says := regexp.MustCompile(`^sstatefs: [^\n]*` + b.says + `[^\n]*\n(hint: [^\n]+\n)?$`)
	if r.code != b.code || !says.MatchString(r.stderr) || r.stdout != "" || strings.Contains(r.stdout+r.stderr, "geheim") {
		t.Errorf("sstatefs %s: exit %d, want %d and a line with %q on stderr only\nstdout: %s\nstderr: %s",
			strings.Join(k.aimed(args), " "), r.code, b.code, b.says, r.stdout, r.stderr)
	}
}

// TestUpkeepMistyped gives flags values that mean nothing: exit 2, one line
// that names the flag and the value, a hint, and nothing is changed.
func TestUpkeepMistyped(t *testing.T) {
	s := newSite(t)
	all := goods{}
	all.parcel(t, archive("app", "package", 1), 1000, ".siginfo")
	k := &keeper{t: t, s: s}
	k.stores(all)
	k.becomeOld(apart)
	ages := []string{"30", "30x", "-1d", "1e9d", "", " 30d", "30 d", "30D", "d", "1h30m", "0d", "0.5s", "9999999w", "NaNd", "0x10d", "1.2.3d", "\u0663d", "inf"}
	sizes := []string{"500", "5X", "-5G", "1e9G", "", "5 G", "G", "0", "0K", "99999999T", "5Gi", "infG", "1.2.3G", "5%"}
	for flag, values := range map[string][]string{"--max-age": ages, "--max-sig-age": ages, "--max-size": sizes} {
		for _, value := range values {
			k.mistyped(flag, value, "clean", there, "--force", flag+"="+value)
		}
	}
	k.mistyped("--clean-every", "24", "mount", there, s.mkdir("mnt", 0o755), "--clean-every=24", "--clean-max-age=30d")
	k.mistyped("--clean-max-age", "30x", "mount", there, s.path("mnt"), "--clean-every=24h", "--clean-max-age=30x")
	k.mistyped("--since", "2", "analyze", there, "--since=2")
	k.mistyped("--limit", "0", "list", there, "--limit=0")
	k.mistyped("--limit", "many", "list", there, "--limit=many")
	k.mistyped("--sort", "age", "list", there, "--sort=age")
	k.mistyped("--jobs", "0", "upload", s.mkdir("source", 0o755), there, "--jobs=0")
	k.mistyped("--jobs", "-1", "verify", there, "--repair", "--jobs=-1")
	k.mistyped("--exit-code", "256", "lint", there, "--exit-code=256")
	k.mistyped("--candidates", "0", "analyze", s.path("source"), there, "--candidates=0")
	k.holds(all.keys()...)
}

// mistyped runs the program with a flag that has a wrong value.
func (k *keeper) mistyped(flag, value string, args ...string) {
	k.t.Helper()
	r := k.s.run(os.Getuid(), binary, k.aimed(args)...)
	says := regexp.MustCompile(`^sstatefs: ` + args[0] + `: ` + flag + ` ` + regexp.QuoteMeta(value) + `: [^\n]+\nhint: sstatefs ` + args[0] + ` --help\n$`)
	if value == "" {
		says = regexp.MustCompile(`^sstatefs: ` + args[0] + `: ` + flag + `[^\n]*: [^\n]+\nhint: sstatefs ` + args[0] + ` --help\n$`)
	}
	if r.code != 2 || !says.MatchString(r.stderr) || r.stdout != "" {
		k.t.Errorf("sstatefs %s: exit %d, want 2 and a line on stderr that names %s %s\nstdout: %s\nstderr: %s",
			strings.Join(args, " "), r.code, flag, value, r.stdout, r.stderr)
	}
}

// mustHoldKeys checks which files a folder holds.
func mustHoldKeys(t *testing.T, dir string, want []string) {
	t.Helper()
	if got := files(t, dir); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s holds %v, want %v", dir, got, want)
	}
}
