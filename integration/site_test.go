package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sstatefs/integration/servers"
)

// sitePrefix begins the names of all folders of sites. The process of the test
// follows.
const sitePrefix = "sstatefs-it-"

// Users of the tests. A plain user needs an entry in passwd, which fusermount3
// looks up; guests only use mounts of others.
const (
	root   = 0
	nobody = 65534
	guestA = 20001
	guestB = 20002
)

// site is the world of one test: a remote, and the mounts of it.
type site struct {
	t       *testing.T
	dir     string
	place   place
	address string // of the remote, for mount
	remote  string // the folder of its plain files, empty for MinIO
	server  *servers.Server
	root    *servers.Root // the place on the server, nil for a directory
	mounts  []*mount
	disks   []string // file systems that are mounted for the test
}

// makeSite makes a site's folder.
func makeSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", sitePrefix, os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir}
	s.mkdir("work", 0o777|os.ModeSticky)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return s
}

// mkdir makes a folder of the site, whatever the umask, and returns its path.
func (s *site) mkdir(name string, mode os.FileMode) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// path is a path in the site.
func (s *site) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// own gives a folder of the site to a user.
func (s *site) own(uid int, names ...string) {
	s.t.Helper()
	for _, name := range names {
		if err := os.Chown(s.path(name), uid, uid); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *site) close() {
	for i := len(s.mounts) - 1; i >= 0; i-- {
		s.mounts[i].end()
	}
	if s.t.Failed() {
		for _, m := range s.mounts {
			m.showLog()
		}
	}
	for _, e := range mountsBelow(s.dir) {
		s.t.Errorf("still mounted after the test: %s", e.point)
		e.abort()
		_ = syscall.Unmount(e.point, syscall.MNT_DETACH)
	}
	for _, p := range processesOf(s.dir) {
		s.t.Errorf("still running after the test: %s", p)
	}
	for _, dir := range s.disks {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			s.t.Errorf("unmount %s: %v", dir, err)
		}
	}
	if err := os.RemoveAll(s.dir); err != nil && !s.t.Failed() {
		s.t.Errorf("clean up: %v", err)
	}
}

// processesOf lists processes whose command line names a folder. Children that
// nobody waits for need a moment to go.
func processesOf(dir string) []string {
	var found []string
	deadline := time.Now().Add(5 * time.Second)
	for {
		found = nil
		cmdlines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, file := range cmdlines {
			text, err := os.ReadFile(file)
			if err == nil && bytes.Contains(text, []byte(dir+"/")) {
				found = append(found, strings.ReplaceAll(string(text), "\x00", " "))
			}
		}
		if len(found) == 0 || time.Now().After(deadline) {
			return found
		}
		time.Sleep(pollInterval)
	}
}

// env is the environment of a user's commands.
func (s *site) env(uid int) []string {
	home := s.path("home-" + strconv.Itoa(uid))
	if _, err := os.Stat(home); err != nil {
		s.mkdir("home-"+strconv.Itoa(uid), 0o700)
		if os.Getuid() == 0 {
			s.own(uid, filepath.Base(home))
		}
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "LC_ALL=C.UTF-8",
		"GOMAXPROCS=" + os.Getenv("GOMAXPROCS"), "PYTHONDONTWRITEBYTECODE=1", "TMPDIR=" + s.path("work"),
		"GORACE=atexit_sleep_ms=0", // a command would sleep for a second at its end
	}
	if s.server != nil {
		env = append(env, s.server.Env...)
	}
	return env
}

// command is a child process of the site under a user, which dies with the
// test.
func (s *site) command(ctx context.Context, uid int, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = s.env(uid), s.path("work")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	}
	return cmd
}

// callTimeout bounds a single command.
const callTimeout = 60 * time.Second

// result is how a command ended.
type result struct {
	code           int
	stdout, stderr string
}

// run runs a command to its end.
func (s *site) run(uid int, name string, args ...string) result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	cmd := s.command(ctx, uid, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		s.t.Fatalf("%s %s: %v (%v)\n%s", name, strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// must runs a command as root that has to succeed, and returns what it printed.
func (s *site) must(name string, args ...string) string {
	s.t.Helper()
	return s.mustAs(os.Getuid(), name, args...)
}

func (s *site) mustAs(uid int, name string, args ...string) string {
	s.t.Helper()
	r := s.run(uid, name, args...)
	if r.code != 0 {
		s.t.Fatalf("%s %s: exit %d\n%s%s", name, strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// sh runs a shell script as root that has to succeed.
func (s *site) sh(script string, args ...string) string {
	s.t.Helper()
	return s.must("/bin/sh", append([]string{"-euc", script, "sh"}, args...)...)
}

// facts is what `sstatefs VERB --json` printed.
type facts map[string]any

func parseFacts(t *testing.T, text string) facts {
	t.Helper()
	var f facts
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		t.Fatalf("no JSON object: %v\n%s", err, text)
	}
	return f
}

// find follows a dotted path of keys; it is an error if one is missing, since
// the keys are an interface.
func (f facts) find(path string) (any, error) {
	var at any = map[string]any(f)
	for _, key := range strings.Split(path, ".") {
		object, _ := at.(map[string]any)
		value, ok := object[key]
		if at = value; !ok {
			return nil, fmt.Errorf("no key %q of %q in %v", key, path, f)
		}
	}
	return at, nil
}

func (f facts) number(t *testing.T, path string) int64 {
	t.Helper()
	v, err := f.find(path)
	n, ok := v.(float64)
	if err != nil || !ok {
		t.Fatalf("%s is %v, not a number (%v)", path, v, err)
	}
	return int64(n)
}

func (f facts) text(path string) string {
	v, _ := f.find(path)
	text, _ := v.(string)
	return text
}
